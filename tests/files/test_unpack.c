/* Archives: what is unpacked is what was packed, and what a hostile one tries is refused with
 * nothing left on the disk. The archives are made here, by libarchive's writer, which writes any
 * name and any type, and by changing bytes of what it wrote. */
#include "support/eai_test.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/unpack.h>

#include "base/io.h"
#include "files/unpack.h"

static char *folder;
static char archive[512]; /* FOLDER/in/a */
static char target[512];  /* FOLDER/out/t */

static int make_folder(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    folder = eai_test_make_folder();
    snprintf(archive, sizeof(archive), "%s/in/a", folder);
    snprintf(target, sizeof(target), "%s/out/t", folder);
    assert_ok(eai_fs_mkdir_p(eai_test_path(folder, "in"), &err), &err);
    assert_ok(eai_fs_mkdir_p(eai_test_path(folder, "out"), &err), &err);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

/* ---- Making archives ------------------------------------------------------------------------- */

typedef struct row {
    const char *name;
    const char *data; /* of a file; what a link names */
    unsigned type;    /* AE_IFREG and so on; 0: a hard link */
    unsigned mode;    /* 0: 0644 */
} row;

#define FILE_ROW(name, data)                                                                       \
    {                                                                                              \
        name, data, AE_IFREG, 0                                                                    \
    }

static const struct {
    const char *name;
    int (*format)(struct archive *);
    int (*filter)(struct archive *);
} kinds[] = {
    {"zip", archive_write_set_format_zip, archive_write_add_filter_none},
    {"pax", archive_write_set_format_pax_restricted, archive_write_add_filter_none},
    {"gnutar", archive_write_set_format_gnutar, archive_write_add_filter_none},
    {"tar.gz", archive_write_set_format_pax_restricted, archive_write_add_filter_gzip},
    {"tar.xz", archive_write_set_format_pax_restricted, archive_write_add_filter_xz},
    {"tar.zst", archive_write_set_format_pax_restricted, archive_write_add_filter_zstd},
};
enum { ZIP, PAX, GNUTAR, TAR_GZ, TAR_XZ, TAR_ZST, N_KINDS };

static void add_row(struct archive *a, const row *r)
{
    struct archive_entry *e = archive_entry_new();
    bool is_file = r->type == AE_IFREG;

    archive_entry_copy_pathname(e, r->name);
    archive_entry_set_mode(e, r->type | (r->mode ? r->mode : 0644));
    archive_entry_set_size(e, is_file ? (la_int64_t)strlen(r->data) : 0);
    if (r->type == AE_IFLNK)
        archive_entry_copy_symlink(e, r->data);
    if (r->type == 0)
        archive_entry_copy_hardlink(e, r->data);
    if (archive_write_header(a, e) < ARCHIVE_WARN)
        fail_msg("%s", archive_error_string(a));
    if (is_file)
        assert_true(archive_write_data(a, r->data, strlen(r->data)) == (la_ssize_t)strlen(r->data));
    archive_entry_free(e);
}

static void write_archive(int kind, const row *rows, size_t n)
{
    struct archive *a = archive_write_new();

    assert_int_equal(kinds[kind].format(a), ARCHIVE_OK);
    assert_int_equal(kinds[kind].filter(a), ARCHIVE_OK);
    archive_write_set_options(a, "hdrcharset=BINARY");
    assert_int_equal(archive_write_open_filename(a, archive), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++)
        add_row(a, &rows[i]);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

#define WRITE(kind, ...)                                                                           \
    write_archive(kind, (const row[]){__VA_ARGS__}, sizeof((row[]){__VA_ARGS__}) / sizeof(row))

/* ---- Looking at what came out ---------------------------------------------------------------- */

static void assert_content(const char *name, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", target, name);
    assert_ok(eai_fs_read_file(&text, NULL, path, 64 << 20, &err), &err);
    assert_string_equal(text, expected);
    eai_free(text);
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = -2; /* . and .. */

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* It is refused with that message, by both functions, and nothing is left. */
static void assert_refused_with(const eai_unpack_opts *opts, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;

    assert_fails(eai_unpack(archive, target, opts, &err), code, &err, text);
    assert_non_null(strstr(err.message, folder)); /* the archive's name, or the target's */
    assert_int_equal(count_entries(eai_test_path(folder, "out")), 0);
    assert_fails(eai_unpack_check(archive, opts, &err), code, &err, text);
}

static void assert_refused(eai_status code, const char *text)
{
    assert_refused_with(NULL, code, text);
}

/* ---- What is unpacked ------------------------------------------------------------------------ */

static void each_format_is_unpacked(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    char *large = eai_alloc(1000001);
    memset(large, 'x', 1000000);
    large[1000000] = '\0';
    for (int kind = 0; kind < N_KINDS; kind++) {
        char link[64] = "";
        char path[600];
        struct stat info;
        WRITE(kind, {"./", "", AE_IFDIR, 0755}, {"./d/", "", AE_IFDIR, 0700},
              {"d/run", "#!/bin/sh\n", AE_IFREG, 0755}, FILE_ROW("new/er//x", large),
              FILE_ROW("empty", ""), FILE_ROW("\xc3\xbc/\xe6\x97\xa5.txt", "text"),
              {"d/link", "../new/er/x", AE_IFLNK, 0777}, {"d/", "", AE_IFDIR, 0755});
        assert_ok(eai_unpack_check(archive, NULL, &err), &err);
        assert_ok(eai_unpack(archive, target, NULL, &err), &err);
        assert_content("d/run", "#!/bin/sh\n");
        assert_content("new/er/x", large);
        assert_content("empty", "");
        assert_content("\xc3\xbc/\xe6\x97\xa5.txt", "text");
        assert_content("d/link", large);
        snprintf(path, sizeof(path), "%s/d/link", target);
        assert_int_equal(readlink(path, link, sizeof(link) - 1), 11);
        snprintf(path, sizeof(path), "%s/d/run", target);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0111, 0111);
        snprintf(path, sizeof(path), "%s/empty", target);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0111, 0);
        assert_int_equal(count_entries(target), 4);
        assert_int_equal(count_entries(eai_test_path(folder, "out")), 1);
        assert_ok(eai_fs_remove_tree(target, &err), &err);
    }
    eai_free(large);
}

static void hard_links_are_of_files_before(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat a;
    struct stat b;
    (void)state;

    WRITE(PAX, FILE_ROW("d/f", "text"), {"h", "./d/f", 0, 0});
    assert_ok(eai_unpack(archive, target, NULL, &err), &err);
    assert_content("h", "text");
    assert_int_equal(stat(eai_test_path(target, "h"), &a), 0);
    assert_int_equal(stat(eai_test_path(target, "d/f"), &b), 0);
    assert_true(a.st_ino == b.st_ino);
    assert_ok(eai_fs_remove_tree(target, &err), &err);
    WRITE(PAX, FILE_ROW("d/f", "text"), {"h", "../../in/a", 0, 0});
    assert_refused(EAI_ERR_FORMAT, "'h': its name leaves the folder");
    WRITE(PAX, FILE_ROW("d/f", "text"), {"h", "/etc/passwd", 0, 0});
    assert_refused(EAI_ERR_FORMAT, "'h': its name is absolute");
    WRITE(PAX, {"h", "f", 0, 0}, FILE_ROW("f", "text"));
    assert_refused(EAI_ERR_FORMAT, "it is a link to 'f', which is no file before it");
    WRITE(PAX, {"l", "f", AE_IFLNK, 0}, {"h", "l", 0, 0});
    assert_refused(EAI_ERR_FORMAT, "it is a link to 'l', which is no file before it");
    WRITE(PAX, {"d", "", AE_IFDIR, 0}, {"h", "d", 0, 0});
    assert_refused(EAI_ERR_FORMAT, "it is a link to 'd', which is no file before it");
}

static void one_file_alone(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_unpack_opts opts = {.only = "d/e/f", .max_bytes = 4};
    (void)state;

    for (int kind = ZIP; kind <= PAX; kind++) {
        WRITE(kind, FILE_ROW("d/other", "much more than four"), FILE_ROW("d/e/f", "text"),
              FILE_ROW("z", "more"), {"link", "z", AE_IFLNK, 0});
        assert_ok(eai_unpack(archive, target, &opts, &err), &err);
        assert_content("d/e/f", "text");
        assert_int_equal(count_entries(target), 1);
        assert_int_equal(count_entries(eai_test_path(target, "d")), 1);
        assert_ok(eai_fs_remove_tree(target, &err), &err);
    }
    assert_refused_with(&(eai_unpack_opts){.only = "d"}, EAI_ERR_NOT_FOUND,
                        "there is no 'd' in it");
    assert_refused_with(&(eai_unpack_opts){.only = "link"}, EAI_ERR_UNSUPPORTED, "no regular file");
    WRITE(ZIP, FILE_ROW("d/e/f", "text"), FILE_ROW("../z", "more"));
    assert_refused_with(&opts, EAI_ERR_FORMAT, "'../z': its name leaves the folder");
}

static void the_target_must_not_be_there(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char path[600];
    (void)state;

    WRITE(ZIP, FILE_ROW("f", "text"));
    assert_int_equal(mkdir(target, 0777), 0); /* empty: fine */
    snprintf(path, sizeof(path), "%s/", target);
    assert_ok(eai_unpack(archive, path, NULL, &err), &err);
    assert_content("f", "text");
    assert_fails(eai_unpack(archive, target, NULL, &err), EAI_ERR_IO, &err, "it is there already");
    assert_content("f", "text");
    assert_ok(eai_fs_remove_tree(target, &err), &err);
    assert_int_equal(symlink("/tmp", target), 0);
    assert_fails(eai_unpack(archive, target, NULL, &err), EAI_ERR_IO, &err, "it is there already");
    snprintf(path, sizeof(path), "%s/none/t", folder);
    assert_fails(eai_unpack(archive, path, NULL, &err), EAI_ERR_IO, &err, "No such file");
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void names_that_leave_or_lie(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"../evil", "'../evil': its name leaves the folder"},
        {"a/../../evil", "its name leaves the folder"},
        {"a/..", "its name leaves the folder"},
        {"..", "its name leaves the folder"},
        {"/etc/evil", "'/etc/evil': its name is absolute"},
        {"a\\..\\..\\evil", "has a backslash"},
        {"a\x1b[2Jb", "control characters"},
        {"a\nb", "control characters"},
        {"a\xc2\x85z", "control characters"},
        {"a\xff", "no UTF-8"},
        {"a\xc0\xae\xc0\xae/b", "no UTF-8"}, /* an overlong ".." */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int kind = ZIP; kind <= GNUTAR; kind++) {
            if (kind == ZIP && strchr(rows[i].name, '\\')) /* libarchive makes it a '/' */
                continue;
            WRITE(kind, FILE_ROW("good", "x"), FILE_ROW(rows[i].name, "x"));
            assert_refused(EAI_ERR_FORMAT, rows[i].text);
        }
    }
    char name[1100];
    memset(name, 'n', sizeof(name));
    for (size_t i = 200; i < sizeof(name); i += 200)
        name[i] = '/';
    name[1050] = '\0';
    WRITE(PAX, FILE_ROW(name, "x"));
    assert_refused(EAI_ERR_FORMAT, "its name is too long");
    name[200] = 'n';
    name[300] = '\0';
    WRITE(PAX, FILE_ROW(name, "x"));
    assert_refused(EAI_ERR_FORMAT, "a part of its name is too long");
    WRITE(PAX, FILE_ROW(".", "x"));
    assert_refused(EAI_ERR_FORMAT, "it has no name and is no folder");
}

static void links_that_leave(void **state)
{
    static const struct {
        const char *name, *link;
    } rows[] = {
        {"l", "/etc/passwd"}, {"l", ".."},     {"d/l", "../.."},        {"d/l", "../../x"},
        {"l", "a/../../x"},   {"l", "./../x"}, {"d/l", "../e/../../x"}, {"d/l", "e/../x"},
    };
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WRITE(PAX, {rows[i].name, rows[i].link, AE_IFLNK, 0777});
        assert_refused(EAI_ERR_FORMAT, "it leads out of the folder");
    }
    WRITE(PAX, {"l", "a\nb", AE_IFLNK, 0777});
    assert_refused(EAI_ERR_FORMAT, "control characters");
    /* Through a link nothing is written, whether it leads out or not. */
    WRITE(PAX, {"l", "d", AE_IFLNK, 0777}, FILE_ROW("l/f", "x"));
    assert_refused(EAI_ERR_FORMAT, "'l' is a folder and something else");
    WRITE(PAX, {"l", "d", AE_IFLNK, 0777}, FILE_ROW("l", "x"));
    assert_refused(EAI_ERR_FORMAT, "it is there twice");
    WRITE(PAX, FILE_ROW("l/f", "x"), {"l", "d", AE_IFLNK, 0777});
    assert_refused(EAI_ERR_FORMAT, "'l' is a folder and something else");
    WRITE(PAX, {"d/e/l", "../../x/./y", AE_IFLNK, 0777}, {"m", "./nowhere", AE_IFLNK, 0777});
    assert_ok(eai_unpack(archive, target, NULL, &err), &err);
}

static void two_of_one_name(void **state)
{
    static const struct {
        const char *a, *b, *text;
    } rows[] = {
        {"f", "f", "it is there twice"},
        {"f", "./f", "it is there twice"},
        {"d/f", "d//f", "it is there twice"},
        {"readme", "README", "'readme' and 'README' are one name"},
        {"D/a", "d/b", "'D' and 'd' are one name"},
        {"d/a", "D", "'d' and 'D' are one name"},
        {"\xc3\xbc", "u\xcc\x88", "are one name"}, /* composed, decomposed */
        {"\xc3\x9c", "\xc3\xbc", "are one name"},  /* U and u with diaeresis */
        {"stra\xc3\x9f"
         "e",
         "STRASSE", "are one name"},
        {"f", "f/g", "'f' is a folder and something else"},
        {"f/g", "f", "'f' is a folder and something else"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int kind = ZIP; kind <= PAX; kind++) {
            WRITE(kind, FILE_ROW(rows[i].a, "x"), FILE_ROW("z", "x"), FILE_ROW(rows[i].b, "y"));
            assert_refused(EAI_ERR_FORMAT, rows[i].text);
        }
    }
}

static void what_is_no_file(void **state)
{
    static const unsigned types[] = {AE_IFIFO, AE_IFCHR, AE_IFBLK};
    static const unsigned modes[] = {04755, 02755, 01755};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        WRITE(PAX, {"x", "", types[i], 0});
        assert_refused(EAI_ERR_UNSUPPORTED, "'x': it is no file, folder or link (type 0");
        for (int kind = ZIP; kind <= PAX; kind++) {
            WRITE(kind, {"x", "", AE_IFREG, modes[i]});
            assert_refused(EAI_ERR_UNSUPPORTED, "of which 0777 are allowed");
            WRITE(kind, {"x/", "", AE_IFDIR, modes[i]});
            assert_refused(EAI_ERR_UNSUPPORTED, "of which 0777 are allowed");
        }
    }
}

static void more_than_is_allowed(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_unpack_opts opts = {.max_bytes = 10, .max_entries = 4, .max_depth = 2};
    (void)state;

    WRITE(PAX, FILE_ROW("a", "12345"), FILE_ROW("d/b", "67890"), FILE_ROW("c", ""));
    assert_ok(eai_unpack(archive, target, &opts, &err), &err);
    assert_ok(eai_fs_remove_tree(target, &err), &err);
    WRITE(PAX, FILE_ROW("a", "12345"), FILE_ROW("b", "678901"));
    assert_refused_with(&opts, EAI_ERR_LIMIT, "'b': more than the 10 bytes that are allowed");
    WRITE(PAX, FILE_ROW("a", ""), FILE_ROW("d/e", ""), FILE_ROW("f/g", ""));
    assert_refused_with(&opts, EAI_ERR_LIMIT, "more than 4 entries"); /* folders count */
    WRITE(PAX, {"./", "", AE_IFDIR, 0}, {"./", "", AE_IFDIR, 0}, {"./", "", AE_IFDIR, 0},
          {"./", "", AE_IFDIR, 0}, {"./", "", AE_IFDIR, 0});
    assert_refused_with(&opts, EAI_ERR_LIMIT, "more than 4 entries"); /* such, too */
    WRITE(PAX, FILE_ROW("a/b/c", ""));
    assert_refused_with(&opts, EAI_ERR_LIMIT, "its name has 3 parts, 2 are allowed");
    WRITE(PAX, FILE_ROW("a", "12345678"));
    setenv("EAI_FREE_SPACE", "7", 1);
    eai_status st = eai_unpack(archive, target, NULL, &err);
    unsetenv("EAI_FREE_SPACE");
    assert_fails(st, EAI_ERR_IO, &err, "needs 8 B, 7 B are free on '");
}

/* More names than the first table has room for, in folders of which no entry speaks. */
static void many_names(void **state)
{
    enum { N = 700 };
    static char names[N][32];
    static row rows[N + 1];
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "d%d/f%d", i % 7, i);
        rows[i] = (row)FILE_ROW(names[i], names[i]);
    }
    rows[N] = (row)FILE_ROW("D3/F500", "");
    write_archive(PAX, rows, N);
    assert_ok(eai_unpack(archive, target, NULL, &err), &err);
    assert_int_equal(count_entries(target), 7);
    assert_int_equal(count_entries(eai_test_path(target, "d3")), 100);
    assert_content("d2/f443", "d2/f443");
    assert_ok(eai_fs_remove_tree(target, &err), &err);
    write_archive(PAX, rows, N + 1);
    assert_refused(EAI_ERR_FORMAT, "'d3' and 'D3' are one name");
}

/* 40 MB of zeros in some kilobytes, in one file or in five. */
static void bombs(void **state)
{
    enum { N = 40000000 };
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    char *data = eai_alloc(N + 1);
    memset(data, '0', N);
    data[N] = '\0';
    const eai_unpack_opts generous = {.max_ratio = 100000};
    static const int kinds_of_bombs[] = {ZIP, TAR_GZ, TAR_XZ, TAR_ZST};
    for (size_t i = 0; i < 4; i++) {
        WRITE(kinds_of_bombs[i], FILE_ROW("zeros", data));
        assert_refused(EAI_ERR_LIMIT, "more than 200 bytes come out for one of the archive");
        assert_ok(eai_unpack_check(archive, &generous, &err), &err);
    }
    data[8000000] = '\0';
    WRITE(ZIP, FILE_ROW("1", data), FILE_ROW("2", data), FILE_ROW("3", data), FILE_ROW("4", data),
          FILE_ROW("5", data));
    assert_refused(EAI_ERR_LIMIT, "'4': more than 200 bytes come out for one of the archive");
    eai_free(data);
}

/* ---- Lies and damage ------------------------------------------------------------------------- */

/* The archive's bytes, to be changed; *n of them. */
static unsigned char *load(size_t *n)
{
    eai_error err = EAI_ERROR_INIT;
    char *data = NULL;
    assert_ok(eai_fs_read_file(&data, n, archive, 1 << 24, &err), &err);
    return (unsigned char *)data;
}

static void save(const void *data, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_fs_write_atomic(archive, data, n, &err), &err);
}

/* The last place of those bytes. */
static unsigned char *find(unsigned char *data, size_t n, const char *what, size_t length)
{
    for (size_t i = n - length + 1; i-- > 0;)
        if (memcmp(data + i, what, length) == 0)
            return data + i;
    fail_msg("not there");
    return NULL;
}

static void a_zip_that_lies_about_sizes(void **state)
{
    size_t n = 0;
    (void)state;

    WRITE(ZIP, FILE_ROW("f", "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc"));
    unsigned char *data = load(&n);
    unsigned char *size = find(data, n, "PK\1\2", 4) + 24; /* of the content, in the directory */
    unsigned char *local = find(data, n, "PK\3\4", 4) + 22;
    static const unsigned char lies[] = {1, 56, 58, 255};
    for (size_t i = 0; i < sizeof(lies); i++) {
        size[0] = local[0] = lies[i];
        save(data, n);
        assert_refused(EAI_ERR_FORMAT, "'f': ");
    }
    size[0] = local[0] = 57;
    unsigned char *crc = size - 8;
    crc[0] ^= 1;
    save(data, n);
    assert_refused(EAI_ERR_FORMAT, "'f': ");
    crc[0] ^= 1;
    size[3] = local[3] = 0x7f; /* 2 GB of some bytes */
    save(data, n);
    assert_refused(EAI_ERR_LIMIT, "'f': more than 200 bytes come out");
    eai_free(data);
}

static void cut_archives(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    for (int kind = 0; kind < N_KINDS; kind++) {
        size_t n = 0;
        WRITE(kind, FILE_ROW("a", "some text"), FILE_ROW("b", "some other text"));
        unsigned char *data = load(&n);
        assert_ok(eai_unpack_check(archive, NULL, &err), &err);
        if (kind == PAX || kind == GNUTAR)
            n -= 512; /* of the two blocks of zeros at its end one would do */
        for (size_t cut = 0; cut + 1 < n; cut += n / 37 + 1) {
            save(data, cut);
            eai_status st = eai_unpack(archive, target, NULL, &err);
            if (st == EAI_OK || err.message[0] == '\0')
                fail_msg("%s cut to %zu of %zu bytes passed", kinds[kind].name, cut, n);
            assert_int_equal(count_entries(eai_test_path(folder, "out")), 0);
        }
        eai_free(data);
    }
    save("", 0);
    assert_refused(EAI_ERR_FORMAT, "");
    save("no archive at all", 17);
    assert_refused(EAI_ERR_FORMAT, "Unrecognized archive format");
    WRITE(GNUTAR, FILE_ROW("a", "1"), FILE_ROW("b", "2"));
    size_t n = 0;
    unsigned char *data = load(&n);
    save(data, 1024); /* just behind the first entry */
    assert_refused(EAI_ERR_FORMAT, "its end is missing");
    eai_free(data);
}

static void compressed_over_and_over(void **state)
{
    (void)state;
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_xz(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, archive), ARCHIVE_OK);
    add_row(a, &(row)FILE_ROW("f", "x"));
    archive_write_close(a);
    archive_write_free(a);
    assert_refused(EAI_ERR_UNSUPPORTED, "it is compressed 2 times over");
}

/* A zip whose entry says that it is encrypted. */
static void encrypted_entries(void **state)
{
    size_t n = 0;
    (void)state;

    WRITE(ZIP, FILE_ROW("f", "text"));
    unsigned char *data = load(&n);
    find(data, n, "PK\1\2", 4)[8] |= 1;
    find(data, n, "PK\3\4", 4)[6] |= 1;
    save(data, n);
    assert_refused(EAI_ERR_UNSUPPORTED, "'f': it is encrypted");
    eai_free(data);
}

static void what_is_no_archive_file(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    assert_fails(eai_unpack(folder, target, NULL, &err), EAI_ERR_ARGUMENT, &err, "no regular file");
    assert_fails(eai_unpack_check(archive, NULL, &err), EAI_ERR_IO, &err, "No such file");
    assert_int_equal(mkfifo(archive, 0666), 0);
    assert_fails(eai_unpack_check(archive, NULL, &err), EAI_ERR_ARGUMENT, &err, "no regular file");
}

/* ---- Progress, faults ------------------------------------------------------------------------ */

typedef struct watcher {
    int calls, stop_at;
    uint64_t last, all;
} watcher;

static bool watch(void *ud, uint64_t done, uint64_t all)
{
    watcher *w = ud;
    assert_true(done >= w->last && done <= all);
    w->last = done;
    w->all = all;
    return ++w->calls != w->stop_at;
}

static void progress_is_told_and_can_stop(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    struct stat info;
    watcher w = {0};
    const eai_unpack_opts opts = {.progress = watch, .ud = &w};
    (void)state;

    char *data = eai_alloc(2000001);
    memset(data, 'x', 2000000);
    data[2000000] = '\0';
    WRITE(PAX, FILE_ROW("f", data));
    eai_free(data);
    assert_int_equal(stat(archive, &info), 0);
    assert_ok(eai_unpack(archive, target, &opts, &err), &err);
    assert_true(w.calls >= 8);
    assert_int_equal(w.all, info.st_size);
    assert_ok(eai_fs_remove_tree(target, &err), &err);
    w = (watcher){.stop_at = 3};
    assert_fails(eai_unpack(archive, target, &opts, &err), EAI_ERR_CANCELLED, &err,
                 "unpacking was stopped");
    assert_int_equal(count_entries(eai_test_path(folder, "out")), 0);
}

static eai_status unpack_it(void *ud, eai_error *err)
{
    (void)ud;
    return eai_unpack(archive, target, NULL, err);
}

/* All of it or nothing; then it may come again. */
static void check_target(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    (void)ud;
    if (!eai_fs_exists(target))
        return;
    assert_content("d/f", "text");
    assert_content("d/e/g", "more");
    assert_content("h", "text");
    assert_content("l", "text");
    assert_ok(eai_fs_remove_tree(target, &err), &err);
}

static void whatever_fails_it_is_all_or_nothing(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    WRITE(PAX, FILE_ROW("d/f", "text"), FILE_ROW("d/e/g", "more"), {"h", "d/f", 0, 0},
          {"l", "d/f", AE_IFLNK, 0777});
    eai_test_io_torture(unpack_it, check_target, NULL, folder);
    eai_test_kill_torture(unpack_it, check_target, NULL, NULL, folder);
    for (uint64_t n = 1;; n++) { /* eai_test_torture, with nothing in the way */
        eai_alloc_fail_at(n);
        eai_status st = unpack_it(NULL, &err);
        bool reached = eai_alloc_count() >= n;
        eai_alloc_fail_at(0);
        check_target(NULL);
        if (!reached) {
            assert_ok(st, &err);
            break;
        }
        assert_fails(st, EAI_ERR_NOMEM, &err, "no memory");
        assert_int_equal(count_entries(eai_test_path(folder, "out")), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_format_is_unpacked),
        TEST(hard_links_are_of_files_before),
        TEST(one_file_alone),
        TEST(the_target_must_not_be_there),
        TEST(names_that_leave_or_lie),
        TEST(links_that_leave),
        TEST(two_of_one_name),
        TEST(what_is_no_file),
        TEST(more_than_is_allowed),
        TEST(many_names),
        TEST(bombs),
        TEST(a_zip_that_lies_about_sizes),
        TEST(cut_archives),
        TEST(compressed_over_and_over),
        TEST(encrypted_entries),
        TEST(what_is_no_archive_file),
        TEST(progress_is_told_and_can_stop),
        TEST(whatever_fails_it_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
