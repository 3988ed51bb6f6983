/* Options: one table a command. From it come the command line, the JSON config file, the
 * environment,
 * --help, shell completion, --print-config and the man page.
 *
 * Use:
 *     typedef struct train_args { const char *data; int64_t rank; bool resume; } train_args;
 *     #define ARG(f) offsetof(train_args, f)
 *     static const eai_option train_options[] = {
 *         {"data", 'd', EAI_OPT_PATH, ARG(data), NULL, "DIR", "folder with train.jsonl", .required
 * = true},
 *         {"rank", 'r', EAI_OPT_INT, ARG(rank), "8", "N", "rank of the adapters", .min = 1, .max =
 * 256},
 *         {"resume", 0, EAI_OPT_FLAG, ARG(resume), NULL, NULL, "continue from the last
 * checkpoint"}, {0}}; train_args args; eai_options_parse(&set, &args, train_options, "EFFICIENTAI",
 * argc, argv, &err);
 *
 * Precedence: default < config file (--config FILE, same keys) < environment
 * (EFFICIENTAI_LEARNING_RATE for learning-rate) < command line. "--name value", "--name=value", "-n
 * value", "--flag", "--no-flag". Words that are not options are collected as operands ("-" and "-5"
 * are such); "--" ends the options. A value that begins with "--" is written --name=value.
 * Underscores in names count as dashes.
 *
 * Errors: what is wrong on the command line or in the environment is EAI_ERR_USAGE, with a "did you
 * mean" for an unknown name; a value out of range names option, value and what is allowed. In a
 * config file (one JSON object; null leaves the default) a wrong key or value is EAI_ERR_ARGUMENT
 * and names the file, the key, the value and what is allowed; broken JSON is EAI_ERR_FORMAT with
 * its line.
 *
 * Some words belong to every command unless its table has them: --config FILE is read here;
 * --log-level LEVEL and --verbose (-v) are checked here, and the program acts upon
 * eai_options_log_level(); --help (-h) and --print-config are passed over, and the program acts
 * upon them (eai_options_wants_...). */
#ifndef EAI_OPTIONS_H
#define EAI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*                name      C type of the field  what the user writes                       */
#define EAI_OPTION_TYPES(X)                                                                   \
    X(EAI_OPT_END,    0)  /* ends a table */                                                  \
    X(EAI_OPT_FLAG,   1)  /* bool: --name sets it, --no-name clears it */                     \
    X(EAI_OPT_INT,    2)  /* int64_t: decimal, within [min, max] when max > min */            \
    X(EAI_OPT_FLOAT,  3)  /* double: finite, 2e-4 is a number, within [min, max] likewise */  \
    X(EAI_OPT_STRING, 4)  /* const char *: any text */                                        \
    X(EAI_OPT_PATH,   5)  /* const char *: a file or folder */                                \
    X(EAI_OPT_ENUM,   6)  /* const char *: one of the words in `choices` ("f32|bf16") */
/* clang-format on */

typedef enum eai_option_type {
#define EAI_OPTION_ENUM(name, value) name = value,
    EAI_OPTION_TYPES(EAI_OPTION_ENUM)
#undef EAI_OPTION_ENUM
} eai_option_type;

typedef struct eai_option {
    const char *name; /* long name, words joined by '-' */
    char key;         /* one-letter name or 0 */
    eai_option_type type;
    size_t offset;             /* of the field in the arguments struct */
    const char *default_value; /* as the user would write it; NULL: zero/NULL/false */
    const char *value_name;    /* "N", "DIR": shown in the help; NULL for flags */
    const char *help;          /* one line, lower case, no full stop */
    const char *choices;       /* EAI_OPT_ENUM: "a|b|c" */
    double min, max;           /* EAI_OPT_INT and EAI_OPT_FLOAT: allowed range when max > min;
                                  INFINITY for an open end */
    bool required;
    const char *group; /* heading in the help; NULL: "Options" */
} eai_option;

/* What a parse leaves behind: owns the strings that the arguments struct points to. */
typedef struct eai_option_set eai_option_set;

/* Fills `args` (all of it is first set from the table's defaults) and returns the set in *out, to
 * be freed after the last use of `args`. argv[0] is the first word to parse (no program name).
 * `env_prefix` NULL: the environment is not read; an empty variable counts as not set. `table` is
 * borrowed by the set. A flag in the environment is one of 1 true yes on, 0 false no off. */
EAI_API EAI_CHECKED eai_status eai_options_parse(eai_option_set **out, void *args,
                                                 const eai_option *table, const char *env_prefix,
                                                 int argc, char **argv, eai_error *err);
EAI_API void eai_option_set_free(eai_option_set *set);

/* The words that were not options, in order. Borrowed. */
EAI_API int eai_options_operands(const eai_option_set *set, const char *const **out);

/* Where an option's value came from: "default", "config FILE", "environment NAME", "command line".
 * NULL for a name that is not in the table. */
EAI_API const char *eai_options_origin(const eai_option_set *set, const char *name);

/* Was a level of the log asked for? The last of --log-level and --verbose (info) is then in *out.
 */
EAI_API bool eai_options_log_level(const eai_option_set *set, eai_log_level *out);

/* True when --help or -h is among the words before "--". */
EAI_API bool eai_options_wants_help(int argc, char **argv);
/* Likewise for --print-config: print eai_options_to_json() of what eai_options_parse() gave, and
 * stop. */
EAI_API bool eai_options_wants_print_config(int argc, char **argv);

/* The help's option list, grouped, wrapped at `width` columns (at least 40; 0: 80), ending with the
 * group "General" of the words above. New memory, freed with eai_free; NULL on failure. */
EAI_API char *eai_options_help(const eai_option *table, int width);

/* The words of every command, in the order of the help; NULL behind the last. Static. */
EAI_API const eai_option *eai_options_general(size_t i);

/* The effective values as one JSON object, usable as a config file, no newline at the end. New
 * memory, freed with eai_free; NULL on failure. */
EAI_API char *eai_options_to_json(const eai_option *table, const void *args);

/* The candidate nearest to `word` (Damerau-Levenshtein distance <= max(1, len/3)), or NULL.
 * Borrowed from `candidates`. */
EAI_API const char *eai_did_you_mean(const char *word, const char *const *candidates, size_t n);

#ifdef __cplusplus
}
#endif
#endif
