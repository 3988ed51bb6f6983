/* Numbered backups of a file that is about to be replaced, as GNU's tools make them: NAME.~1~,
 * NAME.~2~, and so on, the highest number the newest.
 *
 * Use:
 *     EAI_TRY(eai_backup_make("settings.json", NULL, &err));       // settings.json.~7~
 *     EAI_TRY(eai_fs_write_atomic("settings.json", text, n, &err));
 *
 *     eai_backup_list list = {0};
 *     EAI_TRY(eai_backup_find(&list, "settings.json", &err));
 *     EAI_TRY(eai_backup_restore("settings.json", list.items[0].number, NULL, &err));
 *     eai_backup_list_deinit(&list);
 *
 * A backup takes no space until the file is replaced, where the file system can share blocks or has
 * hard links: our writers replace a file and never change it (fs.h). A program that changes a file
 * in place while it is still shared changes the backup too; its checksum, in the file .NAME.~sums~
 * (as of `sha256sum`), then tells. Whatever is interrupted wherever: the file and each backup is
 * there whole or not there.
 *
 * Thread-safety: any functions on different files. Two processes that back up one file at the same
 * time lose no content, but maybe the checksum of a backup; lock.h keeps them apart. */
#ifndef EAI_BACKUP_H
#define EAI_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_backup_opts {
    size_t keep; /* the newest so many stay; 0: 10 */
    uint64_t
        max_bytes; /* and of these no more than so many bytes, the newest always; 0: no bound */
} eai_backup_opts;

/* Makes a backup of what is at `path` now, then removes the oldest beyond the limits. Nothing is
 * made when there is no file, or when the newest backup has the same content. Regular files only;
 * of a link, the file that it names. */
EAI_API EAI_CHECKED eai_status eai_backup_make(const char *path, const eai_backup_opts *opts,
                                               eai_error *err);

typedef struct eai_backup {
    unsigned number;
    uint64_t bytes;
    int64_t modified;                 /* when its content was written, seconds since 1970 */
    char sha256[EAI_SHA256_HEX_SIZE]; /* when it was made; "" when that is not known */
    char *path;
} eai_backup;

typedef struct eai_backup_list {
    eai_backup *items; /* the newest first */
    size_t n;
} eai_backup_list;

/* The backups of `path`, which need not be there any more. *out must be empty and is so after a
 * failure. */
EAI_API EAI_CHECKED eai_status eai_backup_find(eai_backup_list *out, const char *path,
                                               eai_error *err);
EAI_API void eai_backup_list_deinit(eai_backup_list *list);

/* Puts the content of backup `number` in place of `path`, whose content is backed up before.
 * EAI_ERR_NOT_FOUND names the numbers that there are; EAI_ERR_FORMAT: its checksum differs, and
 * nothing was changed. */
EAI_API EAI_CHECKED eai_status eai_backup_restore(const char *path, unsigned number,
                                                  const eai_backup_opts *opts, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
