/* The names in an archive: which are allowed, and which are one and the same.
 *
 * A name is brought into one form first, and everything is decided about that form: what is checked
 * is what is used. Two names are the same if any of the usual file systems takes them for one file,
 * that is, if they agree after Unicode's case folding and decomposition.
 *
 * Links: an entry never lies below a link (the folders above it are entries too, and must be
 * folders), so the folder of a link is where its name says. A target that goes up first and then
 * only down therefore stays inside if it does not go up further than that folder is deep: what it
 * goes down through are folders, or links for which the same holds. A ".." behind another part is
 * refused, for that part may be a link, and ".." is then relative to where it leads. Start at
 * unpack__clean_name() and unpack__names_add(). */
#include "files/unpack.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/strbuf.h"

#include "base/banned.h"

/* Of a name of UNPACK_MAX_NAME bytes: no character of two bytes becomes more than three. */
#define MAX_POINTS (2 * UNPACK_MAX_NAME)

/* ---- One name -------------------------------------------------------------------------------- */

/* What is wrong with the characters of a name; NULL: nothing. */
static const char *judge_characters(const char *raw)
{
    size_t left = strlen(raw);

    if (left > UNPACK_MAX_NAME)
        return "its name is too long";
    while (left > 0) {
        size_t n = eai_utf8_length(raw, left);
        unsigned char c = (unsigned char)*raw;
        if (n == 0)
            return "its name is no UTF-8";
        if (c == '\\')
            return "its name has a backslash, which some systems take for a '/'";
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)raw[1] < 0xa0))
            return "its name has control characters";
        raw += n;
        left -= n;
    }
    return NULL;
}

eai_status unpack__clean_name(char **out, const char *raw, int max_depth, eai_error *err)
{
    const char *fault = raw[0] == '/' ? "its name is absolute" : judge_characters(raw);
    int depth = 0;

    *out = NULL;
    if (fault)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s", fault);
    char *clean = eai_alloc(strlen(raw) + 1);
    if (!clean)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    char *to = clean;
    for (const char *part = raw; *part;) {
        size_t n = strcspn(part, "/");
        if (n == 2 && memcmp(part, "..", 2) == 0)
            fault = "its name leaves the folder";
        else if (n > UNPACK_MAX_PART)
            fault = "a part of its name is too long";
        if (n > 0 && !(n == 1 && part[0] == '.')) {
            if (to > clean)
                *to++ = '/';
            memcpy(to, part, n);
            to += n;
            depth++;
        }
        part += n + (part[n] == '/');
    }
    *to = '\0';
    if (!fault && depth <= max_depth) {
        *out = clean;
        return EAI_OK;
    }
    eai_free(clean);
    if (fault)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s", fault);
    return eai_error_set(err, EAI_ERR_LIMIT, "its name has %d parts, %d are allowed", depth,
                         max_depth);
}

eai_status unpack__check_link(const char *name, const char *target, eai_error *err)
{
    const char *fault = judge_characters(target);
    bool went_down = false;
    int depth = 0;

    for (const char *c = name; *c; c++)
        depth += *c == '/';
    if (!fault && (target[0] == '/' || target[0] == '\0'))
        fault = "it leads out of the folder";
    for (const char *part = target; !fault && *part;) {
        size_t n = strcspn(part, "/");
        bool up = n == 2 && memcmp(part, "..", 2) == 0;
        if (up && (went_down || --depth < 0))
            fault = "it leads out of the folder";
        went_down = went_down || (!up && n > 0 && !(n == 1 && part[0] == '.'));
        part += n + (part[n] == '/');
    }
    if (fault)
        return eai_error_set(err, EAI_ERR_FORMAT, "a link to '%s': %s", target, fault);
    return EAI_OK;
}

/* ---- All names ------------------------------------------------------------------------------- */

/* The key of a name (unpack.h), in new memory. */
static eai_status make_key(char **out, const char *path, eai_error *err)
{
    utf8proc_int32_t points[MAX_POINTS];
    char *to = NULL;
    utf8proc_ssize_t n =
        utf8proc_decompose((const utf8proc_uint8_t *)path, (utf8proc_ssize_t)strlen(path), points,
                           MAX_POINTS, UTF8PROC_CASEFOLD | UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);

    *out = NULL;
    if (n < 0 || n > MAX_POINTS)
        return eai_error_set(err, EAI_ERR_LIMIT, "its name is too long");
    *out = to = eai_alloc((size_t)n * 4 + 1);
    if (!to)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    for (utf8proc_ssize_t i = 0; i < n; i++)
        to += utf8proc_encode_char(points[i], (utf8proc_uint8_t *)to);
    *to = '\0';
    return EAI_OK;
}

/* One that the maker of an archive cannot steer: 64 bits of SHA-256. */
static uint64_t hash_of(const char *key)
{
    char hex[EAI_SHA256_HEX_SIZE];

    if (eai_sha256_memory(hex, key, strlen(key), NULL) != EAI_OK)
        return 0;
    hex[16] = '\0';
    return strtoull(hex, NULL, 16);
}

void unpack__names_deinit(unpack_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        eai_free(names->items[i].path);
        eai_free(names->items[i].key);
    }
    eai_free(names->items);
    eai_free(names->slots);
    *names = (unpack_names){0};
}

/* The slot of a key: its own, or the free one where it would be. n_slots > n. */
static uint32_t *find_slot(const unpack_names *names, const char *key, uint64_t hash)
{
    for (size_t at = (size_t)hash;; at++) {
        uint32_t *slot = &names->slots[at & (names->n_slots - 1)];
        if (*slot == 0)
            return slot;
        const unpack_name *item = &names->items[*slot - 1];
        if (item->hash == hash && strcmp(item->key, key) == 0)
            return slot;
    }
}

/* Room for one more item, with at least half of the slots free. */
static bool grow(unpack_names *names)
{
    if (names->n < names->capacity)
        return true;
    size_t capacity = names->capacity ? names->capacity * 2 : 64;
    unpack_name *items = eai_realloc_array(names->items, capacity, sizeof(*items));
    if (!items)
        return false;
    names->items = items;
    uint32_t *slots = eai_alloc_zeroed(capacity * 2, sizeof(*slots));
    if (!slots)
        return false;
    eai_free(names->slots);
    names->slots = slots;
    names->n_slots = capacity * 2;
    names->capacity = capacity;
    for (size_t i = 0; i < names->n; i++)
        *find_slot(names, items[i].key, items[i].hash) = (uint32_t)i + 1;
    return true;
}

/* A second entry of that key. */
static eai_status judge_second(const unpack_name *first, const char *path, unpack_kind kind,
                               eai_error *err)
{
    if (strcmp(first->path, path) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' and '%s' are one name on some file systems",
                             first->path, path);
    if (first->kind == UNPACK_FOLDER && kind == UNPACK_FOLDER)
        return EAI_OK;
    if (first->kind == UNPACK_FOLDER || kind == UNPACK_FOLDER)
        return eai_error_set(err, EAI_ERR_FORMAT, "'%s' is a folder and something else", path);
    return eai_error_set(err, EAI_ERR_FORMAT, "it is there twice");
}

/* One name, whose folders are seen to. */
static eai_status add_one(unpack_names *names, const char *path, unpack_kind kind, eai_error *err)
{
    char *key = NULL;
    char *copy = NULL;

    EAI_TRY(make_key(&key, path, err));
    uint64_t hash = hash_of(key);
    uint32_t *slot = names->n ? find_slot(names, key, hash) : NULL;
    if (slot && *slot) {
        eai_free(key);
        return judge_second(&names->items[*slot - 1], path, kind, err);
    }
    eai_status st = EAI_OK;
    if (names->n >= names->max_n)
        st = eai_error_set(err, EAI_ERR_LIMIT, "more than %zu entries", names->max_n);
    else if (!grow(names) || !(copy = eai_strdup(path)))
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    if (st != EAI_OK) {
        eai_free(key);
        return st;
    }
    *find_slot(names, key, hash) = (uint32_t)names->n + 1;
    names->items[names->n++] = (unpack_name){copy, key, hash, kind, kind == UNPACK_FOLDER};
    return EAI_OK;
}

eai_status unpack__names_add(unpack_names *names, const char *path, unpack_kind kind,
                             eai_error *err)
{
    char part[UNPACK_MAX_NAME + 1];
    size_t n = strlen(path);

    if (n > UNPACK_MAX_NAME)
        return eai_error_set(err, EAI_ERR_LIMIT, "its name is too long");
    memcpy(part, path, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        EAI_TRY(add_one(names, part, UNPACK_FOLDER, err));
        part[i] = '/';
    }
    return add_one(names, path, kind, err);
}

eai_status unpack__names_find(unpack_name **out, const unpack_names *names, const char *path,
                              eai_error *err)
{
    char *key = NULL;

    *out = NULL;
    if (names->n == 0)
        return EAI_OK;
    EAI_TRY(make_key(&key, path, err));
    uint32_t slot = *find_slot(names, key, hash_of(key));
    eai_free(key);
    if (slot > 0 && strcmp(names->items[slot - 1].path, path) == 0)
        *out = &names->items[slot - 1];
    return EAI_OK;
}
