/* Manual pages of commands and of the program.
 *
 * Why: whoever has man expects it to know a program that is installed, and a page written by hand
 * would say something else than the program after the next change. Here every word is one of the
 * help, the tables of options, or of the environment. What it does not do: find commands, or write
 * files (apps/commands/man.c). Start at eai_manual_of_command. */
#include <efficientai/manual.h>

#include <ctype.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/environment.h>

#include "base/strbuf.h"
#include "config/roff.h"

#include "base/banned.h"

#define PAGE_MAX ((size_t)4 << 20)

typedef struct entry {
    const char *name;
    const char *text;
} entry;

static const entry exit_codes[] = {
    {"0", "all was done"},
    {"1", "it failed; the line that begins with error: says why"},
    {"2", "the command line, or a variable of the environment, is not right"},
    {"130", "stopped by Ctrl-C"},
    {NULL, NULL},
};

static const entry files[] = {
    {"~/.cache/efficientai", "models that were fetched (on macOS: ~/Library/Caches/efficientai)"},
    {"PREFIX/lib/efficientai/plugins", "projects that are added to those built in"},
    {NULL, NULL},
};

static const char configuration_text[] =
    "A file of options in YAML, TOML or JSON, with sections and profiles; 'efficientai config "
    "template' prints one with every option of a command. What counts, from the weakest to the "
    "strongest: defaults, files in the order of their --config, the environment, the command line.";

/* ---- Parts ----------------------------------------------------------------------------------- */

static void add_text(eai_strbuf *b, const char *text)
{
    roff__lines(b, text, strlen(text));
}

/* A term in bold, an argument in italics or "", and what it means. */
static void add_entry(eai_strbuf *b, const char *name, const char *argument, const char *text)
{
    eai_strbuf_text(b, ".TP\n\\fB");
    roff__piece(b, name);
    eai_strbuf_text(b, "\\fR");
    if (*argument) {
        eai_strbuf_text(b, " \\fI");
        roff__piece(b, argument);
        eai_strbuf_text(b, "\\fR");
    }
    eai_strbuf_char(b, '\n');
    add_text(b, text);
}

static void add_entries(eai_strbuf *b, const char *heading, const entry *rows)
{
    eai_strbuf_printf(b, ".SH %s\n", heading);
    for (; rows->name; rows++)
        add_entry(b, rows->name, "", rows->text);
}

/* The head of a page named `name`, and its NAME section. */
static void add_head(eai_strbuf *b, const eai_manual_style *style, const char *name,
                     const char *summary)
{
    eai_strbuf_text(b, ".TH \"");
    for (const char *c = name; *c; c++)
        roff__piece(b, (char[2]){(char)toupper((unsigned char)*c), '\0'});
    eai_strbuf_printf(b, "\" 1 \"%s\" \"%s ", style->date ? style->date : "", style->program);
    roff__piece(b, style->version);
    eai_strbuf_text(b, "\"\n.SH NAME\n");
    roff__piece(b, name);
    eai_strbuf_text(b, " \\- ");
    add_text(b, summary);
}

static void add_options(eai_strbuf *b, const eai_option *table, bool general)
{
    char *options = table ? eai_options_manual(table, general) : NULL;

    if (table && !options)
        b->status = b->status == EAI_OK ? EAI_ERR_NOMEM : b->status;
    if (options) {
        eai_strbuf_text(b, ".SH OPTIONS\n");
        eai_strbuf_text(b, options);
    }
    eai_free(options);
}

/* "efficientai\-models\-get(1)" */
static void add_reference(eai_strbuf *b, const eai_manual_style *style, const eai_project *project,
                          const eai_command *command, bool more)
{
    char *name = eai_manual_name(style, project, command);

    if (!name) {
        b->status = b->status == EAI_OK ? EAI_ERR_NOMEM : b->status;
        return;
    }
    eai_strbuf_text(b, ".BR ");
    roff__piece(b, name);
    eai_strbuf_printf(b, " (1)%s\n", more ? "," : "");
    eai_free(name);
}

/* The page as text, or NULL; frees the buffer. */
static char *take_page(eai_strbuf *b)
{
    char *page = eai_strbuf_take(b, NULL);

    eai_strbuf_deinit(b);
    return page;
}

char *eai_manual_name(const eai_manual_style *style, const eai_project *project,
                      const eai_command *command)
{
    return eai_asprintf("%s%s%s%s%s", style->program, project ? "-" : "",
                        project ? project->name : "", command ? "-" : "",
                        command ? command->name : "");
}

/* ---- Of a command ---------------------------------------------------------------------------- */

static void add_synopsis(eai_strbuf *b, const eai_manual_style *style, const eai_project *project,
                         char separator, const eai_command *command)
{
    eai_strbuf_printf(b, ".SH SYNOPSIS\n\\fB%s ", style->program);
    if (project) {
        roff__piece(b, project->name);
        eai_strbuf_char(b, separator);
    }
    roff__piece(b, command->name);
    eai_strbuf_printf(b, "\\fR%s", command->options ? " [\\fIoptions\\fR]" : "");
    if (command->usage) {
        eai_strbuf_text(b, " \\fI");
        roff__piece(b, command->usage);
        eai_strbuf_text(b, "\\fR");
    }
    eai_strbuf_char(b, '\n');
}

/* "MODELS", "ADAPTER__RANK": the first option that has a section is the better example. */
static const eai_option *find_example(const eai_option *table)
{
    const eai_option *found = NULL;

    for (const eai_option *o = table; o && o->name; o++)
        if (!found || (!found->group && !found->section && (o->group || o->section)))
            found = o;
    return found;
}

static void add_command_environment(eai_strbuf *b, const eai_command *command)
{
    const eai_option *o = find_example(command->options);
    char key[128];

    eai_strbuf_text(b, ".SH ENVIRONMENT\n");
    if (o) {
        eai_options_key(key, sizeof(key), o);
        eai_strbuf_text(b, "Each option has a variable, such as\n.B EFFICIENTAI_");
        for (const char *c = key; *c; c++)
            eai_strbuf_text(b, *c == '.'   ? "__"
                               : *c == '-' ? "_"
                                           : (char[2]){(char)toupper((unsigned char)*c), '\0'});
        eai_strbuf_text(b, "\nfor\n.BR \\-\\-");
        roff__piece(b, o->name);
        eai_strbuf_text(b, " ;\nthe command line comes before it.\n");
    }
    eai_strbuf_text(b, "Those of the program are listed in\n.BR efficientai (1).\n");
}

static void add_siblings(eai_strbuf *b, const eai_manual_style *style, const eai_project *project,
                         const eai_command *command)
{
    bool more = false;

    for (const eai_command *k = project ? project->commands : NULL; k && k->name; k++)
        more = more || k != command;
    eai_strbuf_text(b, ".SH SEE ALSO\n");
    add_reference(b, style, NULL, NULL, more);
    for (const eai_command *k = project ? project->commands : NULL; k && k->name; k++) {
        if (k == command)
            continue;
        more = false;
        for (const eai_command *later = k + 1; later->name; later++)
            more = more || later != command;
        add_reference(b, style, project, k, more);
    }
}

char *eai_manual_of_command(const eai_manual_style *style, const eai_project *project,
                            char separator, const eai_command *command)
{
    eai_strbuf b = EAI_STRBUF_INIT(PAGE_MAX);
    char *name = eai_manual_name(style, project, command);

    if (!name)
        return NULL;
    add_head(&b, style, name, command->summary);
    add_synopsis(&b, style, project, separator, command);
    eai_strbuf_text(&b, ".SH DESCRIPTION\n");
    if (project && separator == ':') {
        eai_strbuf_text(&b, "Part of ");
        roff__piece(&b, project->name);
        eai_strbuf_text(&b, ":\n");
        add_text(&b, project->summary);
        eai_strbuf_text(&b, ".PP\n");
    }
    roff__paragraphs(&b, command->help ? command->help : command->summary);
    add_options(&b, command->options, true);
    add_command_environment(&b, command);
    if (command->options) {
        eai_strbuf_text(&b, ".SH FILES\n");
        add_text(&b, configuration_text);
    }
    add_entries(&b, "EXIT STATUS", exit_codes);
    add_siblings(&b, style, project, command);
    eai_free(name);
    return take_page(&b);
}

/* ---- Of the program -------------------------------------------------------------------------- */

static void add_project_commands(eai_strbuf *b, const eai_project *project, char separator)
{
    for (const eai_command *k = project->commands; k->name; k++) {
        eai_strbuf_text(b, ".TP\n\\fB");
        roff__piece(b, project->name);
        eai_strbuf_char(b, separator);
        roff__piece(b, k->name);
        eai_strbuf_text(b, "\\fR\n");
        add_text(b, k->summary);
    }
}

static void add_commands(eai_strbuf *b, const eai_manual_contents *c)
{
    eai_strbuf_text(b, ".SH COMMANDS\n");
    for (size_t i = 0; c->groups[i]; i++)
        add_project_commands(b, c->groups[i], ' ');
    for (size_t i = 0; c->commands[i]; i++)
        add_entry(b, c->commands[i]->name, "", c->commands[i]->summary);
    for (size_t i = 0; c->projects[i]; i++) {
        eai_strbuf_text(b, ".SS ");
        roff__piece(b, c->projects[i]->name);
        eai_strbuf_char(b, '\n');
        add_text(b, c->projects[i]->summary);
        add_project_commands(b, c->projects[i], ':');
    }
}

static void add_environment(eai_strbuf *b)
{
    const char *group = "";
    const eai_variable *v;

    eai_strbuf_text(b, ".SH ENVIRONMENT\n");
    add_text(b, "Each option of a command has a variable too: EFFICIENTAI_RANK is --rank, and "
                "EFFICIENTAI_ADAPTER__RANK names its section.");
    for (size_t i = 0; (v = eai_variable_at(i)) != NULL; i++) {
        if (strcmp(group, v->group) != 0)
            eai_strbuf_printf(b, ".SS %s\n", v->group);
        group = v->group;
        add_entry(b, v->name, v->value, v->help);
    }
}

/* The pages of all commands, of groups and projects too. */
static void add_all_references(eai_strbuf *b, const eai_manual_style *style,
                               const eai_manual_contents *c)
{
    const eai_project *const *const lists[] = {c->groups, c->projects};

    eai_strbuf_text(b, ".SH SEE ALSO\n");
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
        for (size_t i = 0; lists[l][i]; i++)
            for (const eai_command *k = lists[l][i]->commands; k->name; k++)
                add_reference(b, style, lists[l][i], k, true);
    for (size_t i = 0; c->commands[i]; i++)
        add_reference(b, style, NULL, c->commands[i], c->commands[i + 1] != NULL);
}

char *eai_manual_of_program(const eai_manual_style *style, const eai_manual_contents *contents)
{
    eai_strbuf b = EAI_STRBUF_INIT(PAGE_MAX);

    add_head(&b, style, style->program, contents->summary);
    eai_strbuf_printf(&b,
                      ".SH SYNOPSIS\n\\fB%s\\fR [\\fIoptions\\fR] \\fICOMMAND\\fR "
                      "[\\fIoptions of the command\\fR]\n.SH DESCRIPTION\n",
                      style->program);
    roff__paragraphs(&b, contents->description);
    add_options(&b, contents->options, false);
    add_commands(&b, contents);
    add_environment(&b);
    add_entries(&b, "FILES", files);
    eai_strbuf_text(&b, ".PP\n");
    add_text(&b, configuration_text);
    add_entries(&b, "EXIT STATUS", exit_codes);
    add_all_references(&b, style, contents);
    return take_page(&b);
}
