/* Folders and what is in them: copied, moved, searched; and names that are safe to use.
 *
 * Use:
 *     eai_fs_list found = {0};
 *     EAI_TRY(eai_fs_find(&found, "runs", "*.safetensors", NULL, &err));
 *     for (size_t i = 0; i < found.n; i++)
 *         puts(found.paths[i]);                          // "a/adapter.safetensors", by name
 *     eai_fs_list_deinit(&found);
 *
 *     EAI_TRY(eai_fs_copy("runs/a", "kept/a", &err));    // all of it, or nothing
 *
 * Symbolic links inside a folder are never followed. Reading and writing of single files is fs.h.
 * Thread-safety: all functions may be called from any thread. */
#ifndef EAI_TREE_H
#define EAI_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Copies a file (or what a link names) or a folder with all that is in it, with permissions; links
 * inside a folder are copied as links. The copy appears at `to` whole, or not at all, and is on the
 * disk then. A file that is there is replaced; a folder must not be there, or be empty. Devices and
 * pipes are refused. */
EAI_API EAI_CHECKED eai_status eai_fs_copy(const char *from, const char *to, eai_error *err);

/* Moves a file, a link or a folder. On one file system that is a rename; else it is copied and then
 * removed, and a process that is killed in between leaves it in both places. What may be at `to` is
 * as with eai_fs_copy. */
EAI_API EAI_CHECKED eai_status eai_fs_move(const char *from, const char *to, eai_error *err);

/* Paths in new memory. */
typedef struct eai_fs_list {
    char **paths;
    size_t n;
} eai_fs_list;
EAI_API void eai_fs_list_deinit(eai_fs_list *list);

typedef struct eai_fs_find_opts {
    size_t max_found; /* files; EAI_ERR_LIMIT above. 0: 1,000,000 */
    int max_depth;    /* of folders in folders; EAI_ERR_LIMIT above. 0: 64 */
} eai_fs_find_opts;

/* The regular files below `folder` that match, as paths relative to it, sorted by their bytes. A
 * pattern (fnmatch: *, ?, [a-z]) without '/' is compared with the last part of the path, one with
 * '/' with all of it, where * matches no '/'. *out must be empty and is so after a failure. */
EAI_API EAI_CHECKED eai_status eai_fs_find(eai_fs_list *out, const char *folder,
                                           const char *pattern, const eai_fs_find_opts *opts,
                                           eai_error *err);

/* A new empty folder that only this user may enter, "$TMPDIR/PREFIX-xxxxxx" ($TMPDIR, else /tmp);
 * its path is new memory. eai_fs_remove_tree() removes it. */
EAI_API EAI_CHECKED eai_status eai_fs_make_temporary(char **out, const char *prefix,
                                                     eai_error *err);

/* Whether "a" and "A" are two files in this folder. Makes a file there for a moment. */
EAI_API EAI_CHECKED eai_status eai_fs_is_case_sensitive(bool *out, const char *folder,
                                                        eai_error *err);

/* A name for a file made of any text, in new memory; NULL without memory. Letters (of all
 * languages), digits, '.', '_', '-', '+', '=', '@', ',' and single spaces stay, all else becomes
 * '_', at the beginning '.' and '-' too, at the end '.' and ' '. At most 200 bytes: a longer one is
 * cut and gets 8 digits of its SHA-256. Never empty. Different texts may give one name. */
EAI_API char *eai_fs_safe_name(const char *text);

#ifdef __cplusplus
}
#endif
#endif
