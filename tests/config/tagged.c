/* A document of standard input as JSON that names the type of each value, for comparisons with
 * other readers (tools/oracles/documents.py, and the decoder interface of the TOML project's own
 * suite):
 *     {"type": "integer", "value": "5"}
 *
 *     tagged toml|yaml|json < FILE      exit status 1 and a line when it is not valid */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/document.h>

#include "base/strbuf.h"

static void add_tagged(eai_strbuf *b, const char *type, const char *value, size_t n)
{
    eai_strbuf_printf(b, "{\"type\": \"%s\", \"value\": ", type);
    eai_strbuf_json_bytes(b, value, n);
    eai_strbuf_char(b, '}');
}

/* "datetime", "datetime-local", "date-local" or "time-local". */
static const char *type_of_time(const char *text)
{
    if (!strchr(text, '-') || strchr(text, '-') > text + 4)
        return "time-local";
    if (strlen(text) == 10)
        return "date-local";
    return strpbrk(text + 11, "Zz+-") ? "datetime" : "datetime-local";
}

static void add_value(eai_strbuf *b, const eai_value *v)
{
    static const char *const names[] = {"null", "bool", "integer", "float", "string"};
    char number[64] = "";

    switch (v->kind) {
    case EAI_VALUE_ARRAY:
    case EAI_VALUE_TABLE:
        eai_strbuf_char(b, v->kind == EAI_VALUE_ARRAY ? '[' : '{');
        for (const eai_value *child = v->first; child; child = child->next) {
            if (v->kind == EAI_VALUE_TABLE) {
                eai_strbuf_json_bytes(b, child->key, child->key_length);
                eai_strbuf_char(b, ':');
            }
            add_value(b, child);
            if (child->next)
                eai_strbuf_char(b, ',');
        }
        eai_strbuf_char(b, v->kind == EAI_VALUE_ARRAY ? ']' : '}');
        return;
    case EAI_VALUE_TIME:
        add_tagged(b, type_of_time(v->text), v->text, v->length);
        return;
    case EAI_VALUE_TEXT:
        add_tagged(b, "string", v->text, v->length);
        return;
    case EAI_VALUE_BOOL:
        snprintf(number, sizeof(number), "%s", v->boolean ? "true" : "false");
        break;
    case EAI_VALUE_INT:
        snprintf(number, sizeof(number), "%" PRId64, v->integer);
        break;
    case EAI_VALUE_FLOAT:
        if (isnan(v->real))
            snprintf(number, sizeof(number), "nan");
        else
            snprintf(number, sizeof(number), "%.17g", v->real);
        break;
    case EAI_VALUE_NULL:
        break;
    }
    add_tagged(b, names[v->kind], number, strlen(number));
}

static int print_tagged(const char *text, size_t n, eai_document_format format)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;
    eai_strbuf b = EAI_STRBUF_INIT((size_t)1 << 26);

    if (eai_document_parse(&d, text, n, format, "<stdin>", &err) != EAI_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    add_value(&b, eai_document_root(d));
    puts(eai_strbuf_get(&b));
    eai_document_free(d);
    eai_strbuf_deinit(&b);
    return 0;
}

int main(int argc, char **argv)
{
    static char text[1 << 22];
    static const char *const names[] = {"json", "yaml", "toml"};
    size_t n = fread(text, 1, sizeof(text), stdin);

    for (int i = 0; i < 3; i++)
        if (argc == 2 && strcmp(argv[1], names[i]) == 0)
            return print_tagged(text, n, (eai_document_format)i);
    fprintf(stderr, "usage: tagged toml|yaml|json < FILE\n");
    return 2;
}
