/* `efficientai doctor`: is everything there that the toolkit uses, and what installs what is not.
 *
 * One table, one function a kind of check. What a command cannot do without is "missing" and makes
 * the exit status 1; what only some commands or a build need is "absent" and does not. Start at
 * checks. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cairo.h>
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>
#include <yaml.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/hub.h>
#include <efficientai/plan.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"
#include "places.h"

#include "base/banned.h"

typedef struct doctor_args {
    bool json;
} doctor_args;

static const eai_option doctor_options[] = {
    JSON_OPTION(doctor_args),
    {0},
};

typedef enum state { FOUND, ABSENT, MISSING } state;

static const char *const state_names[] = {"ok", "absent", "missing"};

/* What a check found out. */
typedef struct finding {
    bool found;
    char detail[320]; /* a version, a path, or the reason */
} finding;

typedef struct check check;
struct check {
    const char *group;
    const char *name;
    void (*look)(finding *f, const check *c);
    bool needed;        /* else only some commands use it */
    const char *use;    /* what for */
    const char *debian; /* package with apt-get; NULL: none */
    const char *brew;
};

static void say(finding *f, bool found, const char *detail)
{
    f->found = found;
    snprintf(f->detail, sizeof(f->detail), "%s", detail);
}

/* ---- Libraries, as they were loaded ------------------------------------------------------------
 */

static void look_libraries(finding *f, const check *c)
{
    char pcre[64] = "?";

    (void)c;
    f->found = true;
    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    pcre[strcspn(pcre, " ")] = '\0';
    snprintf(f->detail, sizeof(f->detail),
             "jansson %s, pcre2 %s, utf8proc %s, openssl %s, curl %s, cairo %s, libyaml %s",
             jansson_version_str(), pcre, utf8proc_version(),
             OpenSSL_version(OPENSSL_VERSION_STRING), curl_version_info(CURLVERSION_NOW)->version,
             cairo_version_string(), yaml_get_version_string());
}

/* ---- Programs on PATH --------------------------------------------------------------------------
 */

static void look_program(finding *f, const check *c)
{
    char *file = places_program(c->name);

    say(f, file != NULL, file ? file : c->use);
    eai_free(file);
}

/* ---- Backends ----------------------------------------------------------------------------------
 */

static void look_backend(finding *f, const check *c)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = NULL;

    eai_status st = eai_backend_open(&b, c->name, NULL, &err);
    say(f, st == EAI_OK, st == EAI_OK ? eai_backend_describe(b) : err.message);
    eai_backend_close(b);
}

static void look_memory(finding *f, const check *c)
{
    char text[32];
    uint64_t bytes = eai_hardware_memory_available();

    (void)c;
    f->found = bytes == 0 || bytes >= (uint64_t)1 << 30;
    snprintf(f->detail, sizeof(f->detail), "%s free for new work",
             eai_format_bytes(text, sizeof(text), bytes));
}

/* ---- Folders and models ------------------------------------------------------------------------
 */

/* Can the cache be written? It, or the part of its path that is there. */
static void look_cache(finding *f, const check *c)
{
    eai_error err = EAI_ERROR_INIT;
    char *folder = NULL;

    (void)c;
    if (eai_fs_cache_dir(&folder, &err) != EAI_OK) {
        say(f, false, err.message);
        return;
    }
    say(f, true, folder);
    while (!eai_fs_exists(folder) && strrchr(folder, '/') > folder)
        *strrchr(folder, '/') = '\0';
    if (!eai_fs_is_folder(folder) || access(folder, W_OK) != 0) {
        f->found = false;
        snprintf(f->detail, sizeof(f->detail), "'%.200s' cannot be written", folder);
    }
    eai_free(folder);
}

static void look_model(finding *f, const check *c)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = NULL;

    (void)c;
    bool cached =
        eai_hub_is_cached(eai_hub_at(0)) && eai_hub_path(&path, eai_hub_at(0), &err) == EAI_OK;
    say(f, cached, cached ? path : "fetch it: efficientai models get");
    eai_free(path);
}

static void look_template(finding *f, const check *c)
{
    char *folder = places_template();

    say(f, folder != NULL, folder ? folder : c->use);
    eai_free(folder);
}

/* ---- The table ---------------------------------------------------------------------------------
 */

static const check checks[] = {
    {"toolkit", "libraries", look_libraries, true, NULL, NULL, NULL},
    {"toolkit", "cpu", look_backend, true, "computes", NULL, NULL},
    {"toolkit", "mlx", look_backend, false, "computes on Apple Silicon", NULL, NULL},
    {"toolkit", "memory", look_memory, false, "for small models", NULL, NULL},
    {"files", "cache", look_cache, true, "for models", NULL, NULL},
    {"files", "default model", look_model, false, "for the examples", NULL, NULL},
    {"files", "template", look_template, false, "for new-project", NULL, NULL},
    {"programs", "python3", look_program, false, "for models get", "python3", "python3"},
    {"build", "cc", look_program, false, "for projects", "build-essential", NULL},
    {"build", "cmake", look_program, false, "for projects and tests", "cmake", "cmake"},
    {"build", "pkg-config", look_program, false, "for projects", "pkg-config", "pkg-config"},
    {"build", "ninja", look_program, false, "for quicker builds", "ninja-build", "ninja"},
    {"build", "git", look_program, false, "for development", "git", "git"},
};
#define N_CHECKS (sizeof(checks) / sizeof(checks[0]))

static state state_of(const check *c, const finding *f)
{
    return f->found ? FOUND : c->needed ? MISSING : ABSENT;
}

/* ---- What is printed ---------------------------------------------------------------------------
 */

static eai_status print_table(const finding *findings, FILE *out, eai_error *err)
{
    eai_table *t = eai_table_create(4, "part|what|state|");

    for (size_t i = 0; i < N_CHECKS; i++)
        eai_table_row(t, (const char *[]){checks[i].group, checks[i].name,
                                          state_names[state_of(&checks[i], &findings[i])],
                                          findings[i].detail});
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

/* "apt-get install a b", with the package manager that is there, of all that is not. New memory;
 * NULL when there is nothing to install, or nothing known to do it. */
static char *install_command(const finding *findings)
{
    char *apt = places_program("apt-get");
    char *brew = places_program("brew");
    char *command = NULL;

    for (size_t i = 0; (apt || brew) && i < N_CHECKS; i++) {
        const char *package = apt ? checks[i].debian : checks[i].brew;
        if (findings[i].found || !package)
            continue;
        char *longer =
            eai_asprintf("%s %s",
                         command ? command
                         : apt   ? geteuid() == 0 ? "apt-get install" : "sudo apt-get install"
                                 : "brew install",
                         package);
        eai_free(command);
        command = longer;
    }
    eai_free(apt);
    eai_free(brew);
    return command;
}

static eai_status print_json(const finding *findings, const char *install, FILE *out,
                             eai_error *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < N_CHECKS; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "part", checks[i].group,
                                              "what", checks[i].name, "state",
                                              state_names[state_of(&checks[i], &findings[i])],
                                              "detail", findings[i].detail));
    json_t *root = json_pack("{s:o, s:s?}", "checks", list, "install", install);
    return json_output(root, out, err);
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const doctor_args *a = args;
    finding findings[N_CHECKS] = {{0}};
    size_t n_missing = 0;
    size_t n_needed = 0;

    catalog_open_plugins(catalog_get()); /* complains about broken ones */
    for (size_t i = 0; i < N_CHECKS; i++) {
        checks[i].look(&findings[i], &checks[i]);
        n_needed += checks[i].needed;
        n_missing += state_of(&checks[i], &findings[i]) == MISSING;
    }
    char *install = install_command(findings);
    eai_status st = a->json ? print_json(findings, install, ctx->out, err)
                            : print_table(findings, ctx->out, err);
    if (st == EAI_OK && install && !a->json)
        fprintf(ctx->out, "\nWhat is absent comes with: %s\n", install);
    eai_free(install);
    if (st == EAI_OK && n_missing > 0)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "%zu of %zu needed parts are missing",
                             n_missing, n_needed);
    return st;
}

const eai_command command_doctor = {
    .name = "doctor",
    .summary = "is everything there, and what installs what is not",
    .options = doctor_options,
    .args_bytes = sizeof(doctor_args),
    .run = run,
    .help = "Exit status 1 when something is missing that every command needs; what only some "
            "commands or "
            "a build use is absent.",
};
