/* Fuzz target: JSON-lines rows. Every text of what was read is walked to its NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/rows.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void walk(const eai_row *row)
{
    switch (row->kind) {
    case EAI_ROW_TEXT:
        sink += strlen(row->text);
        break;
    case EAI_ROW_PROMPT:
        sink += strlen(row->prompt) + strlen(row->completion);
        break;
    default:
        if (row->n_messages == 0)
            abort();
        for (size_t i = 0; i < row->n_messages; i++)
            sink += strlen(row->messages[i].role) + strlen(row->messages[i].content);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;
    eai_status st = eai_rows_parse(&rows, data, size, "input", &err);

    if (st != EAI_OK) {
        if (rows || err.code != st || strncmp(err.message, "input:", 6) != 0)
            abort();
        return 0;
    }
    if (eai_rows_count(rows) == 0)
        abort();
    for (size_t i = 0; i < eai_rows_count(rows); i++)
        walk(eai_rows_at(rows, i));
    eai_rows_free(rows);
    return 0;
}
