/* File names made of text that nobody chose as one: titles, names of models, web addresses.
 *
 * The same text gives the same name on every system, so what is kept is what every file system
 * takes: those of Windows and of memory cards refuse some characters and the names' ends. Start at
 * eai_fs_safe_name(). */
#include <efficientai/tree.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_NAME   200 /* bytes; file systems take 255, and temporary names add to it */
#define SUM_DIGITS 8

static bool is_kept(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("._-+=@, ", c));
}

/* C1 control characters are letters to nobody. */
static bool is_letter_beyond_ascii(const char *s, size_t length)
{
    return length > 1 && !((unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0);
}

/* Each part of the text that stays, or '_' for it; several spaces are one. */
static void replace_all(eai_strbuf *b, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t length = eai_utf8_length(text, left);
        bool kept =
            length == 1 ? is_kept((unsigned char)*text) : is_letter_beyond_ascii(text, length);
        size_t n = length ? length : 1; /* a byte that is no character */
        if (!kept)
            eai_strbuf_char(b, '_');
        else if (*text != ' ' || (b->length > 0 && b->data[b->length - 1] != ' '))
            eai_strbuf_bytes(b, text, n);
        text += n;
        left -= n;
    }
}

/* The largest number of bytes up to `most` that ends between characters. */
static size_t cut_length(const char *name, size_t most)
{
    while (most > 0 && ((unsigned char)name[most] & 0xc0) == 0x80)
        most--;
    return most;
}

char *eai_fs_safe_name(const char *text)
{
    char hex[EAI_SHA256_HEX_SIZE];
    eai_strbuf b = EAI_STRBUF_INIT(SIZE_MAX / 2);

    replace_all(&b, text);
    if (b.length > MAX_NAME && b.status == EAI_OK) {
        b.length = cut_length(b.data, MAX_NAME - SUM_DIGITS - 1);
        b.data[b.length] = '\0';
        if (eai_sha256_memory(hex, text, strlen(text), NULL) == EAI_OK)
            eai_strbuf_printf(&b, "-%.*s", SUM_DIGITS, hex);
    }
    while (b.length > 0 && (b.data[b.length - 1] == '.' || b.data[b.length - 1] == ' '))
        b.data[--b.length] = '\0';
    if (b.length == 0)
        eai_strbuf_char(&b, '_');
    if (b.status == EAI_OK && strchr(".- ", b.data[0]))
        b.data[0] = '_';
    char *name = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return name;
}
