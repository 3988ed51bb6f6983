/* Fuzz target: tables of CSV and JSON lines. What was read is walked, and drawn as text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/plot.h>
#include <efficientai/plot_table.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void draw(const eai_plot_table *t, size_t column)
{
    eai_error err = EAI_ERROR_INIT;
    double *y = NULL;
    char *text = NULL;
    if (eai_plot_table_numbers(&y, t, eai_plot_table_name(t, column), &err) != EAI_OK)
        return;
    eai_plot_series s = {.y = y, .n = eai_plot_table_rows(t)};
    eai_plot plot = {.kind = (eai_plot_kind)(column % 4),
                     .title = eai_plot_table_name(t, column),
                     .series = &s,
                     .n_series = 1,
                     .log_y = column % 3 == 1};
    if (eai_plot_to_text(&text, &plot, NULL, &err) == EAI_OK)
        sink += strlen(text);
    eai_free(text);
    eai_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plot_table *t = NULL;
    eai_status st = eai_plot_table_parse(&t, (const char *)data, size, "input", &err);

    if (st != EAI_OK) {
        if (t || err.code != st || (st != EAI_ERR_NOMEM && strncmp(err.message, "input:", 6) != 0))
            abort();
        return 0;
    }
    if (eai_plot_table_rows(t) == 0 || eai_plot_table_columns(t) == 0)
        abort();
    for (size_t i = 0; i < eai_plot_table_columns(t); i++) {
        for (size_t row = 0; row < eai_plot_table_rows(t); row++) {
            const char *cell = eai_plot_table_texts(t, i)[row];
            sink += cell ? strlen(cell) : 0;
        }
        if (i < 8)
            draw(t, i);
    }
    eai_plot_table_free(t);
    return 0;
}
