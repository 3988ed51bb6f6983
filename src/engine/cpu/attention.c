/* Attention and its gradient: how the work is cut for threads. The mathematics is in
 * vec_attention.h.
 *
 * Forward: keys and values of the tiles in use are packed once, then every (tile of queries, head)
 * is a task. Up to CPU_ATTENTION_FEW queries (decoding) there would be too few tasks, and packing
 * would cost more than the products: there a task is (chunk of keys, key/value head), and the
 * chunks' sums are joined afterwards ("flash decoding").
 *
 * Backward: dk and dv belong to a tile of keys, dq to a tile of queries; doing both in one pass
 * saves two of seven products, but then tasks share dq. So the tiles of keys of each key/value head
 * are dealt to a fixed number of parts, tile i to part i % parts (early keys of a causal mask have
 * more queries: dealing evens that out). Part 0 adds to dq itself, the others to a copy each, which
 * are added up in order at the end. The result depends on the number of parts, that is of threads,
 * but not on their timing. */
#include <math.h>
#include <string.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/parts.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

#define QUERIES CPU_ATTENTION_QUERIES
#define KEYS    CPU_ATTENTION_KEYS
#define CHUNK   CPU_ATTENTION_CHUNK

typedef struct attention_job {
    const cpu_vec_table *vec;
    cpu_attention z;
    int64_t first_tile, n_tiles; /* of keys, those in use */
    int64_t n_chunks;
    float *scratch; /* [threads] */
    size_t scratch_floats;
    float *sums, *largest, *total; /* of chunks: [chunks][Hkv][group * Tq] and [D] */
    int64_t parts;
    float *dq, *copies; /* copies [parts - 1][Tq * H * D] */
} attention_job;

static cpu_attention get_attention(const eai_step *s)
{
    const eai_shape *q = &s->in[0].shape;
    const eai_shape *k = &s->in[1].shape;
    return (cpu_attention){.q = s->in[0].data,
                           .k = s->in[1].data,
                           .v = s->in[2].data,
                           .start = s->in[3].data,
                           .end = s->in[4].data,
                           .scale = (float)s->params.attention.scale,
                           .n_queries = q->dim[0],
                           .n_keys = k->dim[0],
                           .n_heads = q->dim[1],
                           .n_kv_heads = k->dim[1],
                           .width = q->dim[2]};
}

static float *get_scratch(const attention_job *j, int thread)
{
    return j->scratch + (size_t)thread * j->scratch_floats;
}

/* Sets the keys that any query attends to. */
static void find_keys(cpu_attention *z)
{
    z->first_key = z->n_keys;
    z->last_key = 0;
    for (int64_t t = 0; t < z->n_queries; t++) {
        int64_t start = z->start[t] > 0 ? z->start[t] : 0;
        int64_t end = z->end[t] < z->n_keys ? z->end[t] : z->n_keys;
        if (start < end) {
            z->first_key = start < z->first_key ? start : z->first_key;
            z->last_key = end > z->last_key ? end : z->last_key;
        }
    }
    if (z->first_key > z->last_key)
        z->first_key = z->last_key;
}

const char *cpu__attention_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "fffii");
}

/* ---- forward, many queries ---- */

static void pack_tiles(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        j->vec->attention_pack(&j->z, i % j->z.n_kv_heads, j->first_tile + i / j->z.n_kv_heads);
}

static void attend_tiles(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    for (int64_t i = begin; i < end; i++)
        j->vec->attention_forward(&j->z, i % j->z.n_heads, i / j->z.n_heads,
                                  get_scratch(j, thread));
}

static void attend_many(cpu_backend *b, attention_job *j, void *workspace)
{
    const cpu_attention *z = &j->z;
    size_t tile_bytes = (size_t)cpu_attention_tile_floats(z->width) * sizeof(float);

    j->first_tile = z->first_key / KEYS;
    j->n_tiles = cpu__divide_up(z->last_key, KEYS) - j->first_tile;
    j->z.tiles = workspace;
    j->scratch =
        (float *)(void *)((char *)workspace +
                          tile_bytes * (size_t)(z->n_kv_heads * cpu__divide_up(z->n_keys, KEYS)));
    j->scratch_floats = cpu__floats(cpu_attention_forward_floats(z->width)) / sizeof(float);
    cpu__for(b, j->n_tiles * z->n_kv_heads, 1, pack_tiles, j);
    cpu__for(b, cpu__divide_up(z->n_queries, QUERIES) * z->n_heads, 1, attend_tiles, j);
}

/* ---- forward, few queries ---- */

static void attend_chunks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    const cpu_attention *z = &j->z;
    int64_t rows = z->n_heads / z->n_kv_heads * z->n_queries;

    for (int64_t i = begin; i < end; i++) {
        int64_t first = (j->first_tile + i / z->n_kv_heads) * CHUNK;
        j->vec->attention_chunk(z, i % z->n_kv_heads, first, first + CHUNK,
                                j->sums + i * rows * z->width, j->largest + i * rows,
                                j->total + i * rows, get_scratch(j, thread));
    }
}

/* Row r (of [Hkv][Tq][group]) of every chunk becomes out and lse of one query and head. */
static void join_chunks(const attention_job *j, int64_t kv_head, int64_t r)
{
    const cpu_attention *z = &j->z;
    int64_t group = z->n_heads / z->n_kv_heads;
    int64_t rows = group * z->n_queries;
    int64_t t = r / group;
    int64_t head = kv_head * group + r % group;
    float *out = z->out + (t * z->n_heads + head) * z->width;
    float largest = -INFINITY;
    float total = 0;

    for (int64_t c = 0; c < j->n_chunks; c++) {
        float m = j->largest[(c * z->n_kv_heads + kv_head) * rows + r];
        largest = m > largest || isnan(m) ? m : largest;
    }
    memset(out, 0, (size_t)z->width * sizeof(float));
    for (int64_t c = 0; c < j->n_chunks; c++) {
        int64_t at = (c * z->n_kv_heads + kv_head) * rows + r;
        if (j->total[at] == 0)
            continue;
        float factor = expf(j->largest[at] - largest);
        total += j->total[at] * factor;
        for (int64_t d = 0; d < z->width; d++)
            out[d] += factor * j->sums[at * z->width + d];
    }
    for (int64_t d = 0; d < z->width && total != 0; d++)
        out[d] /= total;
    if (z->lse)
        z->lse[head * z->n_queries + t] = total != 0 ? largest + logf(total) : -INFINITY;
}

static size_t count_chunk_rows(const cpu_attention *z)
{
    return (size_t)((cpu__divide_up(z->n_keys, CHUNK) + 1) * z->n_heads * z->n_queries);
}

static void attend_few(cpu_backend *b, attention_job *j, void *workspace)
{
    const cpu_attention *z = &j->z;
    size_t rows = count_chunk_rows(z);

    j->first_tile = z->first_key / CHUNK;
    j->n_chunks = cpu__divide_up(z->last_key, CHUNK) - j->first_tile;
    j->scratch = workspace;
    j->scratch_floats = cpu__floats(cpu_attention_chunk_floats()) / sizeof(float);
    j->sums = j->scratch + j->scratch_floats * (size_t)b->base.n_threads;
    j->largest = j->sums + rows * (size_t)z->width;
    j->total = j->largest + rows;
    cpu__for(b, j->n_chunks * z->n_kv_heads, 1, attend_chunks, j);
    for (int64_t h = 0; h < z->n_kv_heads; h++)
        for (int64_t r = 0; r < z->n_heads / z->n_kv_heads * z->n_queries; r++)
            join_chunks(j, h, r);
}

size_t cpu__attention_workspace(const cpu_backend *b, const eai_step *s)
{
    cpu_attention z = get_attention(s);
    size_t threads = (size_t)b->base.n_threads;
    if (z.n_queries <= CPU_ATTENTION_FEW)
        return threads * cpu__floats(cpu_attention_chunk_floats()) +
               count_chunk_rows(&z) * (size_t)(z.width + 2) * sizeof(float);
    return threads * cpu__floats(cpu_attention_forward_floats(z.width)) +
           (size_t)(z.n_kv_heads * cpu__divide_up(z.n_keys, KEYS) *
                    cpu_attention_tile_floats(z.width)) *
               sizeof(float);
}

void cpu__attention(cpu_backend *b, const eai_step *s, void *workspace)
{
    attention_job j = {.vec = b->vec, .z = get_attention(s)};
    j.z.out = s->out[0].data;
    j.z.lse = s->out[1].data;
    find_keys(&j.z);
    if (j.z.n_queries <= CPU_ATTENTION_FEW)
        attend_few(b, &j, workspace);
    else
        attend_many(b, &j, workspace);
}

/* ---- backward ---- */

const char *cpu__attention_grad_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, "fffiifff");
}

/* Enough tasks for all threads to end at about the same time; each part beyond the first costs a
 * copy of dq. */
static int64_t count_parts(const cpu_backend *b, const cpu_attention *z)
{
    int64_t wanted =
        b->base.n_threads > 1 ? cpu__divide_up(2 * b->base.n_threads, z->n_kv_heads) : 1;
    int64_t tiles = cpu__divide_up(z->n_keys, KEYS);
    int64_t most = tiles < 8 ? tiles : 8;
    return wanted < most ? wanted : most > 0 ? most : 1;
}

size_t cpu__attention_grad_workspace(const cpu_backend *b, const eai_step *s)
{
    cpu_attention z = get_attention(s);
    int64_t copies = s->out[0].data ? count_parts(b, &z) - 1 : 0;
    return (size_t)b->base.n_threads * cpu__floats(cpu_attention_backward_floats(z.width)) +
           cpu__floats(z.n_queries * z.n_heads) +
           (size_t)copies * cpu__floats(z.n_queries * z.n_heads * z.width);
}

static void differentiate_parts(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    const cpu_attention *z = &j->z;
    int64_t row = z->n_heads * z->width;
    int64_t group_width = z->n_heads / z->n_kv_heads * z->width;
    size_t copy = cpu__floats(z->n_queries * row) / sizeof(float);

    for (int64_t i = begin; i < end; i++) {
        int64_t kv_head = i % z->n_kv_heads;
        int64_t part = i / z->n_kv_heads;
        float *dq = part == 0 || !j->dq ? j->dq : j->copies + (size_t)(part - 1) * copy;
        for (int64_t t = 0; dq && t < z->n_queries; t++)
            memset(dq + t * row + kv_head * group_width, 0, (size_t)group_width * sizeof(float));
        for (int64_t tile = part; tile * KEYS < z->n_keys; tile += j->parts)
            j->vec->attention_backward(z, kv_head, tile, dq, get_scratch(j, thread));
    }
}

static void find_deltas(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    (void)thread;
    j->vec->attention_delta(&j->z, begin, end);
}

#define PIECE 4096

static void add_copies(void *ctx, int64_t begin, int64_t end, int thread)
{
    const attention_job *j = ctx;
    int64_t n = j->z.n_queries * j->z.n_heads * j->z.width;
    size_t copy = cpu__floats(n) / sizeof(float);

    (void)thread;
    for (int64_t at = begin * PIECE; at < end * PIECE && at < n; at += PIECE)
        for (int64_t p = 1; p < j->parts; p++)
            j->vec->map[EAI_OP_ADD](j->dq + at, j->dq + at, 1,
                                    j->copies + (size_t)(p - 1) * copy + at, 1,
                                    n - at < PIECE ? n - at : PIECE, NULL);
}

void cpu__attention_grad(cpu_backend *b, const eai_step *s, void *workspace)
{
    attention_job j = {.vec = b->vec, .z = get_attention(s)};
    int64_t n = j.z.n_queries * j.z.n_heads * j.z.width;

    j.z.saved_out = s->in[5].data;
    j.z.saved_lse = s->in[6].data;
    j.z.dout = s->in[7].data;
    j.dq = s->out[0].data;
    j.z.dk = s->out[1].data;
    j.z.dv = s->out[2].data;
    find_keys(&j.z);
    j.parts = count_parts(b, &j.z);
    j.scratch = workspace;
    j.scratch_floats = cpu__floats(cpu_attention_backward_floats(j.z.width)) / sizeof(float);
    j.z.delta = j.scratch + j.scratch_floats * (size_t)b->base.n_threads;
    j.copies = j.z.delta + cpu__floats(j.z.n_queries * j.z.n_heads) / sizeof(float);
    cpu__for(b, j.z.n_queries, cpu__grain(j.z.n_heads * j.z.width), find_deltas, &j);
    cpu__for(b, j.parts * j.z.n_kv_heads, 1, differentiate_parts, &j);
    if (j.dq && j.parts > 1)
        cpu__for(b, (n + PIECE - 1) / PIECE, 4, add_copies, &j);
}
