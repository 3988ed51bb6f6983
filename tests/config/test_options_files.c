/* Configuration files beyond keys and values: sections, a project's other commands, profiles,
 * origins,
 * --set, and a check that names every fault. */
#include "support/eai_test.h"

#include <stdio.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/options.h>

typedef struct args {
    const char *data;
    int64_t rank, steps;
    double alpha, rate;
    bool resume;
} args;

#define ARG(f) offsetof(args, f)
static const eai_option train_table[] = {
    {"data", 'd', EAI_OPT_PATH, ARG(data), "here", "DIR", "a folder"},
    {"rank", 'r', EAI_OPT_INT, ARG(rank), "8", "N", "of the adapters", .min = 1, .max = 256,
     .group = "Adapter", .unit = "columns"},
    {"alpha", 0, EAI_OPT_FLOAT, ARG(alpha), "16", "X", "a scale", .min = 0, .max = 100,
     .group = "Adapter"},
    {"steps", 0, EAI_OPT_INT, ARG(steps), "10", "N", "updates", .min = 0, .max = 1000,
     .group = "How to train", .section = "training"},
    {"learning-rate", 0, EAI_OPT_FLOAT, ARG(rate), "0.5", "X", "its highest", .min = 0, .max = 1,
     .group = "How to train", .section = "training"},
    {"resume", 0, EAI_OPT_FLAG, ARG(resume), NULL, NULL, "go on"},
    {0}};
static const eai_option eval_table[] = {
    {"data", 'd', EAI_OPT_PATH, 0, "here", "DIR", "a folder"},
    {"tokens", 0, EAI_OPT_INT, 8, "5", "N", "how many", .min = 1, .max = 9, .group = "Sampling"},
    {0}};
static const eai_options_command commands[] = {
    {"train", train_table}, {"eval", eval_table}, {"info", NULL}, {0}};
static const eai_options_scope scope = {"EAITEST", "lora", "train", commands};

EAI_TEST_FOLDER

static char *W(const char *text)
{
    char *word;

    memcpy(&word, &text, sizeof(word));
    return word;
}

/* Writes a file in the folder; the path is the caller's. */
static char *file(const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = eai_path_join(folder, name);

    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
    return path;
}

static eai_status parse(eai_option_set **set, args *a, char **words, eai_error *err)
{
    int n = 0;

    while (words[n])
        n++;
    return eai_options_parse(set, a, train_table, &scope, n, words, err);
}
#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static const char everything[] = "rank: 3\n"
                                 "training:\n"
                                 "  steps: 20\n"
                                 "  learning_rate: 1e-3\n"
                                 "sampling: {tokens: 7}\n"
                                 "train: {rank: 4, adapter: {alpha: 2}}\n"
                                 "eval: {tokens: 8}\n"
                                 "info:\n"
                                 "lora: {resume: on}\n"
                                 "profiles:\n"
                                 "  base: {training: {steps: 30}, data: base}\n"
                                 "  more: {data: more}\n"
                                 "  dev:\n"
                                 "    inherits: [base, more]\n"
                                 "    rank: 5\n";

static void test_layers(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    char *path = file("c.yaml", everything);
    assert_ok(parse(&set, &a, WORDS(W("--config"), path), &err), &err);
    assert_int_equal(a.rank, 4); /* the command's section is more particular */
    assert_int_equal(a.steps, 20);
    assert_true(a.alpha == 2 && a.rate == 1e-3);
    assert_true(a.resume);
    assert_string_equal(a.data, "here");
    eai_option_set_free(set);

    assert_ok(parse(&set, &a, WORDS(W("--config"), path, W("--config-profile=dev")), &err), &err);
    assert_int_equal(a.rank, 5);
    assert_int_equal(a.steps, 30);
    assert_string_equal(a.data, "more");
    const char *origin = eai_options_origin(set, "steps");
    assert_non_null(strstr(origin, "c.yaml:11 (profile base)"));
    assert_int_equal(strncmp(origin, "config /", 8), 0);
    eai_option_set_free(set);

    setenv("EAITEST_CONFIG", path, 1);
    setenv("EAITEST_CONFIG_PROFILE", "more", 1);
    setenv("EAITEST_TRAINING__STEPS", "40", 1);
    setenv("EAITEST_STEPS", "41", 1);
    setenv("EAITEST_ADAPTER__RANK", "7", 1);
    assert_ok(parse(&set, &a,
                    WORDS(W("--set"), W("adapter.alpha=9"), W("--alpha=8"),
                          W("--set=train.training.learning_rate=0.25")),
                    &err),
              &err);
    assert_string_equal(a.data, "more");
    assert_int_equal(a.steps, 40);
    assert_int_equal(a.rank, 7);
    assert_true(a.alpha == 8 && a.rate == 0.25);
    assert_string_equal(eai_options_origin(set, "steps"), "environment EAITEST_TRAINING__STEPS");
    assert_string_equal(eai_options_origin(set, "learning-rate"), "--set");
    assert_string_equal(eai_options_origin(set, "alpha"), "command line");
    eai_option_set_free(set);
    unsetenv("EAITEST_CONFIG");
    unsetenv("EAITEST_CONFIG_PROFILE");
    unsetenv("EAITEST_TRAINING__STEPS");
    unsetenv("EAITEST_STEPS");
    unsetenv("EAITEST_ADAPTER__RANK");
    eai_free(path);
}

/* Later files win; a profile may be in either. */
static void test_two_files(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    char *first = file("a.toml", "rank = 2\ndata = \"one\"\n[profiles.p.training]\nsteps = 50\n");
    char *second = file("b.json", "{\"rank\": 6, \"default-profile\": \"q\",\n"
                                  " \"profiles\": {\"q\": {\"alpha\": 7}}}");
    assert_ok(parse(&set, &a, WORDS(W("--config"), first, W("--config"), second), &err), &err);
    assert_int_equal(a.rank, 6);
    assert_string_equal(a.data, "one");
    assert_int_equal(a.steps, 10);
    assert_true(a.alpha == 7);
    eai_option_set_free(set);
    assert_ok(
        parse(&set, &a,
              WORDS(W("--config"), first, W("--config"), second, W("--config-profile"), W("p")),
              &err),
        &err);
    assert_int_equal(a.steps, 50);
    assert_true(a.alpha == 16);
    eai_option_set_free(set);
    assert_fails(parse(&set, &a, WORDS(W("--config"), first, W("--config-profile"), W("pp")), &err),
                 EAI_ERR_ARGUMENT, &err, "a.toml: no profile 'pp'");
    assert_fails(parse(&set, &a, WORDS(W("--config-profile"), W("p")), &err), EAI_ERR_USAGE, &err,
                 "--config-profile p: there is no --config FILE to take it from");
    eai_free(first);
    eai_free(second);
}

static void assert_refused(const char *yaml, const char *tail)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    char message[512];
    args a;

    char *path = file("r.yaml", yaml);
    snprintf(message, sizeof(message), "config %s:%s", path, tail);
    assert_int_equal(parse(&set, &a, WORDS(W("--config"), path), &err), EAI_ERR_ARGUMENT);
    assert_string_equal(err.message, message);
    eai_free(path);
}

static void test_refusals(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    args a;
    (void)state;

    assert_refused("a: 1", "1: unknown key 'a'");
    assert_refused("\nrnk: 1", "2: unknown key 'rnk'; did you mean 'rank'?");
    assert_refused("tokns: 1", "1: unknown key 'tokns'; did you mean 'tokens'?");
    assert_refused("adapter: {rnk: 1}", "1: unknown key 'adapter.rnk'; did you mean 'rank'?");
    assert_refused("adapter:\n  steps: 1",
                   "2: unknown key 'adapter.steps'; did you mean 'training.steps'?");
    assert_refused("adaptor: {rank: 1}", "1: unknown key 'adaptor'; did you mean 'adapter'?");
    assert_refused("trian: {rank: 1}", "1: unknown key 'trian'; did you mean 'train'?");
    assert_refused("train: {train: {rank: 1}}", "1: unknown key 'train'");
    assert_refused("train: {profiles: {}}", "1: unknown key 'profiles'");
    assert_refused("rank: 0", "1: key 'rank': 0 is out of range (allowed: 1 to 256)");
    assert_refused("adapter: {rank: 8.5}", "1: key 'adapter.rank': 8.5 is not a whole number");
    assert_refused("rank: 1\nadapter: {rank: 2}", "2: key 'adapter.rank' is there twice");
    assert_refused("alpha: .nan", "1: key 'alpha': .nan is not a finite number");
    assert_refused("alpha: 2e-4x", "1: key 'alpha': 2e-4x is not a number");
    assert_refused("data: 135", "1: key 'data': 135 is not a text in quotes");
    assert_refused("data: \"a\\0b\"", "1: key 'data': the text has a NUL in it");
    assert_refused("resume: maybe", "1: key 'resume': 'maybe' is neither true nor false");
    assert_refused("adapter: 3", "1: unknown key 'adapter'");
    assert_refused("rank: {a: 1}", "1: key 'rank': a table is not a whole number");
    assert_refused("- 1", "1: the file is no table of options");
    assert_refused("profiles: 1", "1: 'profiles' is a whole number, not a table of profiles");
    assert_refused("default-profile: x", "1: no profile 'x'");
    assert_refused("default-profile: x\nprofiles: {x: {inherits: y}}", "2: no profile 'y'");
    assert_refused("default-profile: x\nprofiles: {x: {inherits: 1}}",
                   "2: profile 'x' inherits a whole number; it takes a name or a list of names");
    assert_refused("default-profile: x\nprofiles:\n  x: {inherits: y}\n  y: {inherits: x}",
                   "4: profile 'x' inherits itself, through 'y'");
    assert_refused("default-profile: x\nprofiles: {x: 1}", "2: profile 'x' is no table of options");

    static const struct {
        const char *word, *message;
    } sets[] = {
        {"--set=rank", "--set rank: wanted is KEY=VALUE, such as --set rank=8"},
        {"--set=adapter.rnk=1", "--set: unknown key 'adapter.rnk'; did you mean 'adapter.rank'?"},
        {"--set=training.rank=1",
         "--set: unknown key 'training.rank'; did you mean 'adapter.rank'?"},
        {"--set=zzzz=1", "--set: unknown key 'zzzz' (--print-config lists them all)"},
        {"--set=rank=0", "--set rank: 0 is out of range (allowed: 1 to 256)"},
        {"--print-config=xml", "--print-config: 'xml' is not one of json, yaml, toml"},
        {"--set", "--set needs a value: --set=KEY=VALUE"},
    };
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        assert_int_equal(parse(&set, &a, WORDS(W(sets[i].word)), &err), EAI_ERR_USAGE);
        assert_string_equal(err.message, sets[i].message);
    }
    setenv("EAITEST_TRAINING__STEP", "1", 1);
    assert_int_equal(parse(&set, &a, WORDS(W("--rank=1")), &err), EAI_ERR_USAGE);
    assert_string_equal(err.message,
                        "environment EAITEST_TRAINING__STEP: section 'training' has no "
                        "option 'step'; did you mean 'steps'?");
    unsetenv("EAITEST_TRAINING__STEP");
}

static void take_message(void *ud, const char *message)
{
    char *all = ud;
    size_t n = strlen(all);
    const char *behind = strstr(message, ".yaml:");

    snprintf(all + n, 4096 - n, "%s\n", behind ? behind + 6 : message);
}

static void test_check(void **state)
{
    static char all[4096];
    eai_error err = EAI_ERROR_INIT;
    size_t n = 9;
    (void)state;

    char *path = file("c.yaml", everything);
    assert_ok(eai_options_check_file(&n, path, &scope, take_message, all, &err), &err);
    assert_string_equal(all, "");
    assert_int_equal(n, 0);
    eai_free(path);
    path = file("bad.yaml", "rnk: 3\n"
                            "training: {steps: 2000, learning_rate: x}\n"
                            "eval: {tokens: 10, rank: 1}\n"
                            "sampling: {tokens: 11}\n"
                            "default-profile: z\n"
                            "profiles:\n"
                            "  a: {inherits: [b, c], rank: 0}\n"
                            "  b: {inherits: a}\n"
                            "  d: 5\n");
    assert_ok(eai_options_check_file(&n, path, &scope, take_message, all, &err), &err);
    assert_string_equal(all, "1: unknown key 'rnk'; did you mean 'rank'?\n"
                             "2: key 'training.steps': 2000 is out of range (allowed: 0 to 1000)\n"
                             "2: key 'training.learning_rate': x is not a number\n"
                             "3: key 'tokens': 10 is out of range (allowed: 1 to 9)\n"
                             "4: key 'sampling.tokens': 11 is out of range (allowed: 1 to 9)\n"
                             "5: no profile 'z'\n"
                             "7: no profile 'c'\n"
                             "7: key 'rank': 0 is out of range (allowed: 1 to 256)\n"
                             "7: profile 'b' inherits itself, through 'a'\n"
                             "8: profile 'a' inherits itself, through 'b'\n"
                             "9: profile 'd' is no table of options\n");
    assert_int_equal(n, 11);
    all[0] = '\0';
    char *words[] = {W("--config"), path, W("--config"), path, NULL};
    assert_ok(eai_options_check_files(&n, train_table, &scope, 4, words, take_message, all, &err),
              &err);
    assert_int_equal(n, 22);
    eai_free(path);
    assert_fails(eai_options_check_file(&n, "/no/such.yaml", &scope, take_message, all, &err),
                 EAI_ERR_IO, &err, "config: cannot open '/no/such.yaml'");
}

/* Each profile inherits the one before it twice. */
static void test_inheritance_is_bounded(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    char yaml[2048] = "profiles:\n  p0: {rank: 1}\n";
    args a;
    (void)state;

    for (int i = 1; i < 30; i++) {
        size_t n = strlen(yaml);
        snprintf(yaml + n, sizeof(yaml) - n, "  p%d: {inherits: [p%d, p%d]}\n", i, i - 1, i - 1);
    }
    char *path = file("many.yaml", yaml);
    assert_fails(parse(&set, &a, WORDS(W("--config"), path, W("--config-profile=p29")), &err),
                 EAI_ERR_LIMIT, &err, "more than 1000 profiles are inherited");
    eai_free(path);
}

static void test_texts(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_option_set *set = NULL;
    char *text = NULL;
    args a;
    (void)state;

    text = eai_options_to_text(train_table, NULL, NULL, EAI_DOCUMENT_TOML);
    assert_string_equal(text, "data = \"here\"  # a folder [here]\n"
                              "resume = false  # go on\n\n"
                              "[adapter]\n"
                              "rank = 8  # of the adapters, 1 to 256 [8 columns]\n"
                              "alpha = 16.0  # a scale, 0 to 100 [16]\n\n"
                              "[training]\n"
                              "steps = 10  # updates, 0 to 1000 [10]\n"
                              "learning-rate = 0.5  # its highest, 0 to 1 [0.5]\n");
    eai_free(text);
    assert_ok(parse(&set, &a, WORDS(W("--print-config"), W("--origin"), W("--rank=2")), &err),
              &err);
    assert_true(eai_options_print(&text, set, &a));
    assert_string_equal(text, "data: \"here\"  # default\nadapter:\n  rank: 2  # command line\n"
                              "  alpha: 16.0  # default\ntraining:\n  steps: 10  # default\n"
                              "  learning-rate: 0.5  # default\nresume: false  # default\n");
    eai_free(text);
    text = eai_options_to_text(train_table, &a, set, EAI_DOCUMENT_JSON);
    assert_non_null(
        strstr(text, "\"rank\": {\n      \"value\": 2,\n      \"origin\": \"command line\""));
    eai_free(text);
    eai_option_set_free(set);
}

static eai_status use_all(void *ud, eai_error *err)
{
    static char all[4096];
    eai_option_set *set = NULL;
    size_t n;
    args a;

    EAI_TRY(parse(&set, &a, WORDS(W("--config"), ud, W("--config-profile=dev"), W("--set=rank=1")),
                  err));
    eai_option_set_free(set);
    return eai_options_check_file(&n, ud, &scope, take_message, all, err);
}

static void test_torture(void **state)
{
    (void)state;
    char *path = file("t.yaml", everything);
    eai_test_torture(use_all, path);
    eai_free(path);
    path = file("t.toml", "rnk = 1\n[profiles.dev]\nsteps = 2\n");
    eai_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_inheritance_is_bounded),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
