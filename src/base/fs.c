/* Files and paths: reading whole files, mapping, folders.
 *
 * Why: each of these has a trap that should be handled once: empty files cannot be mapped, a folder
 * can be opened for reading, read() may return less than asked, a file may grow while it is read.
 * Writing is in file_writer.c, hashing in sha256.c. Start at eai_fs_read_file(). */
#include <efficientai/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>

#include "base/io.h"

#include "base/banned.h"

/* Opens for reading, refuses folders, tells the size. *fd is -1 on failure. */
static eai_status open_for_reading(int *fd, struct stat *info, const char *path, eai_error *err)
{
    *fd = io__open(path, O_RDONLY | O_CLOEXEC, 0);
    if (*fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", path);
    eai_status st = EAI_OK;
    if (io__fstat(*fd, info) != 0)
        st = eai_error_set_errno(err, "cannot read '%s'", path);
    else if (S_ISDIR(info->st_mode))
        st = eai_error_set(err, EAI_ERR_IO, "cannot read '%s': it is a folder", path);
    if (st != EAI_OK) {
        io__close(*fd);
        *fd = -1;
    }
    return st;
}

/* Reads until the end into a buffer that starts with the size the file claims to have and grows
 * when it is longer (pipes claim 0). One byte more than the limit is tried, to tell "at" from
 * "above". */
static eai_status read_all(char **out, size_t *size, int fd, const char *path, size_t expected,
                           size_t limit, eai_error *err)
{
    const size_t most = (size_t)1 << 30; /* macOS refuses 2 GiB and more in one call */
    size_t capacity = expected < limit ? expected + 1 : limit;
    size_t length = 0;
    char *data = NULL;

    for (;;) {
        char *grown = eai_realloc_array(data, capacity + 1, 1);
        if (!grown) {
            eai_free(data);
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the %zu bytes of '%s'",
                                 capacity, path);
        }
        data = grown;
        while (length <= capacity) {
            size_t room = capacity + 1 - length;
            ssize_t n = io__read(fd, data + length, room < most ? room : most);
            if (n < 0) {
                eai_free(data);
                return eai_error_set_errno(err, "cannot read '%s'", path);
            }
            if (n == 0) {
                data[length] = '\0';
                *out = data;
                *size = length;
                return EAI_OK;
            }
            length += (size_t)n;
        }
        if (length > limit) {
            eai_free(data);
            return eai_error_set(err, EAI_ERR_LIMIT, "'%s' is larger than the %zu bytes allowed",
                                 path, limit);
        }
        capacity = capacity > limit / 2 ? limit : capacity * 2;
    }
}

eai_status eai_fs_read_file(char **out, size_t *size, const char *path, size_t limit,
                            eai_error *err)
{
    struct stat info;
    size_t length = 0;
    int fd;

    *out = NULL;
    if (size)
        *size = 0;
    if (limit > SIZE_MAX / 4)
        limit = SIZE_MAX / 4;
    EAI_TRY(open_for_reading(&fd, &info, path, err));
    eai_status st;
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size > limit)
        st = eai_error_set(err, EAI_ERR_LIMIT, "'%s' has %lld bytes, %zu are allowed", path,
                           (long long)info.st_size, limit);
    else
        st = read_all(out, &length, fd, path, S_ISREG(info.st_mode) ? (size_t)info.st_size : 4095,
                      limit, err);
    io__close(fd);
    if (st == EAI_OK && size)
        *size = length;
    return st;
}

struct eai_map {
    void *data;
    size_t size;
};

eai_status eai_map_open(eai_map **out, const char *path, eai_error *err)
{
    struct stat info;
    int fd;

    *out = NULL;
    EAI_TRY(open_for_reading(&fd, &info, path, err));
    eai_status st = EAI_OK;
    eai_map *map = eai_alloc_zeroed(1, sizeof(*map));
    if (!map) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to map '%s'", path);
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        st = eai_error_set(err, EAI_ERR_IO, "cannot map '%s': it is no regular file", path);
        goto done;
    }
    map->size = (size_t)info.st_size;
    if (map->size > 0) { /* mmap refuses a length of 0 */
        map->data = io__map(map->size, fd);
        if (map->data == MAP_FAILED) {
            st = eai_error_set_errno(err, "cannot map '%s'", path);
            goto done;
        }
    }
    *out = map;
    map = NULL;
done:
    eai_free(map);
    io__close(fd);
    return st;
}

void eai_map_close(eai_map *map)
{
    if (!map)
        return;
    if (map->size > 0)
        munmap(map->data, map->size);
    eai_free(map);
}

const void *eai_map_data(const eai_map *map)
{
    return map->size > 0 ? map->data : "";
}

size_t eai_map_size(const eai_map *map)
{
    return map->size;
}

bool eai_fs_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool eai_fs_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* One folder; that it exists already is fine. */
static eai_status make_folder(const char *path, eai_error *err)
{
    if (io__mkdir(path, 0777) == 0)
        return EAI_OK;
    int number = errno;
    if (eai_fs_is_folder(path))
        return EAI_OK;
    if (number == EEXIST)
        return eai_error_set(err, EAI_ERR_IO, "cannot make folder '%s': a file of that name exists",
                             path);
    errno = number;
    return eai_error_set_errno(err, "cannot make folder '%s'", path);
}

eai_status eai_fs_mkdir_p(const char *path, eai_error *err)
{
    if (*path == '\0')
        return eai_error_set(err, EAI_ERR_ARGUMENT, "cannot make a folder with an empty name");
    char *part = eai_strdup(path);
    if (!part)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the name '%s'", path);
    eai_status st = EAI_OK;
    for (size_t i = 1; st == EAI_OK && part[i]; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        st = make_folder(part, err);
        part[i] = '/';
    }
    if (st == EAI_OK)
        st = make_folder(part, err);
    eai_free(part);
    return st;
}

char *eai_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);

    if (n == 0 || name[0] == '/')
        return eai_strdup(name);
    return eai_asprintf("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}
