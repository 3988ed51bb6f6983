/* What the commands of the group "bench" share: options, backends, the report. */
#ifndef EAI_APPS_BENCH_H
#define EAI_APPS_BENCH_H

#include <jansson.h>

#include <efficientai/bench.h>
#include <efficientai/bench_results.h>
#include <efficientai/project.h>

/* Embed as the first member of the arguments. */
typedef struct bench_args {
    const char *backend, *isa, *dtype;
    int64_t threads, repeat;
    bool json;
} bench_args;

#define BENCH_OPTIONS(owner, repeats)                                                              \
    {.name = "repeat",                                                                             \
     .type = EAI_OPT_INT,                                                                          \
     .offset = offsetof(owner, bench.repeat),                                                      \
     .default_value = repeats,                                                                     \
     .value_name = "N",                                                                            \
     .help = "turns; medians are printed",                                                         \
     .min = 1,                                                                                     \
     .max = 10000},                                                                                \
        {.name = "json",                                                                           \
         .type = EAI_OPT_FLAG,                                                                     \
         .offset = offsetof(owner, bench.json),                                                    \
         .help = "one JSON object on one line instead of the table"},                              \
        {.name = "backend",                                                                        \
         .type = EAI_OPT_ENUM,                                                                     \
         .offset = offsetof(owner, bench.backend),                                                 \
         .default_value = "cpu",                                                                   \
         .value_name = "NAME",                                                                     \
         .choices = "cpu|mlx",                                                                     \
         .help = "what computes",                                                                  \
         .group = "Machine"},                                                                      \
        {.name = "threads",                                                                        \
         .key = 't',                                                                               \
         .type = EAI_OPT_INT,                                                                      \
         .offset = offsetof(owner, bench.threads),                                                 \
         .default_value = "0",                                                                     \
         .value_name = "N",                                                                        \
         .help = "threads, 0: one a core",                                                         \
         .min = 0,                                                                                 \
         .max = 1024,                                                                              \
         .group = "Machine"},                                                                      \
        {.name = "dtype",                                                                          \
         .type = EAI_OPT_ENUM,                                                                     \
         .offset = offsetof(owner, bench.dtype),                                                   \
         .default_value = "auto",                                                                  \
         .value_name = "TYPE",                                                                     \
         .choices = "auto|f32|bf16|int8",                                                          \
         .help = "precision of products; auto: bf16 where the processor has it",                   \
         .group = "Machine"},                                                                      \
    {                                                                                              \
        .name = "isa", .type = EAI_OPT_STRING, .offset = offsetof(owner, bench.isa),               \
        .value_name = "NAME",                                                                      \
        .help = "instruction set (mlx: cpu or gpu); default: $EFFICIENTAI_CPU_ISA, else the best", \
        .group = "Machine"                                                                         \
    }

/* Of commands that train. */
#define BENCH_STEP_OPTIONS(owner)                                                                  \
    {.name = "batch-size",                                                                         \
     .key = 'b',                                                                                   \
     .type = EAI_OPT_INT,                                                                          \
     .offset = offsetof(owner, batch_size),                                                        \
     .default_value = "4",                                                                         \
     .value_name = "N",                                                                            \
     .help = "rows of a training step",                                                            \
     .min = 1,                                                                                     \
     .max = 65536},                                                                                \
    {                                                                                              \
        .name = "seq-len", .type = EAI_OPT_INT, .offset = offsetof(owner, seq_len),                \
        .default_value = "256", .value_name = "N", .help = "tokens of a row", .min = 8,            \
        .max = 1048576                                                                             \
    }

/* `isa` NULL: that of the arguments. */
eai_status bench_open_backend(eai_backend **out, const bench_args *args, const char *isa,
                              eai_error *err);

/* The next word of a list "a,b,c" at *at, which moves on; false at the end. A word that is empty or
 * longer than the buffer is cut to "" or to the buffer. */
bool bench_next_word(char *word, size_t size, const char **at);

/* {"bench": name, "version": .., "cpu": .., "backend": .., "isa": .., "dtype": .., "threads": ..,
 * "peak_gflops": .., "rows": []}; NULL without memory. */
json_t *bench_report(const char *name, const eai_backend *b, double peak);
/* Appends {fields} to the rows of a report; takes `row`. */
void bench_add_row(json_t *report, json_t *row);
/* Results of `bench` with the facts of this machine, build and process. */
eai_status bench_results(eai_bench_results **out, const char *bench, uint64_t seed, eai_error *err);
/* Adds a case's n samples, before they are sorted; another one of that name becomes "NAME #2". */
eai_status bench_add_samples(eai_bench_results *r, const char *name, const double *seconds,
                             size_t n, eai_error *err);
/* Frees both and, where the status so far is EAI_OK, prints the report: as JSON together with what
 * eai_bench_results_to_json() says of the results, or else as a table of the columns named in
 * "title=key:FORMAT|..", FORMAT s for texts, else the number of decimals. Returns the status of the
 * whole. */
eai_status bench_end(eai_status st, json_t *report, eai_bench_results *results,
                     const bench_args *args, const char *columns, const eai_command_context *ctx,
                     eai_error *err);

/* A model to measure: a known name, a file, or "random:SIZE[:TYPE]". */
typedef struct bench_model {
    const char *name;
    eai_weights *weights;
    eai_model *model;
    double open_seconds;
} bench_model;

/* What a command that measures models opens: a backend, those models that the operands name or the
 * default one, a report and results. bench_session_end closes it and does what bench_end says. */
typedef struct bench_session {
    eai_backend *backend;
    bench_model *models;
    size_t n;
    json_t *report;
    eai_bench_results *results;
} bench_session;
eai_status bench_session_open(bench_session *s, const char *name, const bench_args *args,
                              const eai_command_context *ctx, eai_error *err);
eai_status bench_session_end(bench_session *s, eai_status st, const bench_args *args,
                             const char *columns, const eai_command_context *ctx, eai_error *err);
#define BENCH_MODEL_USAGE "[MODEL ...]"
#define BENCH_MODEL_HELP                                                                           \
    "MODEL is a known model (efficientai models list), a file, a folder, or random:SIZE[:TYPE]: "  \
    "random\nnumbers with the shapes of SmolLM2 135m, 360m or 1.7b, stored as TYPE (bf16). "       \
    "Several take turns."

/* ---- The commands, each in the file of its name
 * -------------------------------------------------------- */

typedef struct bench_gemm_args {
    bench_args bench;
    const char *shapes, *weights, *isas, *layout;
} bench_gemm_args;
extern const eai_option bench_gemm_options[];
eai_status bench_gemm(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_train_args {
    bench_args bench;
    int64_t batch_size, seq_len, rank;
    const char *targets;
    bool checkpoint_activations;
} bench_train_args;
extern const eai_option bench_train_options[];
eai_status bench_train(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_generate_args {
    bench_args bench;
    const char *prompts;
    int64_t tokens;
} bench_generate_args;
extern const eai_option bench_generate_options[];
eai_status bench_generate(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_ops_args {
    bench_args bench;
    int64_t batch_size, seq_len, tokens;
} bench_ops_args;
extern const eai_option bench_ops_options[];
eai_status bench_ops(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_run_args {
    int64_t warm_up, least_runs, most_runs, runs, seed;
    double precision, seconds, timeout;
    const char *setup, *prepare, *conclude, *cleanup, *names, *program_output, *output;
    bool shell, ignore_failure, one_by_one, json;
} bench_run_args;
extern const eai_option bench_run_options[];
eai_status bench_run(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_compare_args {
    const char *fail_above, *fail_above_memory;
    double alpha;
    bool json;
} bench_compare_args;
extern const eai_option bench_compare_options[];
eai_status bench_compare(const eai_command_context *ctx, const void *args, eai_error *err);

typedef struct bench_report_args {
    const char *output, *format;
} bench_report_args;
extern const eai_option bench_report_options[];
eai_status bench_report_command(const eai_command_context *ctx, const void *args, eai_error *err);

#endif
