/* lora-finetuning-mlx: LoRA fine-tuning of small language models. This file is the descriptor; each
 * command has a file of its own, session.c opens what they share. */
#include "commands.h"

static const eai_command commands[] = {
    {"train", "fine-tune an adapter on JSON lines", train_options, sizeof(train_args), cmd_train,
     NULL,
     "DIR of --data holds train.jsonl, and valid.jsonl if there is one, in one of the layouts that "
     "mlx-lm "
     "and TRL share: {\"text\"}, {\"prompt\", \"completion\"} or {\"messages\"}. Only answers are "
     "learned.\n\n"
     "Ctrl-C finishes the step, saves a checkpoint and the adapter, and exits with 130; --resume "
     "goes on "
     "from there, bit for bit."},
    {"evaluate", "held-out loss, perplexity and exact match", evaluate_options,
     sizeof(evaluate_args), cmd_evaluate, NULL, NULL},
    {"generate", "continue a prompt", generate_options, sizeof(generate_args), cmd_generate, NULL,
     "The text alone goes to the standard output."},
    {"merge", "work an adapter into the weights", merge_options, sizeof(merge_args), cmd_merge,
     NULL, NULL},
    {"export", "write an adapter in the layout of another tool", export_options,
     sizeof(export_args), cmd_export, NULL,
     "Every command reads adapters of either layout; training writes PEFT's."},
    {"info", "what a model or an adapter is made of", info_options, sizeof(info_args), cmd_info,
     NULL, NULL},
    {"validate", "check a data folder before training", validate_options, sizeof(validate_args),
     cmd_validate, NULL,
     "Of a configuration file (--config) every fault is named, whichever command of the project it "
     "is "
     "about.",
     .checks_config = true},
    {0},
};

EAI_DEFINE_PROJECT(.name = "lora-finetuning-mlx", .version = "0.1.0",
                   .summary = "LoRA fine-tuning of small language models", .commands = commands);
