/* The commands of this project: arguments, options table and function of each. */
#ifndef LORA_COMMANDS_H
#define LORA_COMMANDS_H

#include <efficientai/project.h>

#include "session.h"

typedef struct train_args {
    session_args session;
    const char *data, *output, *resume_from;
    int64_t rank, steps, batch_size, seq_len, accumulation, warmup, seed;
    int64_t eval_every, patience, save_every, save_total_limit;
    double alpha, dropout, epochs, learning_rate, weight_decay, max_grad_norm, threshold;
    const char *targets, *schedule;
    bool load_best;
    bool rslora, learn_prompt, no_pack, no_shuffle, checkpoint_activations, resume, plan, json;
} train_args;
extern const eai_option train_options[];
eai_status cmd_train(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct evaluate_args {
    session_args session;
    const char *data;
    int64_t seq_len, limit, show;
    bool no_exact_match, json;
} evaluate_args;
extern const eai_option evaluate_options[];
eai_status cmd_evaluate(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct generate_args {
    session_args session;
    const char *prompt, *system;
    int64_t max_tokens, top_k, seed;
    double temperature, top_p, min_p, repetition_penalty;
    bool raw, json;
} generate_args;
extern const eai_option generate_options[];
eai_status cmd_generate(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct merge_args {
    session_args session;
    const char *output, *format, *save_dtype, *q_mode;
    int64_t q_bits, q_group_size;
    bool json;
} merge_args;
extern const eai_option merge_options[];
eai_status cmd_merge(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct export_args {
    session_args session;
    const char *output, *format;
    bool json;
} export_args;
extern const eai_option export_options[];
eai_status cmd_export(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct info_args {
    session_args session;
    bool json;
} info_args;
extern const eai_option info_options[];
eai_status cmd_info(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct validate_args {
    session_args session;
    const char *data;
    int64_t seq_len;
    bool json;
} validate_args;
extern const eai_option validate_options[];
eai_status cmd_validate(const eai_command_context *ctx, const void *args, eai_error *err);

#endif
