/* What the files of the model hub share.
 *
 * hub.c: names to paths, and the common parts of fetching · hub_pip.c: models out of Python
 * packages · hub_hf.c: names and cache of Hugging Face repositories · hub_hf_fetch.c: fetching one
 * · hub_listing.c: what a repository has, and which of it is taken · hub_download.c: one file,
 * resumed and checked · hub_manifest.c: what is on the disk of a repository, with hashes.
 *
 * The cache of one repository, CACHE/hf/ORG/NAME:
 *     lock                   held while one process fetches
 *     refs/REVISION          the commit of a branch or tag when it was last fetched ('/' is %2F)
 *     manifests/COMMIT.json  the files that are here of a commit, all checked
 *     snapshots/COMMIT/      those files
 *     partial/OID            content under way, by its hash; a fetch that was cut goes on there
 * Written in the order partial, snapshots, manifests, refs, so whoever reads it from refs down
 * finds either the old model or the new one, and all of it. */
#ifndef EAI_CLI_HUB_INTERNAL_H
#define EAI_CLI_HUB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/fs.h>
#include <efficientai/hub.h>
#include <efficientai/lock.h>
#include <efficientai/progress.h>

#include "base/json.h"

#define HUB_OID_SIZE    65 /* SHA-256 or, shorter, SHA-1 in hexadecimal, with its NUL */
#define HUB_COMMIT_SIZE 41
#define HUB_MAX_FILES   4096 /* taken of one repository */
#define HUB_MAX_NAME    512
#define HUB_MAX_BYTES                                                                              \
    ((uint64_t)1 << 50) /* of one file: HUB_MAX_FILES of them fit into 64 bits                     \
                         */

/* ---- hub.c ---- */

/* CACHE/models/NAME in new memory. */
EAI_CHECKED eai_status hub__model_folder(char **out, const eai_hub_model *model, eai_error *err);
bool hub__has_size(const char *path, uint64_t bytes); /* a regular file of that size */

long hub__setting(const char *variable, long max, long otherwise);
int hub__attempts(void); /* $EFFICIENTAI_FETCH_ATTEMPTS, 3 */

/* Waits after the attempt of that number (from 1): 1, 2, 4 ... seconds, at least as long as the
 * server asked for, at most 64. */
void hub__pause(int attempt, long at_least);

/* EAI_ERR_NOT_FOUND when the user forbids the network. */
EAI_CHECKED eai_status hub__refuse_offline(eai_error *err);
EAI_CHECKED eai_status hub__put_in_place(const char *file, const char *target, eai_error *err);

/* Takes the lock of a folder, waiting for whoever has it. */
EAI_CHECKED eai_status hub__lock_folder(eai_lock **out, const char *folder, FILE *progress,
                                        eai_error *err);

/* ---- hub_hf.c ---- */

/* "hf:org/name[@revision]" taken apart. */
typedef struct hf_name {
    char *repository; /* "org/name" */
    char *revision;   /* "main" when none was given */
    char *folder;     /* CACHE/hf/org/name */
    char *ref;        /* .../refs/REVISION */
} hf_name;

EAI_CHECKED eai_status hf__name_parse(hf_name *out, const char *text, eai_error *err);
void hf__name_deinit(hf_name *name);

EAI_CHECKED eai_status hf__resolve(char **out, const char *name, eai_error *err);
EAI_CHECKED eai_status hf__check(const char *name, eai_error *err);

/* "FOLDER/snapshots/COMMIT" and "FOLDER/manifests/COMMIT.json" in new memory, NULL without. */
char *hf__snapshot_path(const hf_name *name, const char *commit);
char *hf__manifest_path(const hf_name *name, const char *commit);

bool hub__is_hex(const char *text, size_t n); /* n lower-case hexadecimal digits and no more */

/* ---- hub_manifest.c ---- */

typedef struct hub_file {
    char *name; /* inside the repository; safe, see hub__name_is_safe */
    uint64_t bytes;
    char sha256[EAI_SHA256_HEX_SIZE];
} hub_file;

typedef struct hub_manifest {
    char *repository;
    char *licence; /* "" when the repository does not say */
    char *model;   /* the file to open; "": the folder itself */
    char commit[HUB_COMMIT_SIZE];
    hub_file *files;
    size_t n_files;
} hub_manifest;

/* Whether a file name of a server may become part of a path of ours: relative, no "." or ".." or
 * empty parts, no backslash, no control characters, at most HUB_MAX_NAME bytes. */
bool hub__name_is_safe(const char *name);

/* EAI_ERR_FORMAT says what is wrong with it; `where` names it in messages. On failure *out is
 * empty. */
EAI_CHECKED eai_status hub__manifest_read(hub_manifest *out, const json_t *root, const char *where,
                                          eai_error *err);
EAI_CHECKED eai_status hub__manifest_load(hub_manifest *out, const char *path, eai_error *err);
EAI_CHECKED eai_status hub__manifest_write(const hub_manifest *m, const char *path, eai_error *err);
void hub__manifest_deinit(hub_manifest *m);
const hub_file *hub__manifest_find(const hub_manifest *m, const char *name); /* NULL: not there */

/* Adds a file, or replaces the one of that name. */
EAI_CHECKED eai_status hub__manifest_put(hub_manifest *m, const char *name, uint64_t bytes,
                                         const char *sha256, eai_error *err);
uint64_t hub__manifest_bytes(const hub_manifest *m);

/* ---- hub_listing.c ---- */

typedef struct hub_entry {
    char *name;
    uint64_t bytes;
    char oid[HUB_OID_SIZE]; /* SHA-256 of a large file (LFS), else git's SHA-1; "" when not said */
    bool is_chosen;
} hub_entry;

typedef struct hub_listing {
    char commit[HUB_COMMIT_SIZE];
    char *licence;
    hub_entry *entries;
    size_t n_entries;
} hub_listing;

/* From the answer of /api/models/ORG/NAME/revision/REV?blobs=true. On failure *out is empty. */
EAI_CHECKED eai_status hub__listing_parse(hub_listing *out, const char *text, size_t n,
                                          eai_error *err);
void hub__listing_deinit(hub_listing *l);

/* Marks what is taken: the model's weights (or the files that `pattern` matches), its configuration
 * and tokenizer. *model is the file to open (borrowed), "" when no single one is. */
EAI_CHECKED eai_status hub__listing_choose(const char **model, hub_listing *l, const char *pattern,
                                           eai_error *err);

/* ---- hub_download.c ---- */

typedef struct hub_download {
    const char *url;
    const char *token;
    const char *part;       /* where the content goes; what is there already is kept */
    const hub_entry *entry; /* what it must be */
    eai_progress *progress; /* NULL: none */
    uint64_t n_before;      /* bytes of earlier files, for the progress */
} hub_download;

/* On success the whole content is in `part`, and sha256 is its hash. What was fetched stays there
 * after a failure, unless it is wrong. */
EAI_CHECKED eai_status hub__download(char sha256[EAI_SHA256_HEX_SIZE], const hub_download *d,
                                     eai_error *err);

/* "bytes 100-199/200" taken apart: 100 and 200. False for anything else. */
bool hub__content_range(uint64_t *from, uint64_t *total, const char *text);

#endif
