/* Rows of JSON-lines files: one example a line, the layouts of mlx-lm and TRL.
 *
 * Why so strict: training data is written by people and scripts, and a row that is silently skipped
 * or half understood costs a training run. So every line is checked, and the first that is wrong
 * ends the reading with file, line, field, what was seen and what is allowed. Not here: templates
 * and tokens (chat.h, tokenizer.h), shuffling and batches (train). Start at read_line(). */
#include <efficientai/rows.h>

#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/arena.h"

#include "base/banned.h"

#define MAX_FILE     ((size_t)4 << 30)
#define MAX_LINE     ((size_t)64 << 20)
#define MAX_MESSAGES 4096
#define MAX_ROWS     ((size_t)1 << 28)
#define LAYOUTS                                                                                    \
    "{\"text\"}, {\"prompt\", \"completion\"} and {\"messages\"} are the layouts allowed"

struct eai_rows {
    char *label;
    eai_arena *arena; /* texts and messages; lives until the rows are freed */
    eai_row *rows;
    size_t n;
    size_t capacity;
    char sha256[EAI_SHA256_HEX_SIZE];
};

static const char *const layout_names[] = {
    [EAI_ROW_TEXT] = "text", [EAI_ROW_PROMPT] = "prompt", [EAI_ROW_MESSAGES] = "messages"};

static const char *const roles[] = {"system", "user", "assistant", "tool"};

static const char *json_type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return value ? names[json_typeof(value)] : "missing";
}

/* The text of a field, copied into the arena. */
static eai_status take_text(const char **out, eai_rows *rows, const json_t *object,
                            const char *field, eai_error *err)
{
    const json_t *value = json_object_get(object, field);

    if (!json_is_string(value))
        return eai_error_set(err, EAI_ERR_FORMAT, "field '%s' is %s (a text is allowed)", field,
                             json_type_name(value));
    *out = eai_arena_strndup(rows->arena, json_string_value(value), json_string_length(value));
    if (!*out)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for field '%s'", field);
    return EAI_OK;
}

static eai_status check_role(const char *role, eai_error *err)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i], role) == 0)
            return EAI_OK;
    }
    return eai_error_set(err, EAI_ERR_FORMAT,
                         "field 'role' is '%s' (system, user, assistant and tool are allowed)",
                         role);
}

static eai_status take_message(eai_chat_message *out, eai_rows *rows, const json_t *message,
                               eai_error *err)
{
    if (!json_is_object(message))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "is %s (an object with 'role' and 'content' is allowed)",
                             json_type_name(message));
    if (json_object_get(message, "tool_calls"))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "field 'tool_calls' is not supported");
    EAI_TRY(take_text(&out->role, rows, message, "role", err));
    EAI_TRY(check_role(out->role, err));
    return take_text(&out->content, rows, message, "content", err);
}

static eai_status take_messages(eai_row *row, eai_rows *rows, const json_t *list, eai_error *err)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "field 'messages' is %s (a list of messages is allowed)",
                             json_type_name(list));
    if (n < 1 || n > MAX_MESSAGES)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "field 'messages' has %zu messages (1 to %d are allowed)", n,
                             MAX_MESSAGES);
    eai_chat_message *messages = eai_arena_array(rows->arena, n, sizeof(*messages));
    if (!messages)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu messages", n);
    for (size_t i = 0; i < n; i++) {
        eai_status st = take_message(&messages[i], rows, json_array_get(list, i), err);
        if (st != EAI_OK)
            return eai_error_context(err, st, "message %zu", i + 1);
    }
    row->messages = messages;
    row->n_messages = n;
    return EAI_OK;
}

/* Which layout an object has; more than one or none is an error. */
static eai_status find_layout(eai_row_kind *out, const json_t *object, eai_error *err)
{
    bool text = json_object_get(object, "text") != NULL;
    bool prompt = json_object_get(object, "prompt") || json_object_get(object, "completion");
    bool messages = json_object_get(object, "messages") != NULL;

    if (json_object_get(object, "tools"))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "field 'tools' is not supported");
    if (text + prompt + messages > 1)
        return eai_error_set(err, EAI_ERR_FORMAT, "fields of more than one layout (" LAYOUTS ")");
    if (text + prompt + messages == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "unknown layout (" LAYOUTS ")");
    *out = text ? EAI_ROW_TEXT : prompt ? EAI_ROW_PROMPT : EAI_ROW_MESSAGES;
    return EAI_OK;
}

static eai_status take_row(eai_row *row, eai_rows *rows, const json_t *object, eai_error *err)
{
    EAI_TRY(find_layout(&row->kind, object, err));
    if (rows->n > 0 && rows->rows[0].kind != row->kind)
        return eai_error_set(
            err, EAI_ERR_FORMAT,
            "a row with '%s', but line %zu has '%s' (one layout in the whole file is allowed)",
            layout_names[row->kind], rows->rows[0].line, layout_names[rows->rows[0].kind]);
    switch (row->kind) {
    case EAI_ROW_TEXT:
        return take_text(&row->text, rows, object, "text", err);
    case EAI_ROW_PROMPT:
        EAI_TRY(take_text(&row->prompt, rows, object, "prompt", err));
        return take_text(&row->completion, rows, object, "completion", err);
    default:
        return take_messages(row, rows, json_object_get(object, "messages"), err);
    }
}

static eai_status append(eai_rows *rows, const eai_row *row, eai_error *err)
{
    if (rows->n == rows->capacity) {
        size_t wanted = rows->capacity ? rows->capacity * 2 : 256;
        eai_row *grown =
            wanted <= MAX_ROWS ? eai_realloc_array(rows->rows, wanted, sizeof(*grown)) : NULL;
        if (!grown)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu rows", wanted);
        rows->rows = grown;
        rows->capacity = wanted;
    }
    rows->rows[rows->n++] = *row;
    return EAI_OK;
}

static eai_status explain_json(const json_error_t *why, eai_error *err)
{
    switch (json_error_code(why)) {
    case json_error_out_of_memory:
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the row");
    case json_error_invalid_utf8:
        return eai_error_set(err, EAI_ERR_FORMAT, "invalid UTF-8 at byte %d", why->position);
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return eai_error_set(err, EAI_ERR_FORMAT, "a text holds \\u0000 at byte %d", why->position);
    default:
        return eai_error_set(err, EAI_ERR_FORMAT, "no valid JSON at byte %d: %s", why->position,
                             why->text);
    }
}

static eai_status read_line(eai_rows *rows, const char *text, size_t n, size_t line, eai_error *err)
{
    json_error_t why;
    eai_row row = {.line = line};
    eai_status st = EAI_OK;

    if (n > MAX_LINE)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu bytes (at most %zu are allowed)", n,
                             MAX_LINE);
    if (line == 1 && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "a byte order mark (UTF-8 without one is allowed)");
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!object)
        return explain_json(&why, err);
    if (json_is_object(object))
        st = take_row(&row, rows, object, err);
    else
        st = eai_error_set(err, EAI_ERR_FORMAT, "is %s (an object is allowed)",
                           json_type_name(object));
    json_decref(object);
    if (st == EAI_OK)
        st = append(rows, &row, err);
    return st;
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    }
    return true;
}

/* All lines. A blank one is remembered and becomes an error when another row follows. */
static eai_status read_lines(eai_rows *rows, const char *text, size_t n, eai_error *err)
{
    const char *end = text + n;
    size_t line = 1;
    size_t blank = 0;

    for (const char *at = text; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        if (is_blank(at, length)) {
            blank = blank ? blank : line;
        } else {
            eai_status st =
                blank ? eai_error_set(err, EAI_ERR_FORMAT,
                                      "a blank line (allowed only at the end of the file)")
                      : read_line(rows, at, length, line, err);
            if (st != EAI_OK)
                return eai_error_context(err, st, "%s:%zu", rows->label, blank ? blank : line);
        }
        at += newline ? length + 1 : length;
    }
    if (rows->n == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no rows (%zu bytes; " LAYOUTS ")",
                             rows->label, n);
    return EAI_OK;
}

eai_status eai_rows_parse(eai_rows **out, const void *bytes, size_t n, const char *label,
                          eai_error *err)
{
    eai_rows *rows = NULL;
    eai_status st = EAI_OK;

    *out = NULL;
    if (n > MAX_FILE)
        return eai_error_set(err, EAI_ERR_LIMIT, "%s: %zu bytes (at most %zu are allowed)", label,
                             n, MAX_FILE);
    rows = eai_alloc_zeroed(1, sizeof(*rows));
    if (rows) {
        rows->arena = eai_arena_create(0);
        rows->label = eai_strdup(label);
    }
    if (!rows || !rows->arena || !rows->label) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "%s: no memory for rows", label);
        goto done;
    }
    st = eai_sha256_memory(rows->sha256, bytes, n, err);
    if (st == EAI_OK)
        st = read_lines(rows, bytes, n, err);
    if (st != EAI_OK)
        goto done;
    *out = rows;
    rows = NULL;
done:
    eai_rows_free(rows);
    return st;
}

eai_status eai_rows_read(eai_rows **out, const char *path, eai_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    eai_status st = EAI_OK;

    *out = NULL;
    EAI_TRY(eai_fs_read_file(&bytes, &n, path, MAX_FILE, err)); /* a pipe will do */
    st = eai_rows_parse(out, bytes, n, path, err);
    eai_free(bytes);
    return st;
}

void eai_rows_free(eai_rows *rows)
{
    if (!rows)
        return;
    eai_free(rows->rows);
    eai_arena_free(rows->arena);
    eai_free(rows->label);
    eai_free(rows);
}

size_t eai_rows_count(const eai_rows *rows)
{
    return rows->n;
}

const eai_row *eai_rows_at(const eai_rows *rows, size_t i)
{
    return &rows->rows[i];
}

eai_row_kind eai_rows_kind(const eai_rows *rows)
{
    return rows->rows[0].kind;
}

const char *eai_rows_path(const eai_rows *rows)
{
    return rows->label;
}

const char *eai_rows_sha256(const eai_rows *rows)
{
    return rows->sha256;
}
