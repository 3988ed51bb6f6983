/* Attention over intervals, tile by tile, forward and backward. Included by vec.inc.c only.
 *
 * The problem: scores of T queries and T keys are T^2 numbers a head, far more than a cache holds.
 * The idea (Dao et al. 2022, FlashAttention): take a tile of queries and walk over tiles of keys;
 * keep for each query the largest score m, the sum l of e^(score - m) and the unnormalised sum of
 * values; when m grows, scale l and the sum by e^(m_old - m_new). The backward pass computes the
 * probabilities again from the saved log-sum-exp instead of storing them.
 *
 * What the intervals give: a query attends to keys start .. end, so each block of 6 queries needs
 * the columns from the least start to the largest end only. Everything below works on those
 * columns: packed examples cost what they would cost apart, a causal mask costs half of a full one.
 * Columns that a product computed beyond a query's own interval (vectors are whole) are
 * overwritten, never multiplied: keys behind the end of a cache may be NaN.
 *
 * All five products are one routine: rows of a (any strides) times rows of b (contiguous), sums in
 * registers, ROWS x COLUMNS vectors at a time. Keys (and values, backward) are transposed once a
 * tile so that scores have that form too, and tiles are copied to be contiguous: rows of a cache
 * lie a power of two apart, where they would evict each other.
 *
 * Who calls: attention.c, which splits the work. Start at attend_tile. */
#ifndef EAI_ENGINE_CPU_VEC_ATTENTION_H
#define EAI_ENGINE_CPU_VEC_ATTENTION_H

#include "engine/cpu/vec.h"
#include "engine/cpu/vec_math.h"
#include "engine/cpu/vec_rows.h"
#include "engine/cpu/vec_units.h"

#define ROWS    6                 /* of c at a time */
#define COLUMNS (V == 16 ? 4 : 2) /* vectors of c at a time: 12 of 16 registers, or 24 of 32 */
#define QUERIES CPU_ATTENTION_QUERIES
#define KEYS    CPU_ATTENTION_KEYS
#define BLOCKS  (QUERIES / ROWS)

/* ---- the product ---- */

/* A left factor as the product reads it: unit (i, k) at data[i * row + k * column]. */
typedef struct strided {
    const unit *data;
    int64_t row, column;
} strided;

/* c[rows][columns * V] (+)= a[rows][depth] b[depth][columns * V], depth in units; `rows` and
 * `columns` are constants where this is called, so that the sums stay in registers. */
CPU_INLINE void product_block(const int rows, const int columns, float *c, int64_t c_row, strided a,
                              const unit *b, int64_t b_row, int64_t depth, bool add)
{
    vf sums[ROWS][4];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++)
            sums[i][j] = add ? vf_load(c + i * c_row + j * V) : (vf){0};
    for (int64_t k = 0; k < depth; k++) {
        units right[4];
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++)
            right[j] = load_units(b + k * b_row + j * V);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
            for (int j = 0; j < columns; j++)
                sums[i][j] = multiply_add(sums[i][j], a.data + i * a.row + k * a.column, right[j]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++)
            vf_store(c + i * c_row + j * V, sums[i][j]);
}

/* The last n % V columns, one number at a time: widths of heads are multiples of 16 in practice. */
static void product_rest(int rows, float *c, int64_t c_row, strided a, const unit *b, int64_t b_row,
                         int64_t depth, int64_t n, bool add)
{
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++) {
            float sum = add ? c[i * c_row + j] : 0;
            for (int64_t k = 0; k < depth; k++)
                sum += multiply_unit(a.data[i * a.row + k * a.column], b[k * b_row + j]);
            c[i * c_row + j] = sum;
        }
}

CPU_INLINE void product_columns(const int rows, float *c, int64_t c_row, strided a, const unit *b,
                                int64_t b_row, int64_t depth, int64_t n, bool add)
{
    int64_t j = 0;
    for (; j + COLUMNS * V <= n; j += COLUMNS * V)
        product_block(rows, COLUMNS, c + j, c_row, a, b + j, b_row, depth, add);
    for (; j + V <= n; j += V)
        product_block(rows, 1, c + j, c_row, a, b + j, b_row, depth, add);
    if (j < n)
        product_rest(rows, c + j, c_row, a, b + j, b_row, depth, n - j, add);
}

/* c[rows][n] (+)= a[rows][depth] b[depth][n], rows <= ROWS, depth in units */
static void multiply(int rows, float *c, int64_t c_row, strided a, const unit *b, int64_t b_row,
                     int64_t depth, int64_t n, bool add)
{
    switch (rows) {
    case 6:
        product_columns(6, c, c_row, a, b, b_row, depth, n, add);
        break;
    case 5:
        product_columns(5, c, c_row, a, b, b_row, depth, n, add);
        break;
    case 4:
        product_columns(4, c, c_row, a, b, b_row, depth, n, add);
        break;
    case 3:
        product_columns(3, c, c_row, a, b, b_row, depth, n, add);
        break;
    case 2:
        product_columns(2, c, c_row, a, b, b_row, depth, n, add);
        break;
    default:
        product_columns(1, c, c_row, a, b, b_row, depth, n, add);
    }
}

/* ---- intervals ---- */

typedef struct range {
    int64_t first, last; /* first <= i < last; empty when not first < last */
} range;

CPU_INLINE range intersect(range a, range b)
{
    return (range){a.first > b.first ? a.first : b.first, a.last < b.last ? a.last : b.last};
}

/* The smallest range that holds both. */
CPU_INLINE range join(range a, range b)
{
    if (a.first >= a.last)
        return b;
    if (b.first >= b.last)
        return a;
    return (range){a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last};
}

CPU_INLINE range query_range(const cpu_attention *z, int64_t t)
{
    return intersect((range){z->start[t], z->end[t]}, (range){0, z->n_keys});
}

/* What queries first .. last attend to. */
static range join_queries(const cpu_attention *z, int64_t first, int64_t last)
{
    range all = {0, 0};
    for (int64_t t = first; t < last; t++)
        all = join(all, query_range(z, t));
    return all;
}

/* The part of a range that lies in a tile of keys, counted from the tile's first key. */
CPU_INLINE range in_tile(range r, int64_t tile)
{
    int64_t at = tile * KEYS;
    range cut = intersect(r, (range){at, at + KEYS});
    return cut.first < cut.last ? (range){cut.first - at, cut.last - at} : (range){0, 0};
}

/* Grown to whole vectors; a tile has a whole number of them. */
CPU_INLINE range whole_vectors(range r)
{
    return (range){r.first / V * V, (r.last + V - 1) / V * V};
}

/* One block of up to ROWS queries against one tile of keys. */
typedef struct block {
    int64_t first; /* query */
    int rows;
    range keys; /* of the tile: the union of the rows' intervals */
} block;

static block get_block(const cpu_attention *z, int64_t first, int64_t last, int64_t tile)
{
    int rows = last - first < ROWS ? (int)(last - first) : ROWS;
    return (block){first, rows, in_tile(join_queries(z, first, first + rows), tile)};
}

/* ---- copies ---- */

static int64_t keys_in_tile(const cpu_attention *z, int64_t tile)
{
    int64_t left = z->n_keys - tile * KEYS;
    return left < KEYS ? left : KEYS;
}

/* Keys of a tile that any query attends to: others, as those behind the end of a cache, may be
 * anything, and a unit may hold one of them beside one that counts. */
static range used_in_tile(const cpu_attention *z, int64_t tile)
{
    return in_tile((range){z->first_key, z->last_key}, tile);
}

/* Of one tile: keys [D][KEYS], then values [KEYS][D]. */
static unit *get_packed(const cpu_attention *z, int64_t kv_head, int64_t tile)
{
    int64_t n_tiles = (z->n_keys + KEYS - 1) / KEYS;
    return (unit *)z->tiles + (kv_head * n_tiles + tile) * cpu_attention_tile_floats(z->width);
}

static void pack_keys(const cpu_attention *z, int64_t kv_head, int64_t tile)
{
    int64_t row = z->n_kv_heads * z->width;
    int64_t at = tile * KEYS * row + kv_head * z->width;
    range used = used_in_tile(z, tile);
    unit *packed = get_packed(z, kv_head, tile);
    pack_columns(packed, z->k + at, row, keys_in_tile(z, tile), z->width, KEYS);
    pack_steps(packed + KEYS * z->width, z->v + at, row, used.first, used.last, KEYS, z->width,
               1.0f);
}

/* ---- forward ---- */

/* x[i] = value for i in `all`, whole vectors of a tile, outside of `inside`. */
CPU_INLINE void set_outside(float *x, range all, range inside, float value)
{
    vi lane;
    for (int i = 0; i < V; i++)
        lane[i] = i;
    for (int64_t i = all.first; i < all.last; i += V) {
        if (i >= inside.first && i + V <= inside.last)
            continue;
        vi in = (lane >= (int32_t)(inside.first - i)) & (lane < (int32_t)(inside.last - i));
        vf_store(x + i, vf_select(in, vf_load(x + i), vf_set(value)));
    }
}

/* Scores of one query -> unnormalised probabilities; m, l and the sum of values follow. */
static void soften_row(float *scores, range columns, float *m, float *l, float *sum, int64_t width)
{
    vf top = vf_set(*m);
    for (int64_t i = columns.first; i < columns.last; i += V)
        top = vf_max(vf_load(scores + i), top);
    float largest = vf_largest(top);
    float shift =
        largest == -INFINITY ? 0 : largest; /* -inf: nothing seen so far, and -inf + inf is NaN */
    vf total = {0};
    for (int64_t i = columns.first; i < columns.last; i += V) {
        vf p = vf_exp(vf_load(scores + i) - shift);
        total += p;
        vf_store(scores + i, p);
    }
    if (largest != *m) {
        float correction = expf(*m - shift);
        *l *= correction;
        ROW_LOOP(d, count, width)
        {
            store_some(sum + d, load_some(sum + d, count) * correction, count);
        }
        *m = largest;
    }
    *l += vf_sum(total);
}

/* What a tile of queries of one head keeps while it walks over the keys. */
typedef struct query_tile {
    unit *q;       /* [QUERIES][D], times scale */
    float *sums;   /* [QUERIES][D] */
    float *scores; /* [ROWS][KEYS], of the block at work */
    unit *p;       /* the same as probabilities, in units */
    float m[QUERIES];
    float l[QUERIES];
} query_tile;

/* A range of steps in units. */
CPU_INLINE range range_of_units(range steps)
{
    return (range){steps.first / STEPS, count_units(steps.last)};
}

/* One block of queries, the i-th of the tile and on, against one tile of keys. */
static void attend_block(const cpu_attention *z, int64_t head, int64_t tile, const block *b,
                         int64_t i, query_tile *s)
{
    const unit *packed = get_packed(z, head / (z->n_heads / z->n_kv_heads), tile);
    int64_t depth = count_units(z->width);
    range columns = whole_vectors(b->keys);
    range keys = range_of_units(b->keys);

    multiply(b->rows, s->scores + columns.first, KEYS, (strided){s->q + i * depth, depth, 1},
             packed + columns.first, KEYS, depth, columns.last - columns.first, false);
    for (int r = 0; r < b->rows; r++) {
        float *row = s->scores + r * KEYS;
        set_outside(row, columns, in_tile(query_range(z, b->first + r), tile), -INFINITY);
        soften_row(row, columns, &s->m[i + r], &s->l[i + r], s->sums + (i + r) * z->width,
                   z->width);
    }
    if (STEPS > 1)
        pack_rows(s->p + columns.first / STEPS, KEYS / STEPS, s->scores + columns.first, KEYS,
                  b->rows, columns.last - columns.first, 1.0f);
    multiply(b->rows, s->sums + i * z->width, z->width,
             (strided){s->p + keys.first, KEYS / STEPS, 1},
             packed + KEYS * z->width + keys.first * z->width, z->width, keys.last - keys.first,
             z->width, true);
}

/* out = sums / l and lse = m + log l; zeros and -inf for an empty interval. */
static void finish_query(const cpu_attention *z, int64_t head, int64_t t, const float *sum, float m,
                         float l)
{
    float *out = z->out + (t * z->n_heads + head) * z->width;
    float factor = l != 0 ? 1.0f / l : 0;
    ROW_LOOP(d, count, z->width)
    {
        store_some(out + d, load_some(sum + d, count) * factor, count);
    }
    if (z->lse)
        z->lse[head * z->n_queries + t] = l != 0 ? m + logf(l) : -INFINITY;
}

static void attend_tile(const cpu_attention *z, int64_t head, int64_t tile, float *scratch)
{
    int64_t first = tile * QUERIES;
    int64_t last = first + QUERIES < z->n_queries ? first + QUERIES : z->n_queries;
    int64_t row = z->n_heads * z->width;
    range keys = join_queries(z, first, last);
    query_tile s = {.q = (unit *)scratch,
                    .sums = scratch + QUERIES * z->width,
                    .scores = scratch + 2 * QUERIES * z->width};
    s.p = (unit *)s.scores + (STEPS > 1 ? ROWS * KEYS : 0);

    for (int i = 0; i < QUERIES; i++)
        s.m[i] = -INFINITY;
    memset(s.sums, 0, (size_t)(QUERIES * z->width) * sizeof(float));
    pack_rows(s.q, count_units(z->width), z->q + first * row + head * z->width, row, last - first,
              z->width, z->scale);
    for (int64_t key_tile = keys.first / KEYS; key_tile * KEYS < keys.last; key_tile++)
        for (int64_t t = first; t < last; t += ROWS) {
            block b = get_block(z, t, last, key_tile);
            if (b.keys.first < b.keys.last)
                attend_block(z, head, key_tile, &b, t - first, &s);
        }
    for (int64_t i = 0; i < last - first; i++)
        finish_query(z, head, first + i, s.sums + i * z->width, s.m[i], s.l[i]);
}

/* ---- few queries: decoding with a cache ---- */

/* Products of q with four rows, `row` apart. */
CPU_INLINE void dot_four(float out[4], const float *q, const float *k, int64_t row, int64_t n)
{
    vf sums[4] = {{0}};
    ROW_LOOP(d, count, n)
    {
        vf a = load_some(q + d, count);
        for (int i = 0; i < 4; i++)
            sums[i] += a * load_some(k + i * row + d, count);
    }
    vf_sum_four(out, sums);
}

/* p = unnormalised probabilities of keys for one query, with their largest score and their sum. */
static void score_keys(const cpu_attention *z, const float *q, int64_t kv_head, range keys,
                       bool fetch, float *p, float *largest, float *total)
{
    int64_t row = z->n_kv_heads * z->width;
    const float *k = z->k + kv_head * z->width;
    int64_t n = keys.last - keys.first;
    const float *v = z->v + kv_head * z->width;
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const float *at = k + (keys.first + j) * row;
        for (int64_t d = 0; fetch && d < z->width; d += 16) {
            for (int i = 0; i < 4; i++) {
                __builtin_prefetch(v + (keys.first + j + i) * row + d);
                __builtin_prefetch(at + (8 + i) * row + d);
            }
        }
        dot_four(p + j, q, at, row, z->width);
    }
    for (; j < n; j++)
        p[j] = dot_row(q, k + (keys.first + j) * row, z->width);
    for (j = 0; j < n; j++)
        p[j] *= z->scale;
    *largest = largest_row(p, n);
    *total = exp_row(p, p, *largest == -INFINITY ? 0 : *largest, n);
}

/* Columns d .. d + columns * V of the same: constants after inlining. */
CPU_INLINE void weigh_columns(const int rows, const int columns, float *sums, const float *p,
                              const float *v, int64_t row, int64_t n, int64_t width, int64_t d)
{
    vf sum[ROWS][COLUMNS];
    for (int i = 0; i < rows; i++) {
        for (int c = 0; c < columns; c++)
            sum[i][c] = (vf){0};
    }
    for (int64_t k = 0; k < n; k++) {
        vf value[COLUMNS];
        for (int c = 0; c < columns; c++)
            value[c] = vf_load(v + k * row + d + c * V);
        for (int i = 0; i < rows; i++) {
            for (int c = 0; c < columns; c++)
                sum[i][c] += vf_set(p[i * CPU_ATTENTION_CHUNK + k]) * value[c];
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int c = 0; c < columns; c++)
            vf_store(sums + i * width + d + c * V, sum[i][c]);
    }
}

/* sums[rows][width] = p[rows][n] v[n][width], in floats whatever the tiles multiply. */
CPU_INLINE void weigh_rows(const int rows, float *sums, const float *p, const float *v, int64_t row,
                           int64_t n, int64_t width)
{
    int64_t d = 0;
    for (; d + COLUMNS * V <= width; d += COLUMNS * V)
        weigh_columns(rows, COLUMNS, sums, p, v, row, n, width, d);
    for (; d + V <= width; d += V)
        weigh_columns(rows, 1, sums, p, v, row, n, width, d);
    for (; d < width; d++) {
        for (int i = 0; i < rows; i++) {
            float sum = 0;
            for (int64_t k = 0; k < n; k++)
                sum += p[i * CPU_ATTENTION_CHUNK + k] * v[k * row + d];
            sums[i * width + d] = sum;
        }
    }
}

static void weigh_values(int rows, float *sums, const float *p, const float *v, int64_t row,
                         int64_t n, int64_t width)
{
    switch (rows) {
    case 1:
        weigh_rows(1, sums, p, v, row, n, width);
        break;
    case 2:
        weigh_rows(2, sums, p, v, row, n, width);
        break;
    case 3:
        weigh_rows(3, sums, p, v, row, n, width);
        break;
    case 4:
        weigh_rows(4, sums, p, v, row, n, width);
        break;
    case 5:
        weigh_rows(5, sums, p, v, row, n, width);
        break;
    default:
        weigh_rows(ROWS, sums, p, v, row, n, width);
    }
}

/* All heads of a query that share the keys look at the same ones: values are read once for up to
 * ROWS. */
static void attend_chunk(const cpu_attention *z, int64_t kv_head, int64_t first, int64_t last,
                         float *sums, float *largest, float *total, float *scratch)
{
    int64_t group = z->n_heads / z->n_kv_heads;
    int64_t row = z->n_kv_heads * z->width;

    for (int64_t t = 0; t < z->n_queries; t++) {
        range keys = intersect(query_range(z, t), (range){first, last});
        for (int64_t g = 0; g < group; g += ROWS) {
            int rows = group - g < ROWS ? (int)(group - g) : ROWS;
            int64_t at = t * group + g;
            for (int i = 0; i < rows; i++) {
                largest[at + i] = -INFINITY;
                total[at + i] = 0;
                if (keys.first < keys.last)
                    score_keys(z, z->q + (t * z->n_heads + kv_head * group + g + i) * z->width,
                               kv_head, keys, i == 0, scratch + i * CPU_ATTENTION_CHUNK,
                               &largest[at + i], &total[at + i]);
            }
            if (keys.first < keys.last)
                weigh_values(rows, sums + at * z->width, scratch,
                             z->v + keys.first * row + kv_head * z->width, row,
                             keys.last - keys.first, z->width);
        }
    }
}

/* ---- backward ---- */

/* The places of one call of differentiate_tile. Left factors and right ones are two forms of the
 * same matrix, and one place where units are floats. */
typedef struct grad_scratch {
    unit *kt, *vt;              /* [D][KEYS] keys and values transposed */
    unit *k;                    /* [KEYS][D] keys times scale, right */
    float *dk, *dv;             /* [KEYS][D] */
    unit *q, *dout;             /* [QUERIES][D] left, q times scale */
    unit *q_right, *dout_right; /* the same, right */
    unit *p, *ds;               /* [QUERIES][KEYS] right */
    float *block_p, *block_ds;  /* [ROWS][KEYS] of the block at work */
    unit *ds_left;              /* [ROWS][KEYS] */
    float *lse, *delta;         /* [QUERIES] */
} grad_scratch;

static grad_scratch get_grad_scratch(float *at, int64_t width)
{
    grad_scratch s;
    int64_t other = STEPS > 1 ? QUERIES * width : 0;
    s.kt = (unit *)at;
    s.vt = s.kt + KEYS * width;
    s.k = s.vt + KEYS * width;
    s.dk = (float *)(s.k + KEYS * width);
    s.dv = s.dk + KEYS * width;
    s.q = (unit *)(s.dv + KEYS * width);
    s.q_right = s.q + other;
    s.dout = s.q_right + QUERIES * width;
    s.dout_right = s.dout + other;
    s.p = s.dout_right + QUERIES * width;
    s.ds = s.p + QUERIES * KEYS;
    s.block_p = (float *)(s.ds + QUERIES * KEYS);
    s.block_ds = s.block_p + ROWS * KEYS;
    s.ds_left = (unit *)(s.block_ds + ROWS * KEYS);
    s.lse = (float *)(s.ds_left + ROWS * KEYS);
    s.delta = s.lse + QUERIES;
    return s;
}

/* What all scores of a query have in common: delta = dout . out (Dao et al. 2022, algorithm 4). */
static void find_delta(const cpu_attention *z, int64_t first, int64_t last)
{
    for (int64_t i = first * z->n_heads; i < last * z->n_heads; i++)
        z->delta[i] = dot_row(z->dout + i * z->width, z->saved_out + i * z->width, z->width);
}

/* Copies what the queries first .. last of one head bring. */
static void load_queries(const cpu_attention *z, int64_t head, int64_t first, int64_t last,
                         const grad_scratch *s)
{
    int64_t row = z->n_heads * z->width;
    int64_t at = first * row + head * z->width;
    int64_t n = last - first;
    int64_t depth = count_units(z->width);
    pack_rows(s->q, depth, z->q + at, row, n, z->width, z->scale);
    pack_rows(s->dout, depth, z->dout + at, row, n, z->width, 1.0f);
    if (STEPS > 1) {
        pack_steps(s->q_right, z->q + at, row, 0, n, n, z->width, z->scale);
        pack_steps(s->dout_right, z->dout + at, row, 0, n, n, z->width, 1.0f);
    }
    for (int64_t t = first; t < last; t++) {
        s->lse[t - first] = z->saved_lse[head * z->n_queries + t];
        s->delta[t - first] = z->delta[t * z->n_heads + head];
    }
}

/* p = e^(score - lse) and ds = p (dp - delta) of one query, from scores in p and dp in ds; zeros
 * outside of its interval. */
CPU_INLINE void differentiate_row(float *p, float *ds, range columns, range inside, float lse,
                                  float delta)
{
    for (int64_t i = columns.first; i < columns.last; i += V) {
        vf probability = vf_exp(vf_load(p + i) - lse);
        vf_store(p + i, probability);
        vf_store(ds + i, probability * (vf_load(ds + i) - delta));
    }
    set_outside(p, (range){0, KEYS}, inside, 0);
    set_outside(ds, (range){0, KEYS}, inside, 0);
}

/* Where p and ds of a block are computed, as floats: in their place where units are floats. */
CPU_INLINE float *get_block_rows(unit *all, float *rows, int64_t i)
{
    return STEPS > 1 ? rows : (float *)all + i * KEYS;
}

/* p and ds of one block of queries, and its dq; i is the block's first row in the tile. */
static void differentiate_block(const cpu_attention *z, int64_t head, int64_t tile, const block *b,
                                int64_t i, float *dq, const grad_scratch *s)
{
    range columns = whole_vectors(b->keys);
    range keys = range_of_units(b->keys);
    int64_t n = columns.last - columns.first;
    int64_t depth = count_units(z->width);
    float *p = get_block_rows(s->p, s->block_p, i);
    float *ds = get_block_rows(s->ds, s->block_ds, i);
    const unit *left = STEPS > 1 ? s->ds_left : (const unit *)ds;

    multiply(b->rows, p + columns.first, KEYS, (strided){s->q + i * depth, depth, 1},
             s->kt + columns.first, KEYS, depth, n, false);
    multiply(b->rows, ds + columns.first, KEYS, (strided){s->dout + i * depth, depth, 1},
             s->vt + columns.first, KEYS, depth, n, false);
    for (int r = 0; r < b->rows; r++)
        differentiate_row(p + r * KEYS, ds + r * KEYS, columns,
                          in_tile(query_range(z, b->first + r), tile), s->lse[i + r],
                          s->delta[i + r]);
    if (STEPS > 1) {
        pack_steps(s->p + i / STEPS * KEYS, p, KEYS, 0, b->rows, b->rows, KEYS, 1.0f);
        pack_steps(s->ds + i / STEPS * KEYS, ds, KEYS, 0, b->rows, b->rows, KEYS, 1.0f);
        pack_rows(s->ds_left, KEYS / STEPS, ds, KEYS, b->rows, KEYS, 1.0f);
    }
    if (dq)
        multiply(b->rows, dq + (b->first * z->n_heads + head) * z->width, z->n_heads * z->width,
                 (strided){left + keys.first, KEYS / STEPS, 1}, s->k + keys.first * z->width,
                 z->width, keys.last - keys.first, z->width, true);
}

/* out[KEYS][D] += p^T x for the queries of a tile, x [QUERIES][D]; only those blocks of queries
 * that attend to a key of the block of rows. */
static void add_to_keys(const cpu_attention *z, const block *blocks, int n_blocks, const unit *p,
                        const unit *x, float *out)
{
    for (int64_t j = 0; j < KEYS; j += ROWS) {
        int rows = KEYS - j < ROWS ? (int)(KEYS - j) : ROWS;
        range used = {0, 0}; /* queries of the tile */
        for (int i = 0; i < n_blocks; i++)
            if (blocks[i].keys.first < j + rows && blocks[i].keys.last > j)
                used = join(used, (range){i * ROWS, i * ROWS + blocks[i].rows});
        used = range_of_units(used);
        if (used.first < used.last)
            multiply(rows, out + j * z->width, z->width,
                     (strided){p + used.first * KEYS + j, 1, KEYS}, x + used.first * z->width,
                     z->width, used.last - used.first, z->width, true);
    }
}

/* One tile of queries of one head against one tile of keys. */
static void differentiate_pair(const cpu_attention *z, int64_t head, int64_t tile, int64_t first,
                               int64_t last, float *dq, const grad_scratch *s)
{
    block blocks[BLOCKS];
    int n = 0;

    load_queries(z, head, first, last, s);
    for (int64_t t = first; t < last; t += ROWS, n++) {
        int64_t i = t - first;
        blocks[n] = get_block(z, t, last, tile);
        if (blocks[n].keys.first < blocks[n].keys.last) {
            differentiate_block(z, head, tile, &blocks[n], i, dq, s);
        } else {
            size_t bytes = (size_t)(count_units(blocks[n].rows) * KEYS) * sizeof(unit);
            memset(s->p + i / STEPS * KEYS, 0, bytes);
            memset(s->ds + i / STEPS * KEYS, 0, bytes);
        }
    }
    if (z->dv)
        add_to_keys(z, blocks, n, s->p, s->dout_right, s->dv);
    if (z->dk)
        add_to_keys(z, blocks, n, s->ds, s->q_right, s->dk);
}

static void differentiate_tile(const cpu_attention *z, int64_t kv_head, int64_t tile, float *dq,
                               float *scratch)
{
    grad_scratch s = get_grad_scratch(scratch, z->width);
    int64_t group = z->n_heads / z->n_kv_heads;
    int64_t row = z->n_kv_heads * z->width;
    int64_t at = tile * KEYS * row + kv_head * z->width;
    int64_t n = keys_in_tile(z, tile);

    range used = used_in_tile(z, tile);

    pack_columns(s.kt, z->k + at, row, n, z->width, KEYS);
    pack_columns(s.vt, z->v + at, row, n, z->width, KEYS);
    pack_steps(s.k, z->k + at, row, used.first, used.last, KEYS, z->width, z->scale);
    memset(s.dk, 0, (size_t)(KEYS * z->width) * sizeof(float));
    memset(s.dv, 0, (size_t)(KEYS * z->width) * sizeof(float));
    for (int64_t first = 0; first < z->n_queries; first += QUERIES) {
        int64_t last = first + QUERIES < z->n_queries ? first + QUERIES : z->n_queries;
        range keys = in_tile(join_queries(z, first, last), tile);
        for (int64_t h = kv_head * group; keys.first < keys.last && h < (kv_head + 1) * group; h++)
            differentiate_pair(z, h, tile, first, last, dq, &s);
    }
    for (int64_t j = 0; j < n; j++, at += row) {
        if (z->dk)
            memcpy(z->dk + at, s.dk + j * z->width, (size_t)z->width * sizeof(float));
        if (z->dv)
            memcpy(z->dv + at, s.dv + j * z->width, (size_t)z->width * sizeof(float));
    }
}

#endif
