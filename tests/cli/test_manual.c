/* Manual pages of commands and programs whose texts are as unhandy as they may be. */
#include "support/eai_test.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/environment.h>
#include <efficientai/manual.h>

typedef struct page_args {
    int64_t rank;
    const char *data;
    bool pack;
} page_args;

static const eai_option options[] = {
    {"data", 'd', EAI_OPT_PATH, offsetof(page_args, data), NULL, "DIR", ".rows, a 'set' of \\them",
     .required = true},
    {"rank", 0, EAI_OPT_INT, offsetof(page_args, rank), "8", "N", "of both", .min = 1, .max = 256,
     .group = "Adapter", .unit = "rows"},
    {"pack", 0, EAI_OPT_FLAG, offsetof(page_args, pack), "true", NULL, "fill rows",
     .group = "Adapter"},
    {0},
};

static const eai_command commands[] = {
    {.name = "train",
     .summary = ".train it",
     .options = options,
     .args_bytes = sizeof(page_args),
     .usage = "'FILE'",
     .help = ".first\n\n    .laid out\n\n'third"},
    {.name = "plain", .summary = "no options"},
    {0},
};

static const eai_project project = {.abi = EAI_PROJECT_ABI,
                                    .size = sizeof(eai_project),
                                    .name = "a-project",
                                    .version = "1",
                                    .summary = "'all' of it",
                                    .commands = commands};

static const eai_manual_style style = {"program", "1.0-x", "2024-05-01"};

static const eai_command *const own[] = {&commands[1], NULL};
static const eai_project *const none[] = {NULL};
static const eai_project *const projects[] = {&project, NULL};
static const eai_manual_contents contents = {"does \"it\"", ".text", options, own, none, projects};

static void assert_has(const char *page, const char *text)
{
    if (!strstr(page, text)) {
        print_error("'%s' is not in:\n%s\n", text, page);
        fail();
    }
}

/* Each line is a text that begins with no sign of a command, or a command that we use. */
static void assert_safe(const char *page)
{
    static const char *const ours[] = {".TH ", ".SH ", ".SS ",  ".TP\n", ".PP\n",
                                       ".BR ", ".B ",  ".nf\n", ".fi\n"};
    for (const char *line = page; *line; line = strchr(line, '\n') + 1) {
        bool known = line[0] != '.';
        for (size_t i = 0; !known && i < sizeof(ours) / sizeof(ours[0]); i++)
            known = strncmp(line, ours[i], strlen(ours[i])) == 0;
        if (!known || line[0] == '\'' || !strchr(line, '\n')) {
            print_error("a line that roff would obey: %.60s\n", line);
            fail();
        }
    }
}

static void test_command(void **state)
{
    (void)state;
    char *page = eai_manual_of_command(&style, &project, ':', &commands[0]);
    assert_non_null(page);
    assert_safe(page);
    assert_has(page,
               ".TH \"PROGRAM\\-A\\-PROJECT\\-TRAIN\" 1 \"2024-05-01\" \"program 1.0\\-x\"\n");
    assert_has(page, ".SH NAME\nprogram\\-a\\-project\\-train \\- \\&.train it\n");
    assert_has(page,
               "\\fBprogram a\\-project:train\\fR [\\fIoptions\\fR] \\fI\\(aqFILE\\(aq\\fR\n");
    assert_has(page, ".nf\n    .laid out\n.fi\n.PP\n\\(aqthird\n");
    assert_has(page, ".TP\n\\fB\\-d\\fR, \\fB\\-\\-data\\fR \\fIDIR\\fR\n"
                     "\\&.rows, a \\(aqset\\(aq of \\ethem (required)\n");
    assert_has(page,
               ".SS Adapter\n.TP\n\\fB\\-\\-rank\\fR \\fIN\\fR\nof both, 1 to 256 [8 rows]\n");
    assert_has(page, "\\fB\\-\\-[no\\-]pack\\fR\nfill rows [on]\n");
    assert_has(page, ".SS General\n");
    assert_has(page, ".B EFFICIENTAI_ADAPTER__RANK\n");
    assert_has(page, ".BR program (1),\n.BR program\\-a\\-project\\-plain (1)\n");
    eai_free(page);
}

static void test_plain_command(void **state)
{
    (void)state;
    const eai_manual_style undated = {"program", "1.0", NULL};
    char *page = eai_manual_of_command(&undated, NULL, ' ', &commands[1]);
    assert_non_null(page);
    assert_safe(page);
    assert_has(page, ".TH \"PROGRAM\\-PLAIN\" 1 \"\" \"program 1.0\"\n");
    assert_has(page, "\\fBprogram plain\\fR\n.SH DESCRIPTION\nno options\n");
    assert_null(strstr(page, ".SH OPTIONS"));
    assert_null(strstr(page, ".SH FILES"));
    assert_has(page, ".SH SEE ALSO\n.BR program (1)\n");
    eai_free(page);
}

static void test_program(void **state)
{
    (void)state;
    const eai_variable *v;
    size_t n = 0;
    char *page = eai_manual_of_program(&style, &contents);
    assert_non_null(page);
    assert_safe(page);
    assert_has(page, "program \\- does \\(dqit\\(dq\n");
    assert_has(page, ".TP\n\\fBplain\\fR\nno options\n");
    assert_has(page, ".SS a\\-project\n\\(aqall\\(aq of it\n.TP\n\\fBa\\-project:train\\fR\n");
    assert_null(strstr(page, ".SS General")); /* those stand behind a command */
    for (; (v = eai_variable_at(n)) != NULL; n++)
        assert_has(page, v->name);
    assert_true(n > 10);
    assert_has(page, ".BR program\\-a\\-project\\-train (1),\n");
    assert_has(page, ".BR program\\-plain (1)\n");
    eai_free(page);
}

/* The rows of a group stand together, for each group is printed as one heading. */
static void test_groups_of_variables(void **state)
{
    (void)state;
    const eai_variable *a;
    const eai_variable *b;
    for (size_t i = 0; (a = eai_variable_at(i)) != NULL; i++) {
        assert_true(islower((unsigned char)a->help[0]) && *a->value);
        for (size_t j = i + 1; (b = eai_variable_at(j)) != NULL; j++)
            if (strcmp(a->group, b->group) == 0)
                assert_string_equal(eai_variable_at(j - 1)->group, a->group);
    }
}

static void test_names(void **state)
{
    (void)state;
    char *name = eai_manual_name(&style, &project, &commands[0]);
    assert_string_equal(name, "program-a-project-train");
    eai_free(name);
    name = eai_manual_name(&style, NULL, NULL);
    assert_string_equal(name, "program");
    eai_free(name);
}

/* Pages are made whole, or not at all. */
static eai_status make_pages(void *ud, eai_error *err)
{
    (void)ud;
    char *first = eai_manual_of_command(&style, &project, ':', &commands[0]);
    char *second = first ? eai_manual_of_program(&style, &contents) : NULL;
    eai_status st = second ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a page");
    if (second) {
        assert_has(first, "SEE ALSO");
        assert_has(first, "\\-\\-rank");
        assert_has(second, "program\\-plain");
    }
    eai_free(first);
    eai_free(second);
    return st;
}

static void test_torture(void **state)
{
    (void)state;
    eai_test_torture(make_pages, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command), cmocka_unit_test(test_plain_command),
        cmocka_unit_test(test_program), cmocka_unit_test(test_groups_of_variables),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
