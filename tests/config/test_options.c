/* Options: every source, their precedence, every refusal, the help to the letter. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/options.h>

typedef struct args {
    const char *data;
    const char *note;
    const char *dtype;
    int64_t rank;
    int64_t seed;
    double learning_rate;
    double ratio;
    bool resume;
    bool packing;
} args;

#define ARG(f) offsetof(args, f)
static const eai_option table[] = {
    {"data", 'd', EAI_OPT_PATH, ARG(data), NULL, "DIR", "folder with train.jsonl",
     .required = true},
    {"note", 0, EAI_OPT_STRING, ARG(note), NULL, "TEXT", "what to remember about this run"},
    {"rank", 'r', EAI_OPT_INT, ARG(rank), "8", "N", "rank of the adapters", .min = 1, .max = 256,
     .group = "Adapter"},
    {"dtype", 0, EAI_OPT_ENUM, ARG(dtype), "bf16", "TYPE", "type of the activations",
     .choices = "f32|bf16"},
    {"seed", 0, EAI_OPT_INT, ARG(seed), NULL, "N", "seed of all random numbers"},
    {"learning-rate", 0, EAI_OPT_FLOAT, ARG(learning_rate), "2e-4", "X",
     "step size of the optimizer at its highest, which is reached after the warm-up and falls "
     "later",
     .min = 0, .max = (double)INFINITY},
    {"ratio", 0, EAI_OPT_FLOAT, ARG(ratio), NULL, NULL, "a share", .min = 0, .max = 1,
     .group = "Adapter"},
    {"resume", 'R', EAI_OPT_FLAG, ARG(resume), NULL, NULL, "continue from the last checkpoint"},
    {"packing", 0, EAI_OPT_FLAG, ARG(packing), "true", NULL, "pack short rows into one sequence"},
    {0}};

static const eai_options_scope scope = {.env_prefix = "EAITEST"};

/* argv is not const, literals are: nobody writes through this. */
static char *W(const char *text)
{
    char *word;

    memcpy(&word, &text, sizeof(word));
    return word;
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
static int count(char **words)
{
    int n = 0;
    while (words[n])
        n++;
    return n;
}

static eai_status parse(eai_option_set **set, args *a, char **words, eai_error *err)
{
    memset(a, 0xee, sizeof(*a)); /* nothing may be left of this */
    return eai_options_parse(set, a, table, &scope, count(words), words, err);
}

static void assert_refused(char **words, eai_status code, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = (eai_option_set *)1;
    args a;

    eai_status st = parse(&set, &a, words, &err);
    assert_int_equal(st, code);
    assert_string_equal(err.message, message);
    assert_null(set);
}

static void test_defaults(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    assert_ok(parse(&set, &a, WORDS(W("--data"), W("d")), &err), &err);
    assert_string_equal(a.data, "d");
    assert_null(a.note);
    assert_string_equal(a.dtype, "bf16");
    assert_int_equal(a.rank, 8);
    assert_int_equal(a.seed, 0);
    assert_true(a.learning_rate == 2e-4);
    assert_true(a.ratio == 0);
    assert_false(a.resume);
    assert_true(a.packing);
    assert_string_equal(eai_options_origin(set, "rank"), "default");
    assert_string_equal(eai_options_origin(set, "data"), "command line");
    assert_null(eai_options_origin(set, "nothing"));
    eai_option_set_free(set);
    eai_option_set_free(NULL);
}

static void test_all_ways_to_write_them(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    const char *const *operands = NULL;
    args a;
    char data[] = "some";
    (void)state;

    char *words[] = {W("first"),
                     W("-d"),
                     data,
                     W("--rank=16"),
                     W("--learning_rate"),
                     W("1.5E-3"),
                     W("-"),
                     W("-R"),
                     W("--no-packing"),
                     W("--seed"),
                     W("-5"),
                     W("--note=--x=y"),
                     W("-7"),
                     W("--dtype"),
                     W("f32"),
                     W("--"),
                     W("--rank"),
                     W("--help"),
                     NULL};
    assert_ok(parse(&set, &a, words, &err), &err);
    memset(data, 'X', 4); /* the set has copies */
    assert_string_equal(a.data, "some");
    assert_int_equal(a.rank, 16);
    assert_true(a.learning_rate == 1.5e-3);
    assert_int_equal(a.seed, -5);
    assert_true(a.resume);
    assert_false(a.packing);
    assert_string_equal(a.note, "--x=y");
    assert_string_equal(a.dtype, "f32");
    assert_int_equal(eai_options_operands(set, &operands), 5);
    assert_string_equal(operands[0], "first");
    assert_string_equal(operands[1], "-");
    assert_string_equal(operands[2], "-7");
    assert_string_equal(operands[3], "--rank");
    assert_string_equal(operands[4], "--help");
    assert_int_equal(eai_options_literal_operands(set), 2);
    eai_option_set_free(set);

    char *again[] = {
        W("-d=x"),         W("--rank"), W("1"), W("--rank"),         W("256"), W("--resume=true"),
        W("--resume=off"), W("--note"), W(""),  W("--print-config"), W("-h"),  NULL};
    assert_ok(parse(&set, &a, again, &err), &err);
    assert_string_equal(a.data, "x");
    assert_int_equal(a.rank, 256); /* the last one counts */
    assert_false(a.resume);
    assert_string_equal(a.note, "");
    assert_int_equal(eai_options_operands(set, &operands), 0);
    eai_option_set_free(set);
}

#define REFUSE(message, ...) assert_refused(WORDS(__VA_ARGS__), EAI_ERR_USAGE, message)
static void test_refusals(void **state)
{
    (void)state;
    REFUSE("missing --data DIR (folder with train.jsonl)", W("--rank"), W("4"));
    REFUSE("unknown option --rnak; did you mean --rank?", W("--rnak"), W("4"));
    REFUSE("unknown option --learning-rte; did you mean --learning-rate?", W("--learning-rte=4"));
    REFUSE("unknown option -rank; did you mean --rank?", W("-rank"), W("4"));
    REFUSE("unknown option --no-packin; did you mean --no-packing?", W("--no-packin"));
    REFUSE("unknown option --no-rank; did you mean --rank?", W("--no-rank"));
    REFUSE("unknown option --confg; did you mean --config?", W("--confg"));
    REFUSE("unknown option --zzzzzz (--help lists them all)", W("--zzzzzz"));
    REFUSE("unknown option -x (--help lists them all)", W("-x"));
    REFUSE("--rank: 0 is out of range (allowed: 1 to 256)", W("--rank"), W("0"));
    REFUSE("--rank: 257 is out of range (allowed: 1 to 256)", W("--rank=257"));
    REFUSE("--rank: -1 is out of range (allowed: 1 to 256)", W("--rank"), W("-1"));
    REFUSE("--rank: 99999999999999999999 is out of range (allowed: 1 to 256)", W("--rank"),
           W("99999999999999999999"));
    REFUSE("--seed: 9223372036854775808 is out of range (allowed: -9223372036854775808 to "
           "9223372036854775807)",
           W("--seed"), W("9223372036854775808"));
    REFUSE("--rank: '8.5' is not a whole number", W("--rank"), W("8.5"));
    REFUSE("--rank: '0x8' is not a whole number", W("--rank"), W("0x8"));
    REFUSE("--rank: ' 8' is not a whole number", W("--rank"), W(" 8"));
    REFUSE("--rank: '' is not a whole number", W("--rank="));
    REFUSE("--rank: '-' is not a whole number", W("--rank"), W("-"));
    REFUSE("--rank: '8x' is not a whole number", W("--rank"), W("8x"));
    REFUSE("--learning-rate: 'nan' is not a number", W("--learning-rate"), W("nan"));
    REFUSE("--learning-rate: 'inf' is not a number", W("--learning-rate"), W("inf"));
    REFUSE("--learning-rate: '1e' is not a number", W("--learning-rate"), W("1e"));
    REFUSE("--learning-rate: '0x1p3' is not a number", W("--learning-rate"), W("0x1p3"));
    REFUSE("--learning-rate: '' is not a number", W("--learning-rate="));
    REFUSE("--learning-rate: 1e999 is too large for a number", W("--learning-rate"), W("1e999"));
    REFUSE("--learning-rate: -0.1 is out of range (allowed: at least 0)", W("--learning-rate"),
           W("-0.1"));
    REFUSE("--ratio: 1.01 is out of range (allowed: 0 to 1)", W("--ratio"), W("1.01"));
    REFUSE("--dtype: 'fp16' is not one of f32, bf16", W("--dtype"), W("fp16"));
    REFUSE("--dtype: 'f3' is not one of f32, bf16", W("--dtype"), W("f3"));
    REFUSE("--dtype: '' is not one of f32, bf16", W("--dtype="));
    REFUSE("--data: the path is empty", W("--data="));
    REFUSE("--data needs a value: --data=DIR", W("--data"));
    REFUSE("--data needs a value: --data=DIR", W("--data"), W("--rank"), W("8"));
    REFUSE("--data needs a value: --data=DIR", W("--data"), W("-r"), W("8"));
    REFUSE("--ratio needs a value: --ratio=VALUE", W("--ratio"));
    REFUSE("--config needs a value: --config=FILE", W("--config"));
    REFUSE("--resume: 'maybe' is neither true nor false", W("--resume=maybe"));
    REFUSE("--no-packing takes no value", W("--no-packing=1"));
    REFUSE("--log-level needs a value: --log-level=LEVEL", W("--log-level"));
    REFUSE("--log-level: 'loud' is not one of error, warn, info, debug, trace",
           W("--log-level=loud"));
    REFUSE("unknown option --verbos; did you mean --verbose?", W("--verbos"));
    REFUSE("unknown option --verbose; did you mean --verbose?", W("--verbose=yes"));
}

/* A table whose default breaks its own rule is a defect of the program. */
static void test_bad_default(void **state)
{
    static const eai_option bad[] = {
        {"rank", 0, EAI_OPT_INT, ARG(rank), "0", "N", "rank", .min = 1, .max = 8}, {0}};
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    assert_fails(eai_options_parse(&set, &a, bad, NULL, 0, NULL, &err), EAI_ERR_INTERNAL, &err,
                 "default of an option: rank: 0 is out of range");
}

EAI_TEST_FOLDER

/* Writes a file in the folder; its path is borrowed, static. */
static const char *file(const char *name, const char *text)
{
    static char path[512];
    eai_error err = EAI_ERROR_INIT;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
    return path;
}

static const char *config(const char *json)
{
    return file("c.json", json);
}

static void test_precedence(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    char origin[600];
    args a;
    (void)state;

    const char *path = config("{\"data\": \"from-config\", \"rank\": 4, \"learning_rate\": 1,\n"
                              " \"resume\": true, \"packing\": false, \"dtype\": \"f32\",\n"
                              " \"note\": null, \"seed\": 7}");
    setenv("EAITEST_RANK", "5", 1);
    setenv("EAITEST_SEED", "", 1);
    setenv("EAITEST_LEARNING_RATE", "0.5", 1);
    setenv("EAITEST_RESUME", "Off", 1);
    assert_ok(parse(&set, &a, WORDS(W("--rank"), W("6"), W("--config"), W(path)), &err), &err);
    assert_string_equal(a.data, "from-config");
    assert_int_equal(a.rank, 6);
    assert_true(a.learning_rate == 0.5);
    assert_false(a.resume);
    assert_false(a.packing);
    assert_string_equal(a.dtype, "f32");
    assert_null(a.note);
    assert_int_equal(a.seed, 7);
    snprintf(origin, sizeof(origin), "config %s:1", path);
    assert_string_equal(eai_options_origin(set, "data"), origin);
    assert_string_equal(eai_options_origin(set, "rank"), "command line");
    assert_string_equal(eai_options_origin(set, "learning-rate"),
                        "environment EAITEST_LEARNING_RATE");
    assert_string_equal(eai_options_origin(set, "note"), "default");
    eai_option_set_free(set);

    /* without a prefix the environment does not count */
    char *words[] = {W("--data=x"), NULL};
    assert_ok(eai_options_parse(&set, &a, table, NULL, 1, words, &err), &err);
    assert_int_equal(a.rank, 8);
    eai_option_set_free(set);

    setenv("EAITEST_RANK", "0", 1);
    REFUSE("environment EAITEST_RANK: 0 is out of range (allowed: 1 to 256)", W("--data=x"));
    setenv("EAITEST_RANK", "", 1);
    setenv("EAITEST_RESUME", "perhaps", 1);
    REFUSE("environment EAITEST_RESUME: 'perhaps' is neither true nor false", W("--data=x"));
    unsetenv("EAITEST_RANK");
    unsetenv("EAITEST_RESUME");
    unsetenv("EAITEST_LEARNING_RATE");
    unsetenv("EAITEST_SEED");
}

static void assert_config_refused(const char *json, eai_status code, const char *tail)
{
    char message[1024];
    const char *path = config(json);

    snprintf(message, sizeof(message), "config %s:1: %s", path, tail);
    assert_refused(WORDS(W("--config"), W(path)), code, message);
}

static void assert_config_broken(const char *json, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;

    const char *path = config(json);
    eai_status st = parse(&set, &a, WORDS(W("--config"), W(path)), &err);
    assert_fails(st, EAI_ERR_FORMAT, &err, path);
    assert_fails(st, EAI_ERR_FORMAT, &err, message);
}

static void test_bad_config_files(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    assert_config_refused("{\"rnk\": 4}", EAI_ERR_ARGUMENT,
                          "unknown key 'rnk'; did you mean 'rank'?");
    assert_config_refused("{\"zzzzzz\": 4}", EAI_ERR_ARGUMENT, "unknown key 'zzzzzz'");
    assert_config_refused("{\"config\": \"x\"}", EAI_ERR_ARGUMENT, "unknown key 'config'");
    assert_config_refused("{\"rank\": 0}", EAI_ERR_ARGUMENT,
                          "key 'rank': 0 is out of range (allowed: 1 to 256)");
    assert_config_refused("{\"rank\": 8.0}", EAI_ERR_ARGUMENT,
                          "key 'rank': 8.0 is not a whole number");
    assert_config_refused("{\"rank\": \"8\"}", EAI_ERR_ARGUMENT,
                          "key 'rank': \"8\" is not a whole number");
    assert_config_refused("{\"learning-rate\": \"1\"}", EAI_ERR_ARGUMENT,
                          "key 'learning-rate': \"1\" is not a number");
    assert_config_refused("{\"resume\": 1}", EAI_ERR_ARGUMENT,
                          "key 'resume': 1 is not true or false");
    assert_config_refused("{\"data\": [1,2]}", EAI_ERR_ARGUMENT,
                          "key 'data': a list is not a text in quotes");
    assert_config_refused("{\"dtype\": \"f64\"}", EAI_ERR_ARGUMENT,
                          "key 'dtype': 'f64' is not one of f32, bf16");
    assert_config_refused("{\"learning-rate\": 1, \"learning_rate\": 2}", EAI_ERR_ARGUMENT,
                          "key 'learning_rate' is there twice");
    assert_config_refused("[1]", EAI_ERR_ARGUMENT, "the file is no table of options");
    assert_config_broken("{\"rank\": 8,\n \"seed\": 1,\n}",
                         ":3:1: no valid JSON: string or '}' expected near '}'");
    assert_config_broken("", ":1:0: no valid JSON: ");
    assert_config_broken("{\"rank\": 8, \"rank\": 9}", "duplicate object key near '\"rank\"'");

    char *words[] = {W("--config=/no/such.json"), NULL};
    assert_fails(parse(&set, &a, words, &err), EAI_ERR_IO, &err,
                 "config: cannot open '/no/such.json': No such file");
    static char large[(1 << 20) + 2];
    memset(large, ' ', sizeof(large) - 1);
    const char *path = config(large);
    assert_fails(parse(&set, &a, WORDS(W("--config"), W(path)), &err), EAI_ERR_LIMIT, &err,
                 "1048576 are allowed");
}

static const char expected_help[] =
    "Options:\n"
    "  -d, --data DIR             folder with train.jsonl (required)\n"
    "      --note TEXT            what to remember about this run\n"
    "      --dtype TYPE           type of the activations: f32, bf16 [bf16]\n"
    "      --seed N               seed of all random numbers\n"
    "      --learning-rate X      step size of the optimizer at its highest, which is\n"
    "                             reached after the warm-up and falls later, at least\n"
    "                             0 [2e-4]\n"
    "  -R, --resume               continue from the last checkpoint\n"
    "      --[no-]packing         pack short rows into one sequence [on]\n"
    "\n"
    "Adapter:\n"
    "  -r, --rank N               rank of the adapters, 1 to 256 [8]\n"
    "      --ratio VALUE          a share, 0 to 1\n"
    "\n"
    "General:\n"
    "      --config FILE          read options from a YAML, TOML or JSON file; may be\n"
    "                             repeated\n"
    "      --config-profile NAME  use this one of the file's profiles\n"
    "      --set KEY=VALUE        set an option by its name in files, such as\n"
    "                             adapter.rank=8; may be repeated\n"
    "      --print-config[=FORMAT]\n"
    "                             print the effective options as json, yaml or toml\n"
    "                             and stop\n"
    "      --origin               with --print-config: also where each value comes\n"
    "                             from\n"
    "      --log-level LEVEL      how much to log on standard error: error, warn,\n"
    "                             info, debug, trace [warn]\n"
    "  -v, --verbose              log what is done, as --log-level info does\n"
    "  -q, --quiet                no progress, no notes on standard error\n"
    "      --color WHEN           colours; auto: on a terminal, unless NO_COLOR is\n"
    "                             set: auto, always, never [auto]\n"
    "  -h, --help                 show this help\n";

static void test_help(void **state)
{
    static const eai_option wide[] = {
        {"a-name-of-an-option-beyond-all-bounds", 0, EAI_OPT_STRING, ARG(note), NULL, "TEXT",
         "gr\xc3\xb6\xc3\x9f"
         "er"},
        {"config", 'c', EAI_OPT_STRING, ARG(note), "", NULL, "one of its own"},
        {0}};
    (void)state;

    char *help = eai_options_help(table, 80);
    assert_string_equal(help, expected_help);
    eai_free(help);
    help = eai_options_help(table, 0);
    assert_string_equal(help, expected_help);
    eai_free(help);

    help = eai_options_help(table, 1); /* 40 at least; no line is longer */
    for (const char *line = help; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 40 || strncmp(line, "      --", 8) == 0);
    eai_free(help);

    help = eai_options_help(wide, 60);
    assert_string_equal(help, "Options:\n"
                              "      --a-name-of-an-option-beyond-all-bounds TEXT\n"
                              "                             gr\xc3\xb6\xc3\x9f"
                              "er\n"
                              "  -c, --config VALUE         one of its own\n"
                              "\n"
                              "General:\n"
                              "      --config-profile NAME  use this one of the file's\n"
                              "                             profiles\n"
                              "      --set KEY=VALUE        set an option by its name in\n"
                              "                             files, such as adapter.rank=8;\n"
                              "                             may be repeated\n"
                              "      --print-config[=FORMAT]\n"
                              "                             print the effective options as\n"
                              "                             json, yaml or toml and stop\n"
                              "      --origin               with --print-config: also where\n"
                              "                             each value comes from\n"
                              "      --log-level LEVEL      how much to log on standard\n"
                              "                             error: error, warn, info,\n"
                              "                             debug, trace [warn]\n"
                              "  -v, --verbose              log what is done, as\n"
                              "                             --log-level info does\n"
                              "  -q, --quiet                no progress, no notes on\n"
                              "                             standard error\n"
                              "      --color WHEN           colours; auto: on a terminal,\n"
                              "                             unless NO_COLOR is set: auto,\n"
                              "                             always, never [auto]\n"
                              "  -h, --help                 show this help\n");
    eai_free(help);
}

/* The level that these words ask for; -1: none. */
static int level_of(char **words)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    eai_log_level level = EAI_LOG_ERROR;
    args a;

    assert_ok(parse(&set, &a, words, &err), &err);
    bool asked = eai_options_log_level(set, &level);
    eai_option_set_free(set);
    return asked ? (int)level : -1;
}

static void test_log_level(void **state)
{
    (void)state;
    assert_int_equal(level_of(WORDS(W("-d=x"))), -1);
    assert_int_equal(level_of(WORDS(W("-d=x"), W("-v"))), EAI_LOG_INFO);
    assert_int_equal(level_of(WORDS(W("--verbose"), W("-d=x"))), EAI_LOG_INFO);
    assert_int_equal(level_of(WORDS(W("-d=x"), W("--log-level"), W("trace"))), EAI_LOG_TRACE);
    assert_int_equal(level_of(WORDS(W("-v"), W("--log-level=error"), W("-d=x"))), EAI_LOG_ERROR);
    assert_int_equal(level_of(WORDS(W("-d=x"), W("--"), W("-v"))), -1);
}

static void test_wants(void **state)
{
    (void)state;
    assert_true(eai_options_wants_help(2, WORDS(W("x"), W("--help"))));
    assert_true(eai_options_wants_help(1, WORDS(W("-h"))));
    assert_false(eai_options_wants_help(2, WORDS(W("--"), W("--help"))));
    assert_false(eai_options_wants_help(0, NULL));
}

/* What --print-config prints is a configuration file that gives the same values, in each format. */
static void test_printed_round_trip(void **state)
{
    static const char *const words_of[] = {"--print-config", "--print-config=yaml",
                                           "--print-config=toml"};
    static const char *const names[] = {"c.json", "c.yaml", "c.toml"};
    (void)state;

    for (int i = 0; i < 3; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_option_set *set = NULL;
        eai_option_set *set2 = NULL;
        char *text = NULL;
        args a;
        args b;
        char *words[] = {
            W("--data"), W("a \"b\"\\\n\t\x01\xc3\xa9"), W("--learning-rate"), W("0.1"),
            W("--seed"), W("-9223372036854775808"),      W("--no-packing"),    W(words_of[i]),
            NULL};
        assert_ok(parse(&set, &a, words, &err), &err);
        assert_true(eai_options_print(&text, set, &a));
        assert_ok(parse(&set2, &b, WORDS(W("--config"), W(file(names[i], text))), &err), &err);
        assert_string_equal(a.data, b.data);
        assert_null(b.note);
        assert_int_equal(a.seed, b.seed);
        assert_true(a.learning_rate == b.learning_rate);
        assert_false(b.packing);
        if (i == 0)
            assert_string_equal(
                text,
                "{\n  \"data\": \"a \\\"b\\\"\\\\\\n\\t\\u0001\xc3\xa9\",\n"
                "  \"note\": null,\n  \"adapter\": {\n    \"rank\": 8,\n    \"ratio\": 0.0\n  },\n"
                "  \"dtype\": \"bf16\",\n  \"seed\": -9223372036854775808,\n"
                "  \"learning-rate\": 0.1,\n  \"resume\": false,\n  \"packing\": false\n}\n");
        eai_free(text);
        assert_false(eai_options_print(&text, set2, &b));
        eai_option_set_free(set);
        eai_option_set_free(set2);
    }
}

static void test_did_you_mean(void **state)
{
    static const char *const names[] = {"train", "generate", "evaluate", "merge", "info"};
    (void)state;

    assert_string_equal(eai_did_you_mean("tarin", names, 5), "train"); /* swapped neighbours: 1 */
    assert_string_equal(eai_did_you_mean("evaluat", names, 5), "evaluate");
    assert_string_equal(eai_did_you_mean("inf", names, 5), "info");
    assert_string_equal(eai_did_you_mean("train", names, 5), "train");
    assert_null(eai_did_you_mean("tr", names, 5));
    assert_null(eai_did_you_mean("xxxx", names, 5));
    assert_null(eai_did_you_mean("", names, 5));
    assert_null(eai_did_you_mean("train", NULL, 0));
    char longer[200];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[199] = '\0';
    assert_null(eai_did_you_mean(longer, names, 5));
}

static eai_status parse_all(void *ud, eai_error *err)
{
    eai_option_set *set = NULL;
    args a;

    eai_status st = parse(&set, &a, WORDS(W("--config"), ud, W("-r"), W("3"), W("operand")), err);
    if (st != EAI_OK)
        return st;
    char *help = eai_options_help(table, 80);
    char *yaml = eai_options_to_text(table, &a, set, EAI_DOCUMENT_YAML);
    char *template = eai_options_to_text(table, NULL, NULL, EAI_DOCUMENT_JSON);
    if (!help || !yaml || !template)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for texts");
    eai_free(help);
    eai_free(yaml);
    eai_free(template);
    eai_option_set_free(set);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    const char *path = config("{\"data\": \"x\", \"dtype\": \"f32\", \"learning-rate\": 0.25}");
    eai_test_torture(parse_all, W(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_all_ways_to_write_them),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_bad_default),
        cmocka_unit_test(test_precedence),   cmocka_unit_test(test_bad_config_files),
        cmocka_unit_test(test_help),         cmocka_unit_test(test_log_level),
        cmocka_unit_test(test_wants),        cmocka_unit_test(test_printed_round_trip),
        cmocka_unit_test(test_did_you_mean), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
