/* Names and row order of Hugging Face for GGUF files.
 *
 * Why: GGUF's converter renames tensors ("blk.3.attn_q.weight") and, for the architecture "llama",
 * reorders the rows of the query and key projections. Everything above this file wants one naming
 * and one order, so both are undone here, once, when a file is opened. Not here: other
 * architectures, whose files stay as they are. Start at the tables.
 *
 * The order of rows. RoPE rotates pairs of a head's d outputs. Hugging Face pairs output i with
 * output i + d/2 (half-rotated), ggml's llama code pairs 2i with 2i + 1 (interleaved). The
 * converter makes one into the other by moving rows of the projection, w being [heads * d, K]:
 *     w.reshape(heads, 2, d/2, K).swapaxes(1, 2).reshape(heads * d, K)
 * so GGUF's row (head h, pair i, half s) at h*d + 2*i + s is Hugging Face's row h*d + s*(d/2) + i,
 * and that is what unpermute() copies back. Whole rows move, so quantized blocks stay as they are,
 * bit for bit. The cost is a copy of these two projections, some 6 % of a model. Writing a GGUF
 * file goes the other way, row by row. */
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/weights_internal.h"

#include "base/banned.h"

typedef enum row_order {
    ROWS_STAY,
    ROWS_OF_HEADS,   /* interleaved within attention.head_count heads */
    ROWS_OF_KV_HEADS /* likewise, attention.head_count_kv */
} row_order;

typedef struct renaming {
    const char *gguf;
    const char *hf;
    row_order order;
} renaming;

/* Whole names. */
static const renaming llama_names[] = {
    {"token_embd.weight", "model.embed_tokens.weight", ROWS_STAY},
    {"output_norm.weight", "model.norm.weight", ROWS_STAY},
    {"output.weight", "lm_head.weight", ROWS_STAY},
};

/* "blk.N.<gguf>.weight" is "model.layers.N.<hf>.weight"; ".bias" likewise. */
static const renaming llama_block_names[] = {
    {"attn_norm", "input_layernorm", ROWS_STAY},
    {"attn_q", "self_attn.q_proj", ROWS_OF_HEADS},
    {"attn_k", "self_attn.k_proj", ROWS_OF_KV_HEADS},
    {"attn_v", "self_attn.v_proj", ROWS_STAY},
    {"attn_output", "self_attn.o_proj", ROWS_STAY},
    {"ffn_norm", "post_attention_layernorm", ROWS_STAY},
    {"ffn_gate", "mlp.gate_proj", ROWS_STAY},
    {"ffn_up", "mlp.up_proj", ROWS_STAY},
    {"ffn_down", "mlp.down_proj", ROWS_STAY},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The length of "blk.N." at the start of a name with N of 1 to 6 digits, no leading zero; else 0.
 */
static size_t block_prefix(const char *name)
{
    if (strncmp(name, "blk.", 4) != 0)
        return 0;
    size_t digits = strspn(name + 4, "0123456789");
    if (digits == 0 || digits > 6 || (digits > 1 && name[4] == '0') || name[4 + digits] != '.')
        return 0;
    return 4 + digits + 1;
}

static const renaming *find_block_name(const char *stem, size_t n)
{
    for (size_t i = 0; i < COUNT(llama_block_names); i++) {
        const renaming *r = &llama_block_names[i];
        if (strlen(r->gguf) == n && memcmp(r->gguf, stem, n) == 0)
            return r;
    }
    return NULL;
}

/* Sets *hf to the new name (in the arena) and *order, or *hf to NULL for a name that is not in the
 * tables. */
static eai_status translate(const char **hf, row_order *order, eai_arena *arena, const char *name,
                            eai_error *err)
{
    *hf = NULL;
    *order = ROWS_STAY;
    for (size_t i = 0; i < COUNT(llama_names); i++) {
        if (strcmp(llama_names[i].gguf, name) == 0) {
            *hf = llama_names[i].hf;
            return EAI_OK;
        }
    }
    size_t prefix = block_prefix(name);
    const char *suffix = strrchr(name, '.');
    if (prefix == 0 || suffix < name + prefix ||
        (strcmp(suffix, ".weight") != 0 && strcmp(suffix, ".bias") != 0))
        return EAI_OK;
    const renaming *r = find_block_name(name + prefix, (size_t)(suffix - name) - prefix);
    if (!r)
        return EAI_OK;
    *order = r->order;
    *hf = eai_arena_printf(arena, "model.layers.%.*s.%s%s", (int)(prefix - 5), name + 4, r->hf,
                           suffix);
    return *hf ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
}

int64_t hf_layout__find_row(int64_t row, int64_t rows, int64_t heads)
{
    int64_t d = rows / heads;
    int64_t within = row % d;
    return row - within + within % 2 * (d / 2) + within / 2;
}

/* Whether the tensor has an even number of whole rows for each head. */
static eai_status check_rows(const eai_weight_tensor *t, int64_t heads, eai_error *err)
{
    int64_t rows = t->shape.n_dims > 0 ? t->shape.dim[0] : 0;
    int block = eai_dtype_get(t->dtype)->block;

    if (rows < 1 || rows % heads != 0 || rows / heads % 2 != 0 ||
        (t->shape.n_dims == 1 && block > 1))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%lld rows are not an even number for each of %lld heads",
                             (long long)rows, (long long)heads);
    return EAI_OK;
}

/* Copies a projection's rows into memory of our own, in Hugging Face's order (see the top). */
static eai_status unpermute(eai_weights *w, eai_weight_tensor *t, int64_t heads, eai_error *err)
{
    EAI_TRY(check_rows(t, heads, err));
    int64_t rows = t->shape.dim[0];
    size_t row_bytes = t->bytes / (size_t)rows;
    const uint8_t *from = t->data;
    uint8_t *to = eai_arena_alloc_aligned(w->arena, 64, t->bytes);
    if (!to)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bytes", t->bytes);
    for (int64_t row = 0; row < rows; row++)
        memcpy(to + (size_t)hf_layout__find_row(row, rows, heads) * row_bytes,
               from + (size_t)row * row_bytes, row_bytes);
    t->data = to;
    return EAI_OK;
}

/* A count of heads from the metadata; `fallback` where the key is absent (0: it must be there). */
static eai_status read_heads(int64_t *out, const eai_weights *w, const char *key, int64_t fallback,
                             eai_error *err)
{
    *out = fallback;
    if (!eai_weights_get_int(out, w, key) && eai_weights_meta_type(w, key) != EAI_META_NONE)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "metadata '%s' is not one integer (a model whose layers differ)", key);
    if (*out < 1 || *out > 65536)
        return eai_error_set(err, EAI_ERR_FORMAT, "metadata '%s' is %lld (1 to 65536 are allowed)",
                             key, (long long)*out);
    return EAI_OK;
}

/* The heads of queries and of keys where the metadata names the architecture "llama", else 0. */
static eai_status find_heads(int64_t *heads, int64_t *kv_heads, const eai_weights *w,
                             eai_error *err)
{
    const char *architecture = eai_weights_get_string(w, "general.architecture");

    *heads = 0;
    *kv_heads = 0;
    if (!architecture || strcmp(architecture, "llama") != 0)
        return EAI_OK;
    EAI_TRY(read_heads(heads, w, "llama.attention.head_count", 0, err));
    return read_heads(kv_heads, w, "llama.attention.head_count_kv", *heads, err);
}

eai_status hf_layout__apply(eai_weights *w, eai_error *err)
{
    int64_t heads = 0;
    int64_t kv_heads = 0;

    EAI_TRY(find_heads(&heads, &kv_heads, w, err));
    if (heads == 0)
        return EAI_OK;
    for (size_t i = 0; i < w->n_tensors; i++) {
        eai_weight_tensor *t = &w->tensors[i];
        const char *hf = NULL;
        row_order order = ROWS_STAY;
        EAI_TRY(translate(&hf, &order, w->arena, t->name, err));
        if (order != ROWS_STAY) {
            eai_status st = unpermute(w, t, order == ROWS_OF_HEADS ? heads : kv_heads, err);
            if (st != EAI_OK)
                return eai_error_context(err, st, "tensor '%s'", t->name);
        }
        if (hf)
            t->name = hf;
    }
    return EAI_OK;
}

/* The inverse of translate(): *gguf is NULL for a name that is not in the tables. */
static eai_status translate_back(const char **gguf, row_order *order, eai_arena *arena,
                                 const char *name, eai_error *err)
{
    static const char prefix[] = "model.layers.";
    size_t digits = 0;

    *gguf = NULL;
    *order = ROWS_STAY;
    for (size_t i = 0; i < COUNT(llama_names); i++) {
        if (strcmp(llama_names[i].hf, name) == 0) {
            *gguf = llama_names[i].gguf;
            return EAI_OK;
        }
    }
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return EAI_OK;
    const char *number = name + strlen(prefix);
    digits = strspn(number, "0123456789");
    const char *suffix = strrchr(name, '.');
    if (digits == 0 || digits > 6 || (digits > 1 && *number == '0') || number[digits] != '.' ||
        suffix <= number + digits ||
        (strcmp(suffix, ".weight") != 0 && strcmp(suffix, ".bias") != 0))
        return EAI_OK;
    const char *stem = number + digits + 1;
    for (size_t i = 0; i < COUNT(llama_block_names); i++) {
        const renaming *r = &llama_block_names[i];
        if (strlen(r->hf) != (size_t)(suffix - stem) || strncmp(r->hf, stem, strlen(r->hf)) != 0)
            continue;
        *order = r->order;
        *gguf = eai_arena_printf(arena, "blk.%.*s.%s%s", (int)digits, number, r->gguf, suffix);
        return *gguf ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    }
    return EAI_OK;
}

eai_status hf_layout__restore(const char **name, int64_t *heads, eai_arena *arena,
                              const eai_weights *w, const eai_weight_tensor *t, eai_error *err)
{
    int64_t q_heads = 0;
    int64_t kv_heads = 0;
    const char *gguf = NULL;
    row_order order = ROWS_STAY;

    *name = t->name;
    *heads = 0;
    EAI_TRY(find_heads(&q_heads, &kv_heads, w, err));
    if (q_heads == 0)
        return EAI_OK;
    EAI_TRY(translate_back(&gguf, &order, arena, t->name, err));
    if (gguf)
        *name = gguf;
    if (order == ROWS_STAY)
        return EAI_OK;
    *heads = order == ROWS_OF_HEADS ? q_heads : kv_heads;
    return check_rows(t, *heads, err);
}
