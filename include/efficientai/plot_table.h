/* Tables to draw: columns by name, from CSV or JSON lines.
 *
 * Use:
 *     eai_plot_table *t = NULL;
 *     double *loss = NULL;
 *     EAI_TRY(eai_plot_table_read(&t, "out/metrics.jsonl", &err));
 *     st = eai_plot_table_numbers(&loss, t, "loss", &err);      // did you mean ...?
 *     ... eai_plot_table_rows(t) values ...
 *     eai_free(loss);
 *     eai_plot_table_free(t);
 *
 * A file whose first character is '{' is JSON lines: an object a line, its keys are the columns, an
 * object within becomes columns "outer.inner" (eight deep), lists are no numbers. Any other file is
 * CSV as RFC 4180 has it, with a line of names: fields between commas (or tabs, or semicolons:
 * whichever the first line has first), quoted with "" inside for a quote, line ends of either sort.
 *
 * A cell that is absent, null or empty is no value. Limits: a file of 1 GiB, a line of 16 MiB, 1024
 * columns, 64 M cells; beyond them EAI_ERR_LIMIT. What is wrong is named with file and line.
 *
 * Thread-safety: a table does not change after reading. */
#ifndef EAI_PLOT_TABLE_H
#define EAI_PLOT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_plot_table eai_plot_table;

/* Reads a file with at least one row. *out is the caller's. */
EAI_API EAI_CHECKED eai_status eai_plot_table_read(eai_plot_table **out, const char *path,
                                                   eai_error *err);
/* The same from memory; `label` stands for the path in messages. Everything is copied. */
EAI_API EAI_CHECKED eai_status eai_plot_table_parse(eai_plot_table **out, const char *text,
                                                    size_t n, const char *label, eai_error *err);
EAI_API void eai_plot_table_free(eai_plot_table *t);

EAI_API size_t eai_plot_table_rows(const eai_plot_table *t);
EAI_API size_t eai_plot_table_columns(const eai_plot_table *t);
EAI_API const char *eai_plot_table_name(const eai_plot_table *t, size_t column); /* borrowed */

/* The column of that name. EAI_ERR_NOT_FOUND with the nearest name, or with those there are. */
EAI_API EAI_CHECKED eai_status eai_plot_table_find(size_t *column, const eai_plot_table *t,
                                                   const char *name, eai_error *err);

/* A column's cells as texts, one a row, NULL where there is no value. Borrowed. */
EAI_API const char *const *eai_plot_table_texts(const eai_plot_table *t, size_t column);

/* Does a column have values, and are all of them numbers? */
EAI_API bool eai_plot_table_is_numeric(const eai_plot_table *t, size_t column);

/* A column as numbers, one a row, NaN where there is no value; "nan", "inf" and "-inf" are numbers.
 * *out is new memory (eai_free). EAI_ERR_FORMAT names the line of a cell that is none. */
EAI_API EAI_CHECKED eai_status eai_plot_table_numbers(double **out, const eai_plot_table *t,
                                                      const char *name, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
