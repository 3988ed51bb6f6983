/* Names, row order and norms of Hugging Face for GGUF files.
 *
 * Why: GGUF's converter renames tensors ("blk.3.attn_q.weight"), reorders the rows of the query and
 * key projections for some architectures, and adds 1 to Gemma's norms, whose layers multiply by
 * 1 + w. Everything above this file wants one naming, one order and one meaning, so all of it is
 * undone here, once, when a file is opened. Not here: architectures that are not in the table,
 * whose files stay as they are. Start at the tables.
 *
 * The order of rows. RoPE rotates pairs of a head's d outputs. Hugging Face pairs output i with
 * output i + d/2 (half-rotated), ggml's llama code pairs 2i with 2i + 1 (interleaved). The
 * converter makes one into the other by moving rows of the projection, w being [heads * d, K]:
 *     w.reshape(heads, 2, d/2, K).swapaxes(1, 2).reshape(heads * d, K)
 * so GGUF's row (head h, pair i, half s) at h*d + 2*i + s is Hugging Face's row h*d + s*(d/2) + i,
 * and that is what unpermute() copies back. Whole rows move, so quantized blocks stay as they are,
 * bit for bit. The cost is a copy of these two projections, some 6 % of a model. Writing a GGUF
 * file goes the other way: hf_layout__restore(). */
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/weights_internal.h"

#include "base/banned.h"

/* What the converter did to a tensor's values. */
typedef enum change {
    AS_IT_IS,
    ROWS_OF_HEADS,    /* rows interleaved within attention.head_count heads, see above */
    ROWS_OF_KV_HEADS, /* likewise, attention.head_count_kv */
    NORM              /* 1 added, in architectures with norms of 1 + w */
} change;

typedef struct renaming {
    const char *gguf;
    const char *hf;
    change change;
} renaming;

typedef struct architecture {
    const char *name;
    bool interleaved; /* rows of q and k are */
    bool norms_plus_one;
    bool post_norms; /* norms behind attention and feed-forward network as well */
} architecture;

static const architecture architectures[] = {
    {"llama", true, false, false},   {"qwen2", false, false, false}, {"qwen3", false, false, false},
    {"smollm3", true, false, false}, {"gemma3", false, true, true},
};

/* Whole names. */
static const renaming names[] = {
    {"token_embd.weight", "model.embed_tokens.weight", AS_IT_IS},
    {"output_norm.weight", "model.norm.weight", NORM},
    {"output.weight", "lm_head.weight", AS_IT_IS},
};

/* "blk.N.<gguf>.weight" is "model.layers.N.<hf>.weight"; ".bias" likewise. */
static const renaming block_names[] = {
    {"attn_norm", "input_layernorm", NORM},
    {"attn_q", "self_attn.q_proj", ROWS_OF_HEADS},
    {"attn_k", "self_attn.k_proj", ROWS_OF_KV_HEADS},
    {"attn_v", "self_attn.v_proj", AS_IT_IS},
    {"attn_output", "self_attn.o_proj", AS_IT_IS},
    {"attn_q_norm", "self_attn.q_norm", NORM},
    {"attn_k_norm", "self_attn.k_norm", NORM},
    {"ffn_gate", "mlp.gate_proj", AS_IT_IS},
    {"ffn_up", "mlp.up_proj", AS_IT_IS},
    {"ffn_down", "mlp.down_proj", AS_IT_IS},
};

static const renaming pre_norm_names[] = {
    {"ffn_norm", "post_attention_layernorm", NORM},
};

static const renaming post_norm_names[] = {
    {"post_attention_norm", "post_attention_layernorm", NORM},
    {"ffn_norm", "pre_feedforward_layernorm", NORM},
    {"post_ffw_norm", "post_feedforward_layernorm", NORM},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char gguf_prefix[] = "blk.";
static const char hf_prefix[] = "model.layers.";

/* A tensor of a block: "PREFIX.N.stem.weight" or ".bias", N of 1 to 6 digits with no leading zero.
 */
typedef struct block_name {
    const char *number, *stem, *suffix;
    int n_digits, n_stem;
} block_name;

static bool split_block_name(block_name *out, const char *prefix, const char *name)
{
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    const char *number = name + strlen(prefix);
    size_t digits = strspn(number, "0123456789");
    const char *suffix = strrchr(name, '.');
    if (digits == 0 || digits > 6 || (digits > 1 && number[0] == '0') || number[digits] != '.')
        return false;
    const char *stem = number + digits + 1;
    if (suffix < stem || (strcmp(suffix, ".weight") != 0 && strcmp(suffix, ".bias") != 0))
        return false;
    *out = (block_name){number, stem, suffix, (int)digits, (int)(suffix - stem)};
    return true;
}

/* The row whose GGUF name, or Hugging Face's where `hf`, is the n characters at `stem`. */
static const renaming *find_in(const renaming *table, size_t n_rows, bool hf, const char *stem,
                               size_t n)
{
    for (size_t i = 0; i < n_rows; i++) {
        const char *name = hf ? table[i].hf : table[i].gguf;
        if (strlen(name) == n && memcmp(name, stem, n) == 0)
            return &table[i];
    }
    return NULL;
}

static const renaming *find_block_name(const architecture *a, bool hf, const char *stem, size_t n)
{
    const renaming *r = find_in(block_names, COUNT(block_names), hf, stem, n);
    if (r)
        return r;
    return a->post_norms ? find_in(post_norm_names, COUNT(post_norm_names), hf, stem, n)
                         : find_in(pre_norm_names, COUNT(pre_norm_names), hf, stem, n);
}

/* Sets *to to the name in the other naming (in the arena) and *what; *to to NULL for a name that is
 * not in the tables. `hf`: the name is Hugging Face's, else GGUF's. */
static eai_status translate(const char **to, change *what, eai_arena *arena, const architecture *a,
                            bool hf, const char *name, eai_error *err)
{
    block_name b;

    *to = NULL;
    *what = AS_IT_IS;
    const renaming *whole = find_in(names, COUNT(names), hf, name, strlen(name));
    if (whole) {
        *to = hf ? whole->gguf : whole->hf;
        *what = whole->change;
        return EAI_OK;
    }
    if (!split_block_name(&b, hf ? hf_prefix : gguf_prefix, name))
        return EAI_OK;
    const renaming *r = find_block_name(a, hf, b.stem, (size_t)b.n_stem);
    if (!r)
        return EAI_OK;
    *what = r->change;
    *to = eai_arena_printf(arena, "%s%.*s.%s%s", hf ? gguf_prefix : hf_prefix, b.n_digits, b.number,
                           hf ? r->gguf : r->hf, b.suffix);
    return *to ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
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
    if (t->bytes == 0) /* rows of no width, of which a file may claim any number */
        return EAI_OK;
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

static eai_status check_norm(const eai_weight_tensor *t, eai_error *err)
{
    if (t->dtype == EAI_F32)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_UNSUPPORTED, "a norm of type %s; only f32 is supported",
                         eai_dtype_get(t->dtype)->name);
}

/* Takes the 1 from a norm's weights, in memory of our own. */
static eai_status take_one(eai_weights *w, eai_weight_tensor *t, eai_error *err)
{
    EAI_TRY(check_norm(t, err));
    const float *from = t->data;
    float *to = eai_arena_alloc_aligned(w->arena, 64, t->bytes);
    if (!to)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu bytes", t->bytes);
    for (size_t i = 0; i < t->bytes / sizeof(float); i++)
        to[i] = from[i] - 1.0f;
    t->data = to;
    return EAI_OK;
}

/* The row of the architecture that the metadata names, NULL for others, and its heads: of queries,
 * of keys and values; 1 where they do not matter. */
static eai_status find_architecture(const architecture **out, int64_t *heads, const eai_weights *w,
                                    eai_error *err)
{
    const char *name = eai_weights_get_string(w, "general.architecture");
    char key[64];

    *out = NULL;
    heads[0] = heads[1] = 1;
    for (size_t i = 0; name && i < COUNT(architectures); i++) {
        if (strcmp(architectures[i].name, name) == 0)
            *out = &architectures[i];
    }
    if (!*out || !(*out)->interleaved)
        return EAI_OK;
    snprintf(key, sizeof(key), "%s.attention.head_count", name);
    EAI_TRY(read_heads(&heads[0], w, key, 0, err));
    snprintf(key, sizeof(key), "%s.attention.head_count_kv", name);
    return read_heads(&heads[1], w, key, heads[0], err);
}

/* The heads within which rows are interleaved in the file; 0: rows stay. */
static int64_t heads_of(const architecture *a, change what, const int64_t *heads)
{
    bool of_heads = what == ROWS_OF_HEADS || what == ROWS_OF_KV_HEADS;
    return a->interleaved && of_heads ? heads[what == ROWS_OF_KV_HEADS] : 0;
}

static eai_status translate_tensor(eai_weights *w, eai_weight_tensor *t, const architecture *a,
                                   const int64_t *heads, eai_error *err)
{
    const char *hf = NULL;
    change what;
    eai_status st = EAI_OK;

    EAI_TRY(translate(&hf, &what, w->arena, a, false, t->name, err));
    if (heads_of(a, what, heads) > 0)
        st = unpermute(w, t, heads_of(a, what, heads), err);
    else if (a->norms_plus_one && what == NORM)
        st = take_one(w, t, err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "tensor '%s'", t->name);
    if (hf)
        t->name = hf;
    return EAI_OK;
}

eai_status hf_layout__apply(eai_weights *w, eai_error *err)
{
    const architecture *a = NULL;
    int64_t heads[2];

    EAI_TRY(find_architecture(&a, heads, w, err));
    for (size_t i = 0; a && i < w->n_tensors; i++)
        EAI_TRY(translate_tensor(w, &w->tensors[i], a, heads, err));
    return EAI_OK;
}

eai_status hf_layout__restore(hf_layout__change *out, eai_arena *arena, const eai_weights *w,
                              const eai_weight_tensor *t, eai_error *err)
{
    const architecture *a = NULL;
    const char *gguf = NULL;
    int64_t heads[2];
    change what;

    *out = (hf_layout__change){.name = t->name};
    EAI_TRY(find_architecture(&a, heads, w, err));
    if (!a)
        return EAI_OK;
    EAI_TRY(translate(&gguf, &what, arena, a, true, t->name, err));
    if (gguf)
        out->name = gguf;
    out->heads = heads_of(a, what, heads);
    out->plus_one = a->norms_plus_one && what == NORM;
    if (out->heads > 0)
        return check_rows(t, out->heads, err);
    return out->plus_one ? check_norm(t, err) : EAI_OK;
}
