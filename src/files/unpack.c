/* Unpacking archives of others (unpack.h says what is refused).
 *
 * libarchive takes the formats apart; what its entries may be and do is decided here, before
 * anything of an entry is written, and nothing that it could do by itself (writing to disk, making
 * links, calling programs for compressions that it lacks) is used. Sizes are counted as bytes come
 * out, for those that an archive states may be lies.
 *
 * Only the directory at the end of a zip file counts. libarchive could also read one from the
 * front, as a stream: then a file without its end would pass for a whole one, and one archive could
 * show different content to different programs. A tar file that is not compressed must end with
 * zeros, for one that was cut between two entries looks whole otherwise. Start at eai_unpack(),
 * then take_entry(). */
#include "files/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#include <xlocale.h>
#endif

#include <archive.h>
#include <archive_entry.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "base/io.h"
#include "base/temporary.h"
#include "files/files.h"

#include "base/banned.h"

#define READ_BYTES  ((size_t)256 << 10)
#define TAR_BLOCK   512
#define FREE_OUTPUT ((uint64_t)16 << 20) /* the ratio does not count before */

/* One archive under way. */
typedef struct unpacking {
    const char *path;
    eai_unpack_opts opts; /* no zeros in its limits */
    struct archive *a;
    const char *root; /* the folder to fill; NULL: only look */
    unpack_names names;
    bool found;        /* opts.only */
    uint64_t n_bytes;  /* of files that are wanted */
    uint64_t n_output; /* of all */
    /* The archive's file; fd -1: it is memory. */
    int fd;
    uint64_t archive_bytes;
    uint64_t n_read;
    char *chunk;
    int read_errno; /* why reading failed, else 0 */
    bool cancelled;
} unpacking;

/* ---- Reading --------------------------------------------------------------------------------- */

static la_ssize_t read_more(struct archive *a, void *ud, const void **data)
{
    unpacking *u = ud;
    ssize_t n = -1;

    *data = u->chunk;
    u->cancelled = u->opts.progress && !u->opts.progress(u->opts.ud, u->n_read, u->archive_bytes);
    if (!u->cancelled) {
        n = io__read(u->fd, u->chunk, READ_BYTES);
        u->read_errno = n < 0 ? errno : 0;
    }
    if (n < 0)
        archive_set_error(a, EIO, "stopped");
    else if ((uint64_t)n < u->archive_bytes - u->n_read)
        u->n_read += (uint64_t)n;
    else
        u->n_read = u->archive_bytes; /* parts of a zip are read twice */
    return n;
}

static la_int64_t seek_to(struct archive *a, void *ud, la_int64_t offset, int whence)
{
    unpacking *u = ud;
    off_t at = lseek(u->fd, (off_t)offset, whence);

    if (at < 0) {
        u->read_errno = errno;
        archive_set_error(a, errno, "cannot seek");
        return ARCHIVE_FATAL;
    }
    return at;
}

/* What libarchive has to say, or what made it fail. */
static eai_status describe_failure(const unpacking *u, eai_error *err)
{
    const char *text = archive_error_string(u->a);

    if (u->cancelled)
        return eai_error_set(err, EAI_ERR_CANCELLED, "unpacking was stopped");
    if (u->read_errno) {
        errno = u->read_errno;
        return eai_error_set_errno(err, "cannot read '%s'", u->path);
    }
    if (archive_errno(u->a) == ENOMEM)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to unpack it");
    return eai_error_set(err, EAI_ERR_FORMAT, "%s", text ? text : "it is broken");
}

static eai_status open_archive(unpacking *u, const void *data, size_t n, eai_error *err)
{
    static int (*const supported[])(struct archive *) = {
        archive_read_support_format_zip_seekable, archive_read_support_format_tar,
        archive_read_support_filter_gzip,         archive_read_support_filter_xz,
        archive_read_support_filter_zstd,
    };

    u->a = archive_read_new();
    if (!u->a)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to unpack it");
    for (size_t i = 0; i < sizeof(supported) / sizeof(supported[0]); i++) {
        if (supported[i](u->a) != ARCHIVE_OK) /* it would call a program instead */
            return eai_error_set(err, EAI_ERR_UNSUPPORTED, "this libarchive lacks a format: %s",
                                 archive_error_string(u->a));
    }
    int r = ARCHIVE_OK;
    if (u->fd < 0) {
        r = archive_read_open_memory(u->a, data, n);
    } else {
        archive_read_set_read_callback(u->a, read_more);
        archive_read_set_seek_callback(u->a, seek_to);
        archive_read_set_callback_data(u->a, u);
        r = archive_read_open1(u->a);
    }
    return r == ARCHIVE_OK ? EAI_OK : describe_failure(u, err);
}

/* Formats are known once there is an entry. */
static eai_status check_format(const unpacking *u, eai_error *err)
{
    if (archive_filter_count(u->a) > 2) /* the last one is the file itself */
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "it is compressed %d times over, once is allowed",
                             archive_filter_count(u->a) - 1);
    return EAI_OK;
}

/* The last block of a plain tar file is zeros. */
static eai_status check_tar_end(const unpacking *u, eai_error *err)
{
    char block[TAR_BLOCK] = "x";

    if (u->fd < 0 || archive_filter_code(u->a, 0) != ARCHIVE_FILTER_NONE ||
        (archive_format(u->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_TAR)
        return EAI_OK;
    if (u->archive_bytes >= TAR_BLOCK &&
        lseek(u->fd, (off_t)(u->archive_bytes - TAR_BLOCK), SEEK_SET) >= 0 &&
        io__read(u->fd, block, TAR_BLOCK) < 0)
        return eai_error_set_errno(err, "cannot read '%s'", u->path);
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i])
            return eai_error_set(err, EAI_ERR_FORMAT, "its end is missing");
    }
    return EAI_OK;
}

/* ---- Judging an entry ------------------------------------------------------------------------ */

/* EAI_ERR_UNSUPPORTED for what is refused whatever its name is. */
static eai_status check_traits(struct archive_entry *e, eai_error *err)
{
    const unsigned mode = (unsigned)archive_entry_mode(e);
    const unsigned type = (unsigned)archive_entry_filetype(e);

    if (archive_entry_is_encrypted(e))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "it is encrypted");
    if (mode & 07000)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "it has the permissions %04o, of which 0777 are allowed",
                             mode & 07777);
    if (!archive_entry_hardlink(e) && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "it is no file, folder or link (type %06o)",
                             type);
    if (type == AE_IFREG && archive_entry_size_is_set(e) && archive_entry_size(e) < 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "its size is negative");
    return EAI_OK;
}

/* Whether n more bytes may come out. */
static eai_status check_output(const unpacking *u, uint64_t n, bool wanted, eai_error *err)
{
    uint64_t most;

    if (wanted && n > u->opts.max_bytes - u->n_bytes)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than the %llu bytes that are allowed",
                             (unsigned long long)u->opts.max_bytes);
    if (__builtin_mul_overflow(u->archive_bytes, (uint64_t)u->opts.max_ratio, &most) ||
        __builtin_add_overflow(most, FREE_OUTPUT, &most))
        most = UINT64_MAX;
    if (n > most - u->n_output)
        return eai_error_set(err, EAI_ERR_LIMIT,
                             "more than %u bytes come out for one of the archive",
                             u->opts.max_ratio);
    return EAI_OK;
}

/* A size that is only stated: nothing is counted yet. */
static eai_status check_stated_size(const unpacking *u, uint64_t n, bool wanted, eai_error *err)
{
    EAI_TRY(check_output(u, n, wanted, err));
    return u->root && wanted ? eai_fs_check_space(u->root, n, err) : EAI_OK;
}

/* ---- Taking an entry ------------------------------------------------------------------------- */

static eai_status write_bytes(int fd, const char *data, size_t n, const char *path, eai_error *err)
{
    while (n > 0) {
        ssize_t written = io__write(fd, data, n < READ_BYTES ? n : READ_BYTES);
        if (written < 0)
            return eai_error_set_errno(err, "cannot write '%s'", path);
        data += written;
        n -= (size_t)written;
    }
    return EAI_OK;
}

/* A hole in a file is written as zeros. */
static eai_status write_hole(int fd, uint64_t n, const char *path, eai_error *err)
{
    static const char zeros[4096];
    eai_status st = EAI_OK;

    while (st == EAI_OK && n > 0) {
        size_t now = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);
        st = write_bytes(fd, zeros, now, path, err);
        n -= now;
    }
    return st;
}

/* The content of the entry into an open file (-1: nowhere), counted and compared with the size that
 * it states. */
static eai_status copy_data(unpacking *u, struct archive_entry *e, int fd, const char *path,
                            bool wanted, eai_error *err)
{
    const void *block = NULL;
    la_int64_t offset = 0;
    uint64_t at = 0;
    size_t n = 0;
    int r;
    eai_status st = EAI_OK;

    while ((r = archive_read_data_block(u->a, &block, &n, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset < at)
            return eai_error_set(err, EAI_ERR_FORMAT, "its parts lie over each other");
        uint64_t more = (uint64_t)offset - at + n;
        EAI_TRY(check_output(u, more, wanted, err));
        u->n_output += more;
        u->n_bytes += wanted ? more : 0;
        if (fd >= 0)
            st = write_hole(fd, (uint64_t)offset - at, path, err);
        if (fd >= 0 && st == EAI_OK)
            st = write_bytes(fd, block, n, path, err);
        if (st != EAI_OK)
            return st;
        at = (uint64_t)offset + n;
    }
    if (r != ARCHIVE_EOF)
        return describe_failure(u, err);
    if (archive_entry_size_is_set(e) && (uint64_t)archive_entry_size(e) != at)
        return eai_error_set(err, EAI_ERR_FORMAT, "it has %llu bytes and states %lld",
                             (unsigned long long)at, (long long)archive_entry_size(e));
    return EAI_OK;
}

static eai_status make_file(unpacking *u, struct archive_entry *e, const char *path, eai_error *err)
{
    const mode_t mode = archive_entry_mode(e) & 0100 ? 0777 : 0666;
    int fd = io__open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0)
        return eai_error_set_errno(err, "cannot write '%s'", path);
    eai_status st = copy_data(u, e, fd, path, true, err);
    if (st == EAI_OK && temporary__sync(fd) != 0)
        st = eai_error_set_errno(err, "cannot write '%s'", path);
    if (io__close(fd) != 0 && st == EAI_OK)
        st = eai_error_set_errno(err, "cannot write '%s'", path);
    return st;
}

static eai_status make_folder(const char *root, unpack_name *name, eai_error *err)
{
    char *path = eai_path_join(root, name->path);
    eai_status st = EAI_OK;

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (io__mkdir(path, 0777) != 0)
        st = eai_error_set_errno(err, "cannot make folder '%s'", path);
    name->is_new_folder = false;
    eai_free(path);
    return st;
}

/* The folders of an entry, and the entry where it is one, as far as they are not there. All of them
 * are among the names. */
static eai_status make_folders(unpacking *u, const char *name, eai_error *err)
{
    char part[UNPACK_MAX_NAME + 1];
    unpack_name *found = NULL;
    size_t n = strlen(name);

    memcpy(part, name, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        EAI_TRY(unpack__names_find(&found, &u->names, part, err));
        if (found && found->is_new_folder)
            EAI_TRY(make_folder(u->root, found, err));
        part[i] = name[i];
    }
    return EAI_OK;
}

/* A second name of a file that came before. */
static eai_status make_hard_link(unpacking *u, const char *target, const char *path, eai_error *err)
{
    unpack_name *first = NULL;
    char *clean = NULL;
    char *from = NULL;

    EAI_TRY(unpack__clean_name(&clean, target, u->opts.max_depth, err));
    eai_status st = unpack__names_find(&first, &u->names, clean, err);
    if (st == EAI_OK && (!first || first->kind != UNPACK_FILE))
        st = eai_error_set(err, EAI_ERR_FORMAT, "it is a link to '%s', which is no file before it",
                           clean);
    if (st == EAI_OK && path) {
        from = eai_path_join(u->root, clean);
        if (!from)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        else if (io__link(from, path) != 0)
            st = eai_error_set_errno(err, "cannot make the link '%s'", path);
    }
    eai_free(from);
    eai_free(clean);
    return st;
}

static eai_status make_link(const char *name, const char *target, const char *path, eai_error *err)
{
    if (!target)
        return eai_error_set(err, EAI_ERR_FORMAT, "it is a link to no name");
    EAI_TRY(unpack__check_link(name, target, err));
    if (path && io__symlink(target, path) != 0)
        return eai_error_set_errno(err, "cannot make the link '%s'", path);
    return EAI_OK;
}

/* What is behind an allowed name. `path` NULL: it is only looked at. */
static eai_status take_content(unpacking *u, struct archive_entry *e, const char *name,
                               const char *path, bool wanted, eai_error *err)
{
    if (archive_entry_hardlink(e))
        return make_hard_link(u, archive_entry_hardlink(e), path, err);
    if (archive_entry_filetype(e) == AE_IFDIR)
        return EAI_OK;
    if (archive_entry_filetype(e) == AE_IFLNK)
        return make_link(name, archive_entry_symlink(e), path, err);
    if (archive_entry_size_is_set(e))
        EAI_TRY(check_stated_size(u, (uint64_t)archive_entry_size(e), wanted, err));
    return path ? make_file(u, e, path, err) : copy_data(u, e, -1, u->path, wanted, err);
}

static unpack_kind kind_of(struct archive_entry *e)
{
    if (archive_entry_hardlink(e))
        return UNPACK_FILE;
    return archive_entry_filetype(e) == AE_IFDIR   ? UNPACK_FOLDER
           : archive_entry_filetype(e) == AE_IFLNK ? UNPACK_LINK
                                                   : UNPACK_FILE;
}

/* `name` is clean and not "". */
static eai_status take_named(unpacking *u, struct archive_entry *e, const char *name,
                             eai_error *err)
{
    char *path = NULL;

    EAI_TRY(unpack__names_add(&u->names, name, kind_of(e), err));
    bool wanted = !u->opts.only || strcmp(u->opts.only, name) == 0;
    if (wanted && u->opts.only && (kind_of(e) != UNPACK_FILE || archive_entry_hardlink(e)))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "it is no regular file");
    u->found = u->found || wanted;
    if (wanted && u->root) {
        EAI_TRY(make_folders(u, name, err));
        path = eai_path_join(u->root, name);
        if (!path)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    eai_status st = take_content(u, e, name, path, wanted, err);
    eai_free(path);
    return st;
}

static eai_status take_entry(unpacking *u, struct archive_entry *e, eai_error *err)
{
    const char *raw = archive_entry_pathname(e);
    char *name = NULL;

    if (!raw)
        return eai_error_set(err, EAI_ERR_FORMAT, "an entry has no name, or one that is no UTF-8");
    eai_status st = check_traits(e, err);
    if (st == EAI_OK)
        st = unpack__clean_name(&name, raw, u->opts.max_depth, err);
    if (st == EAI_OK && name[0] == '\0') /* "./", the folder itself */
        st = kind_of(e) == UNPACK_FOLDER
                 ? EAI_OK
                 : eai_error_set(err, EAI_ERR_FORMAT, "it has no name and is no folder");
    else if (st == EAI_OK)
        st = take_named(u, e, name, err);
    eai_free(name);
    return st == EAI_OK ? EAI_OK : eai_error_context(err, st, "'%.200s'", raw);
}

static eai_status take_entries(unpacking *u, eai_error *err)
{
    struct archive_entry *e = NULL;
    size_t n = 0;
    int r;

    while ((r = archive_read_next_header(u->a, &e)) == ARCHIVE_OK) {
        if (n++ == 0)
            EAI_TRY(check_format(u, err));
        if (n > u->opts.max_entries)
            return eai_error_set(err, EAI_ERR_LIMIT, "more than %zu entries", u->opts.max_entries);
        EAI_TRY(take_entry(u, e, err));
    }
    if (r != ARCHIVE_EOF)
        return describe_failure(u, err);
    EAI_TRY(check_tar_end(u, err));
    if (u->opts.only && !u->found)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "there is no '%s' in it", u->opts.only);
    return EAI_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* libarchive turns names into the encoding of the thread's locale, which in a program that sets
 * none is ASCII; so this thread has one of UTF-8 for the while. Without any, names beyond ASCII are
 * refused. The caller gives back what it gets to end_utf8(). */
static locale_t begin_utf8(locale_t *before)
{
    static const char *const names[] = {"C.UTF-8", "UTF-8", "en_US.UTF-8"};
    locale_t utf8 = (locale_t)0;

    for (size_t i = 0; !utf8 && i < sizeof(names) / sizeof(names[0]); i++)
        utf8 = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    *before = utf8 ? uselocale(utf8) : (locale_t)0;
    return utf8;
}

static void end_utf8(locale_t utf8, locale_t before)
{
    if (!utf8)
        return;
    uselocale(before);
    freelocale(utf8);
}

static eai_status run(unpacking *u, const void *data, size_t n, const eai_unpack_opts *opts,
                      eai_error *err)
{
    locale_t before;
    locale_t utf8 = begin_utf8(&before);

    u->opts = opts ? *opts : (eai_unpack_opts){0};
    u->opts.max_bytes = u->opts.max_bytes ? u->opts.max_bytes : (uint64_t)64 << 30;
    u->opts.max_entries = u->opts.max_entries ? u->opts.max_entries : 100000;
    u->opts.max_depth = u->opts.max_depth ? u->opts.max_depth : 32;
    u->opts.max_ratio = u->opts.max_ratio ? u->opts.max_ratio : 200;
    u->names.max_n = u->opts.max_entries < UINT32_MAX ? u->opts.max_entries : UINT32_MAX - 1;
    eai_status st = open_archive(u, data, n, err);
    if (st == EAI_OK)
        st = take_entries(u, err);
    archive_read_free(u->a);
    end_utf8(utf8, before);
    return st == EAI_OK ? EAI_OK : eai_error_context(err, st, "%s", u->path);
}

eai_status unpack__check_memory(const void *data, size_t n, const eai_unpack_opts *opts,
                                eai_error *err)
{
    unpacking u = {.path = "memory", .fd = -1, .archive_bytes = n};
    eai_status st = run(&u, data, n, opts, err);

    unpack__names_deinit(&u.names);
    return st;
}

/* Opens the archive and reads it, into u->root or nowhere. */
static eai_status unpack_file(unpacking *u, const eai_unpack_opts *opts, eai_error *err)
{
    struct stat info;

    u->fd = io__open(u->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (u->fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", u->path);
    eai_status st = EAI_OK;
    if (io__fstat(u->fd, &info) != 0)
        st = eai_error_set_errno(err, "cannot read '%s'", u->path);
    else if (!S_ISREG(info.st_mode))
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "cannot unpack '%s': it is no regular file",
                           u->path);
    else if (!(u->chunk = eai_alloc(READ_BYTES)))
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to unpack '%s'", u->path);
    if (st == EAI_OK) {
        u->archive_bytes = (uint64_t)info.st_size;
        st = run(u, NULL, 0, opts, err);
    }
    eai_free(u->chunk);
    io__close(u->fd);
    return st;
}

eai_status eai_unpack_check(const char *path, const eai_unpack_opts *opts, eai_error *err)
{
    unpacking u = {.path = path};
    eai_status st = unpack_file(&u, opts, err);

    unpack__names_deinit(&u.names);
    return st;
}

/* The folders' entries on the disk, before the whole gets its name. */
static eai_status sync_folders(const unpacking *u, int root_fd, eai_error *err)
{
    eai_status st = EAI_OK;

    for (size_t i = 0; st == EAI_OK && i < u->names.n; i++) {
        const unpack_name *name = &u->names.items[i];
        if (name->kind != UNPACK_FOLDER || name->is_new_folder)
            continue;
        char *path = eai_asprintf("%s/%s/", u->root, name->path);
        st = path ? temporary__sync_folder_of(path, path, err)
                  : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        eai_free(path);
    }
    if (st == EAI_OK && temporary__sync(root_fd) != 0)
        st = eai_error_set_errno(err, "cannot sync '%s'", u->root);
    return st;
}

/* A target that ends in '/' is the same without. */
static char *target_of(const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return eai_strndup(folder, n);
}

/* A folder with nothing in it can be replaced by rename(). */
static bool is_empty_folder(const char *path)
{
    struct dirent *entry;
    bool empty = true;
    int fd = io__open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    while (dir && empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        io__close(fd);
    return dir && empty;
}

/* Rather now than after an hour. Left-overs of a process that was killed here go, too. */
static eai_status prepare_target(const char *target, eai_error *err)
{
    struct stat info;
    char *parent = NULL;
    char *name = NULL;

    if (lstat(target, &info) == 0 && !is_empty_folder(target))
        return eai_error_set(err, EAI_ERR_IO, "cannot unpack to '%s': it is there already", target);
    EAI_TRY(files__split(&parent, &name, target, err));
    eai_status st = eai_fs_remove_left_overs(NULL, parent, name, err);
    eai_free(parent);
    eai_free(name);
    return st;
}

eai_status eai_unpack(const char *path, const char *folder, const eai_unpack_opts *opts,
                      eai_error *err)
{
    unpacking u = {.path = path};
    int root_fd = -1;
    char *root = NULL;
    char *target = target_of(folder);

    eai_status st = target ? prepare_target(target, err)
                           : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = temporary__open_folder(&root_fd, &root, target, target, err);
    u.root = root;
    if (st == EAI_OK)
        st = unpack_file(&u, opts, err);
    if (st == EAI_OK)
        st = sync_folders(&u, root_fd, err);
    if (st == EAI_OK && io__rename(root, target) != 0)
        st = eai_error_set_errno(err, "cannot unpack to '%s'", target);
    else if (st == EAI_OK)
        st = temporary__sync_folder_of(target, target, err);
    if (st == EAI_OK)
        EAI_LOG(INFO, "files", "unpacked '%s' to '%s': %zu entries, %llu bytes", path, target,
                u.names.n, (unsigned long long)u.n_bytes);
    else
        files__discard(root);
    if (root_fd >= 0)
        io__close(root_fd);
    unpack__names_deinit(&u.names);
    eai_free(root);
    eai_free(target);
    return st;
}
