/* Free space on the disk, asked before a large file is written.
 *
 * Why: "not enough room" is better said at once than after an hour, and with both numbers. What is
 * free may be another process's a moment later, so the writing itself still meets ENOSPC
 * (file_writer.c); space is not reserved by posix_fallocate(), which on file systems that cannot do
 * it writes the whole file twice. Start at eai_fs_check_space(). */
#include <efficientai/fs.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <efficientai/alloc.h>

#include "base/temporary.h"
#include "base/text.h"

#include "base/banned.h"

/* The nearest folder above `path` (or itself) that is there; new memory, NULL without memory. */
static char *existing_part(const char *path)
{
    struct stat info;
    char *part = eai_strdup(path);

    while (part && part[0]) {
        size_t n = strlen(part);
        if (stat(part, &info) == 0 ? S_ISDIR(info.st_mode) : errno == EACCES)
            break;
        while (n > 1 && part[n - 1] == '/') /* a name's end, not its folder */
            part[--n] = '\0';
        n = temporary__folder_length(part);
        if (n == 1 && part[1] == '\0')
            break;
        part[n] = '\0';
    }
    if (part && part[0] == '\0') {
        eai_free(part);
        part = eai_strdup(".");
    }
    return part;
}

/* EAI_FREE_SPACE=BYTES, for tests. */
static bool read_environment(uint64_t *out)
{
    const char *text = getenv("EAI_FREE_SPACE");
    char *end = NULL;

    if (!text || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = n;
    return true;
}

static eai_status read_free_space(uint64_t *out, char **where, const char *path, eai_error *err)
{
    struct statvfs s;

    *out = 0;
    *where = existing_part(path);
    if (!*where)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the name '%s'", path);
    if (read_environment(out))
        return EAI_OK;
    if (statvfs(*where, &s) != 0)
        return eai_error_set_errno(err, "cannot tell how much is free on '%s'", *where);
    if (s.f_blocks == 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "cannot tell how much is free on '%s': its file system does not say",
                             *where);
    if (__builtin_mul_overflow((uint64_t)s.f_bavail, (uint64_t)s.f_frsize, out))
        *out = UINT64_MAX;
    return EAI_OK;
}

eai_status eai_fs_free_space(uint64_t *out, const char *path, eai_error *err)
{
    char *where = NULL;
    eai_status st = read_free_space(out, &where, path, err);

    eai_free(where);
    return st;
}

eai_status eai_fs_check_space(const char *path, uint64_t bytes, eai_error *err)
{
    char needed[32];
    char there[32];
    uint64_t n_free = 0;
    char *where = NULL;
    eai_status st = read_free_space(&n_free, &where, path, err);

    if (st == EAI_ERR_IO || st == EAI_ERR_UNSUPPORTED) /* nobody knows: try */
        st = EAI_OK;
    else if (st == EAI_OK && bytes > n_free)
        st = eai_error_set(err, EAI_ERR_IO, "'%s' needs %s, %s are free on '%s'", path,
                           text__bytes(needed, sizeof(needed), bytes),
                           text__bytes(there, sizeof(there), n_free), where);
    eai_free(where);
    return st;
}
