/* `efficientai files backup | backups | restore | sum | check | unpack`: what the library does for
 * files, by hand: numbered backups (backup.h), lists of checksums (checksums.h), archives of others
 * (unpack.h). */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/backup.h>
#include <efficientai/checksums.h>
#include <efficientai/fs.h>
#include <efficientai/progress.h>
#include <efficientai/terminal.h>
#include <efficientai/unpack.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

/* Between `least` and `most` operands; *out is borrowed. Returns how many in *n. */
static eai_status take_operands(const char *const **out, int *n, const eai_command_context *ctx,
                                int least, int most, const char *wanted, eai_error *err)
{
    *n = eai_options_operands(ctx->set, out);
    if (*n < least || *n > most)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes %s", ctx->program, wanted);
    return EAI_OK;
}

/* ---- backup, restore ---------------------------------------------------------------------------
 */

typedef struct backup_args {
    int64_t keep;
    bool json;
} backup_args;

#define KEEP_OPTION                                                                                \
    {                                                                                              \
        .name = "keep", .key = 'k', .type = EAI_OPT_INT, .offset = offsetof(backup_args, keep),    \
        .default_value = "10", .value_name = "N", .help = "the newest so many stay", .min = 1,     \
        .max = 10000, .unit = "backups"                                                            \
    }

static const eai_option backup_options[] = {KEEP_OPTION, {0}};

static eai_status cmd_backup(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const backup_args *a = args;
    const eai_backup_opts opts = {.keep = (size_t)a->keep};
    const char *const *operands;
    int n;

    EAI_TRY(take_operands(&operands, &n, ctx, 1, 1, "one FILE", err));
    if (!eai_fs_exists(operands[0])) /* the library takes that for nothing to do */
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "there is no '%s'", operands[0]);
    return eai_backup_make(operands[0], &opts, err);
}

static eai_status cmd_restore(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const backup_args *a = args;
    const eai_backup_opts opts = {.keep = (size_t)a->keep};
    const char *const *operands;
    char *end = NULL;
    int n;

    EAI_TRY(take_operands(&operands, &n, ctx, 2, 2, "a FILE and the NUMBER of a backup", err));
    unsigned long number = strtoul(operands[1], &end, 10);
    if (*end != '\0' || operands[1][0] == '-' || number == 0 || number > 1000000000)
        return eai_error_set(err, EAI_ERR_USAGE, "'%s' is no number of a backup", operands[1]);
    return eai_backup_restore(operands[0], (unsigned)number, &opts, err);
}

/* ---- backups -----------------------------------------------------------------------------------
 */

static const eai_option backups_options[] = {JSON_OPTION(backup_args), {0}};

/* "2026-11-28 12:00:00" in UTC. */
static void format_time(char buf[32], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&t, &parts) || strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(buf, 32, "?");
}

static eai_status print_backups(const eai_backup_list *list, FILE *out, eai_error *err)
{
    eai_table *t = eai_table_create(4, "number>|size>|written (UTC)|sha256");

    for (size_t i = 0; i < list->n; i++) {
        const eai_backup *b = &list->items[i];
        char number[24];
        char size[32];
        char when[32];
        snprintf(number, sizeof(number), "%u", b->number);
        format_time(when, b->modified);
        eai_table_row(t, (const char *[]){number, eai_format_bytes(size, sizeof(size), b->bytes),
                                          when, b->sha256});
    }
    eai_status st = eai_table_print(t, out, err);
    eai_table_free(t);
    return st;
}

static json_t *backups_to_json(const eai_backup_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const eai_backup *b = &list->items[i];
        json_array_append_new(array, json_pack("{s:i, s:I, s:I, s:s, s:s}", "number",
                                               (int)b->number, "bytes", (json_int_t)b->bytes,
                                               "modified", (json_int_t)b->modified, "sha256",
                                               b->sha256, "path", b->path));
    }
    return json_pack("{s:o}", "backups", array);
}

static eai_status cmd_backups(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const backup_args *a = args;
    const char *const *operands;
    eai_backup_list list = {0};
    int n;

    EAI_TRY(take_operands(&operands, &n, ctx, 1, 1, "one FILE", err));
    EAI_TRY(eai_backup_find(&list, operands[0], err));
    eai_status st = a->json ? json_output(backups_to_json(&list), ctx->out, err)
                            : print_backups(&list, ctx->out, err);
    eai_backup_list_deinit(&list);
    return st;
}

/* ---- sum, check --------------------------------------------------------------------------------
 */

static eai_status cmd_sum(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const char *const *operands;
    int n;

    (void)args;
    EAI_TRY(take_operands(&operands, &n, ctx, 1, 1, "one FOLDER", err));
    EAI_TRY(eai_checksums_write(operands[0], err));
    fprintf(ctx->out, "%s/" EAI_CHECKSUMS_NAME "\n", operands[0]);
    return EAI_OK;
}

static void print_finding(void *ud, const eai_checksums_finding *f)
{
    fprintf(ud, "%s: %s\n", f->name, f->text);
}

static eai_status cmd_check(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const char *const *operands;
    eai_checksums_report report;
    int n;

    (void)args;
    EAI_TRY(take_operands(&operands, &n, ctx, 1, 1, "one LIST, such as FOLDER/" EAI_CHECKSUMS_NAME,
                          err));
    EAI_TRY(eai_checksums_check(&report, operands[0], print_finding, ctx->out, err));
    fprintf(ctx->out, "%s: %zu files are as listed\n", operands[0], report.n_good);
    return EAI_OK;
}

/* ---- unpack ------------------------------------------------------------------------------------
 */

typedef struct unpack_args {
    const char *only;
    int64_t max_mb, max_entries;
    bool check;
} unpack_args;

static const eai_option unpack_options[] = {
    {.name = "only",
     .type = EAI_OPT_STRING,
     .offset = offsetof(unpack_args, only),
     .value_name = "NAME",
     .help = "this file of the archive alone"},
    {.name = "max-mb",
     .type = EAI_OPT_INT,
     .offset = offsetof(unpack_args, max_mb),
     .default_value = "65536",
     .value_name = "N",
     .help = "what may come out of it",
     .min = 1,
     .max = 1e9,
     .unit = "MB"},
    {.name = "max-entries",
     .type = EAI_OPT_INT,
     .offset = offsetof(unpack_args, max_entries),
     .default_value = "100000",
     .value_name = "N",
     .help = "files, links and folders",
     .min = 1,
     .max = 1e8},
    {.name = "check",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(unpack_args, check),
     .help = "read it to its end, write nothing"},
    {0},
};

static bool show_progress(void *ud, uint64_t done, uint64_t total)
{
    (void)total;
    eai_progress_update(ud, done, NULL);
    return true;
}

static eai_status cmd_unpack(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const unpack_args *a = args;
    const char *const *operands;
    int n;

    EAI_TRY(take_operands(&operands, &n, ctx, a->check ? 1 : 2, a->check ? 1 : 2,
                          a->check ? "one ARCHIVE with --check" : "an ARCHIVE and a FOLDER", err));
    eai_progress *p = ctx->quiet ? NULL
                                 : eai_progress_create(ctx->progress, ctx->progress_is_terminal,
                                                       operands[0], "B", 0);
    const eai_unpack_opts opts = {.max_bytes = (uint64_t)a->max_mb * 1000000,
                                  .max_entries = (size_t)a->max_entries,
                                  .only = a->only,
                                  .progress = show_progress,
                                  .ud = p};
    eai_status st = a->check ? eai_unpack_check(operands[0], &opts, err)
                             : eai_unpack(operands[0], operands[1], &opts, err);
    if (st == EAI_OK)
        eai_progress_finish(p, a->check ? "nothing is wrong with it" : NULL);
    else
        eai_progress_abandon(p);
    return st;
}

/* ---- The group ---------------------------------------------------------------------------------
 */

static const eai_command commands[] = {
    {"backup", "keep what a file holds now, as FILE.~N~", backup_options, sizeof(backup_args),
     cmd_backup, "FILE", "Nothing is made when the newest backup has the same content."},
    {"backups", "the backups of a file, the newest first", backups_options, sizeof(backup_args),
     cmd_backups, "FILE", NULL},
    {"restore", "put a backup in the place of its file, which is backed up before", backup_options,
     sizeof(backup_args), cmd_restore, "FILE NUMBER", NULL},
    {"sum", "write FOLDER/" EAI_CHECKSUMS_NAME ", as sha256sum does", NULL, 0, cmd_sum, "FOLDER",
     NULL},
    {"check", "compare files with a list of checksums", NULL, 0, cmd_check, "LIST", NULL},
    {"unpack", "unpack an archive of somebody else", unpack_options, sizeof(unpack_args),
     cmd_unpack, "ARCHIVE FOLDER",
     "zip (wheels too), tar, tar.gz, tar.xz, tar.zst. Names and links that leave the folder, "
     "devices, "
     "bombs and broken archives are refused; the folder is there whole or not at all."},
    {0},
};

const eai_project group_files = {
    .abi = EAI_PROJECT_ABI,
    .size = sizeof(eai_project),
    .name = "files",
    .version = EAI_VERSION,
    .summary = "backups, checksums, archives",
    .commands = commands,
};
