/* Fuzz target: documents. The first byte says the format ('j', 'y' or 't'), the rest is the file.
 * What is accepted is written in its own format again and read back: the second text must be the
 * first. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/document.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON has no infinity: what cannot be written is not compared. */
static int has_infinite(const eai_value *v)
{
    if (v->kind == EAI_VALUE_FLOAT && !(v->real - v->real == 0))
        return 1;
    for (const eai_value *child = v->first; child; child = child->next)
        if (has_infinite(child))
            return 1;
    return 0;
}

static void check_round_trip(const eai_document *d, eai_document_format format)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *again = NULL;
    char *text = eai_value_to_text(eai_document_root(d), format);

    if (!text)
        abort();
    if (eai_document_parse(&again, text, strlen(text), format, "again", &err) != EAI_OK)
        abort();
    char *second = eai_value_to_text(eai_document_root(again), format);
    if (!second || strcmp(text, second) != 0)
        abort();
    eai_free(second);
    eai_free(text);
    eai_document_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char letters[] = "jyt";
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;
    const char *letter = size > 0 && data[0] ? strchr(letters, data[0]) : NULL;

    if (!letter)
        return -1;
    eai_document_format format = (eai_document_format)(letter - letters);
    eai_status st = eai_document_parse(&d, (const char *)data + 1, size - 1, format, "x", &err);
    if (st == EAI_OK) {
        if (format != EAI_DOCUMENT_JSON || !has_infinite(eai_document_root(d)))
            check_round_trip(d, format);
    } else if (d || err.code != st || strncmp(err.message, "x:", 2) != 0) {
        abort();
    }
    eai_document_free(d);
    return 0;
}
