/* Options: one table a command. From it come the command line, configuration files, the
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
 * 256, .group = "Adapter"},
 *         {"resume", 0, EAI_OPT_FLAG, ARG(resume), NULL, NULL, "continue from the last
 * checkpoint"}, {0}}; train_args args; eai_options_scope scope = {.env_prefix = "EFFICIENTAI"};
 *     eai_options_parse(&set, &args, train_options, &scope, argc, argv, &err);
 *
 * Precedence: default < configuration files (--config FILE, in their order; in each the file's own
 * options, then the command's section, then the profile) < environment < command line (--set
 * KEY=VALUE is part of it: of two words the later one counts).
 *
 * On the command line: "--name value", "--name=value", "-n value", "--flag", "--no-flag". Words
 * that are not options are collected as operands ("-" and "-5" are such); "--" ends the options. A
 * value that begins with "--" is written --name=value. Underscores in names count as dashes.
 *
 * In a configuration file (JSON, YAML or TOML, document.h) and for --set an option is `rank` or, in
 * its section, `adapter.rank`; the section is the row's `section`, or its `group` in lower case. In
 * the environment it is EFFICIENTAI_RANK or EFFICIENTAI_ADAPTER__RANK. A file may have a section
 * for each command of the project (`train: {rank: 16}`), one of the project's name that holds
 * everything, and `profiles`, tables of the same keys with `inherits: NAME` (or a list of names),
 * one of which
 * --config-profile NAME, EFFICIENTAI_CONFIG_PROFILE or the file's `default-profile` chooses. null
 * leaves what was there before. EFFICIENTAI_CONFIG names a file where --config does not.
 *
 * Errors: what is wrong on the command line or in the environment is EAI_ERR_USAGE, with a "did you
 * mean" for an unknown name; a value out of range names option, value and what is allowed. In a
 * configuration file a wrong key or value is EAI_ERR_ARGUMENT and names the file, the line, the
 * key, the value and what is allowed; a broken file is EAI_ERR_FORMAT with its line.
 *
 * Some words belong to every command unless its table has them: --config, --config-profile, --set
 * are read here; --log-level LEVEL, --verbose (-v), --print-config[=FORMAT] and --origin are
 * checked here, and the program acts upon eai_options_log_level() and eai_options_print(); --help
 * (-h) is passed over, and the program acts upon eai_options_wants_help(). */
#ifndef EAI_OPTIONS_H
#define EAI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/document.h>
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
    const char
        *section;     /* of configuration files; NULL: `group` in lower case with dashes, or none */
    const char *unit; /* of a number: "tokens", "seconds"; NULL: none, or the help says it */
} eai_option;

/* A command of a project with its table (NULL: none). */
typedef struct eai_options_command {
    const char *name;
    const eai_option *options;
} eai_options_command;

/* Where a command stands. All may be NULL. */
typedef struct eai_options_scope {
    const char *env_prefix;              /* "EFFICIENTAI": the environment is read */
    const char *project;                 /* "lora-finetuning-mlx" */
    const char *command;                 /* "train" */
    const eai_options_command *commands; /* all of the project; ends with a zero row */
} eai_options_scope;

/* What a parse leaves behind: owns the strings that the arguments struct points to. */
typedef struct eai_option_set eai_option_set;

/* Fills `args` (all of it is first set from the table's defaults) and returns the set in *out, to
 * be freed after the last use of `args`. argv[0] is the first word to parse (no program name).
 * An empty variable counts as not set. `table` is borrowed by the set; `scope` may be NULL. A flag
 * in the environment or behind --set is one of 1 true yes on, 0 false no off. */
EAI_API EAI_CHECKED eai_status eai_options_parse(eai_option_set **out, void *args,
                                                 const eai_option *table,
                                                 const eai_options_scope *scope, int argc,
                                                 char **argv, eai_error *err);
EAI_API void eai_option_set_free(eai_option_set *set);

/* The words that were not options, in order. Borrowed. */
EAI_API int eai_options_operands(const eai_option_set *set, const char *const **out);
/* How many of them, the last ones, stood behind "--". */
EAI_API int eai_options_literal_operands(const eai_option_set *set);

/* Where an option's value came from: "default", "config FILE:LINE", "config FILE:LINE (profile
 * NAME)", "environment NAME", "--set", "command line". NULL for a name that is not in the table. */
EAI_API const char *eai_options_origin(const eai_option_set *set, const char *name);

/* Was a level of the log asked for? The last of --log-level and --verbose (info) is then in *out.
 */
EAI_API bool eai_options_log_level(const eai_option_set *set, eai_log_level *out);

/* Was --quiet (-q) asked for? */
EAI_API bool eai_options_quiet(const eai_option_set *set);

/* What the last --color among the words before "--" says: "auto", "always", "never" or something
 * wrong, which eai_options_parse() refuses; NULL: there is none. Borrowed. */
EAI_API const char *eai_options_color(int argc, char **argv);

/* True when --help or -h is among the words before "--". */
EAI_API bool eai_options_wants_help(int argc, char **argv);

/* --print-config: false when it was not there, else *out is the text to print, new memory
 * (eai_free; NULL when memory ran out): eai_options_to_text() in the format asked for (JSON), with
 * origins (then YAML) where --origin asks for them. */
EAI_API bool eai_options_print(char **out, const eai_option_set *set, const void *args);

/* The values as a document that is a configuration file again, options in their sections. With
 * `set` each is followed by a comment that tells its origin (in JSON, which has no comments, each
 * value is an object of "value" and "origin"). With args NULL the defaults, and what the table says
 * of each as the comment: a file to start from. New memory (eai_free); NULL when memory ran out. */
EAI_API char *eai_options_to_text(const eai_option *table, const void *args,
                                  const eai_option_set *set, eai_document_format format);

/* Reads a configuration file as each command of the scope would, with each of its profiles, and
 * hands every fault on, in the order of the lines: unknown keys, wrong values, profiles that
 * inherit what is not there. *n_faults counts them. An error is returned when the file cannot be
 * read, is broken, or has more than 1,000 faults. */
EAI_API EAI_CHECKED eai_status eai_options_check_file(size_t *n_faults, const char *path,
                                                      const eai_options_scope *scope,
                                                      void (*report)(void *ud, const char *message),
                                                      void *ud, eai_error *err);

/* The same for each --config among the words of a command, or the file that the environment names.
 */
EAI_API EAI_CHECKED eai_status eai_options_check_files(
    size_t *n_faults, const eai_option *table, const eai_options_scope *scope, int argc,
    char **argv, void (*report)(void *ud, const char *message), void *ud, eai_error *err);

/* The help's option list, grouped, wrapped at `width` columns (at least 40; 0: 80), ending with the
 * group "General" of the words above. New memory, freed with eai_free; NULL on failure. */
EAI_API char *eai_options_help(const eai_option *table, int width);

/* The same list for a manual page, in roff with the macros of man(7): a .SS each group, a .TP each
 * option; `general`: with the group "General". New memory, freed with eai_free; NULL on failure. */
EAI_API char *eai_options_manual(const eai_option *table, bool general);

/* The option's name in configuration files and for --set, "adapter.rank" or "data", into buf of n
 * bytes; returns buf. */
EAI_API char *eai_options_key(char *buf, size_t n, const eai_option *o);

/* The words of every command, in the order of the help; NULL behind the last. Static. */
EAI_API const eai_option *eai_options_general(size_t i);

/* The candidate nearest to `word` (Damerau-Levenshtein distance <= max(1, len/3)), or NULL.
 * Borrowed from `candidates`. */
EAI_API const char *eai_did_you_mean(const char *word, const char *const *candidates, size_t n);

#ifdef __cplusplus
}
#endif
#endif
