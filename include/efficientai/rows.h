/* Rows: the examples of a JSON-lines file (train.jsonl, valid.jsonl, test.jsonl).
 *
 * Use:
 *     eai_rows *rows = NULL;
 *     EAI_TRY(eai_rows_read(&rows, "data/train.jsonl", &err));
 *     for (size_t i = 0; i < eai_rows_count(rows); i++)
 *         learn(eai_rows_at(rows, i));
 *     eai_rows_free(rows);
 *
 * Each line is one JSON object in one of the layouts that mlx-lm and TRL share, the same one in the
 * whole file:
 *     {"text": "..."}
 *     {"prompt": "...", "completion": "..."}
 *     {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
 * Further keys are ignored, except "tools", which would change what the model sees.
 *
 * The first thing that is wrong ends the reading with one message that names file, line, field, the
 * value seen and what is allowed. Blank lines are allowed at the end only. Texts are valid UTF-8
 * and hold no NUL. Limits: a file of 4 GiB, a line of 64 MiB, 4,096 messages a row.
 *
 * Thread-safety: rows do not change after reading; any thread may read them. */
#ifndef EAI_ROWS_H
#define EAI_ROWS_H

#include <stddef.h>

#include <efficientai/chat.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eai_row_kind {
    EAI_ROW_TEXT,     /* text */
    EAI_ROW_PROMPT,   /* prompt, completion */
    EAI_ROW_MESSAGES, /* messages, n_messages */
} eai_row_kind;

/* One example. Fields of other kinds are NULL or 0. */
typedef struct eai_row {
    eai_row_kind kind;
    size_t line; /* in the file, from 1 */
    const char *text;
    const char *prompt;
    const char *completion;
    const eai_chat_message *messages;
    size_t n_messages; /* at least 1 */
} eai_row;

typedef struct eai_rows eai_rows;

/* Reads a whole file: at least one row, or an error. *out is the caller's. */
EAI_API EAI_CHECKED eai_status eai_rows_read(eai_rows **out, const char *path, eai_error *err);
/* The same from memory; `label` stands for the path in messages. Everything is copied. */
EAI_API EAI_CHECKED eai_status eai_rows_parse(eai_rows **out, const void *bytes, size_t n,
                                              const char *label, eai_error *err);
EAI_API void eai_rows_free(eai_rows *rows);

EAI_API size_t eai_rows_count(const eai_rows *rows);
EAI_API const eai_row *eai_rows_at(const eai_rows *rows, size_t i); /* borrowed, 0 <= i < count */
EAI_API eai_row_kind eai_rows_kind(const eai_rows *rows);           /* of every row */
EAI_API const char *eai_rows_path(const eai_rows *rows);            /* or the label */
/* SHA-256 of the file's bytes, 64 lower-case hexadecimal digits, for reports. */
EAI_API const char *eai_rows_sha256(const eai_rows *rows);

#ifdef __cplusplus
}
#endif
#endif
