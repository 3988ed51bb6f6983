/* What unpacking consists of: the names of entries (unpack_names.c), and the entries (unpack.c). */
#ifndef EAI_FILES_UNPACK_H
#define EAI_FILES_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/unpack.h>

#define UNPACK_MAX_NAME 1000 /* bytes; macOS takes 1024 for a whole path */
#define UNPACK_MAX_PART 255

/* ---- unpack_names.c ---- */

typedef enum unpack_kind { UNPACK_FOLDER, UNPACK_FILE, UNPACK_LINK } unpack_kind;

typedef struct unpack_name {
    char *path; /* relative, parts separated by one '/' */
    char *key;  /* the same for all names that a file system may take for this one */
    uint64_t hash;
    unpack_kind kind;
    bool is_new_folder; /* not made yet */
} unpack_name;

/* The names so far. */
typedef struct unpack_names {
    unpack_name *items;
    size_t n, capacity;
    size_t max_n;
    uint32_t *slots; /* [n_slots], a power of two: 1 + an item's number, or 0 */
    size_t n_slots;
} unpack_names;

void unpack__names_deinit(unpack_names *names);

/* The name of an entry in the one form that is used here, in new memory: "./a//b/" is "a/b", "." is
 * "". *out is NULL on failure. */
EAI_CHECKED eai_status unpack__clean_name(char **out, const char *raw, int max_depth,
                                          eai_error *err);

/* Whether a symbolic link of that clean name may have this target. */
EAI_CHECKED eai_status unpack__check_link(const char *name, const char *target, eai_error *err);

/* Adds a clean name and the folders above it; refuses what is there. A folder may come twice. */
EAI_CHECKED eai_status unpack__names_add(unpack_names *names, const char *path, unpack_kind kind,
                                         eai_error *err);

/* *out is borrowed, until the next one is added; NULL: no entry of exactly that name. */
EAI_CHECKED eai_status unpack__names_find(unpack_name **out, const unpack_names *names,
                                          const char *path, eai_error *err);

/* ---- unpack.c ---- */

/* eai_unpack_check of bytes in memory. */
EAI_CHECKED eai_status unpack__check_memory(const void *data, size_t n, const eai_unpack_opts *opts,
                                            eai_error *err);

#endif
