/* Products of matrices: blocking and threads around the tiles of an instruction set.
 *
 * How (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008, with the
 * weights as the operand that is packed late): C is cut into column blocks. The threads first pack
 * A together, once; then each takes a column block after the other, unpacks a block of B, kc x nc,
 * from its storage format into strips in its own scratch (in cache, never as a whole), and runs the
 * tiles of all rows over it. What is unpacked once is used for all rows, so compact weights cost
 * little more than f32 ones; an f32 B that only a tile or two of rows meet is read in place. The
 * scratch:
 *     shared        panels of A, in blocks of kc steps, of at most A_LIMIT bytes (else in groups)
 *     of a thread   strips of a block of B
 * Products with few columns (LoRA: rank 8) are cut into row blocks instead: each thread packs the
 * little B for itself and reads its rows of A in place (or packs them in its own scratch), once.
 * Products of a transposed A with few columns of B (its gradient) are computed as their transposes:
 * then both are read in place, row by row.
 * A pair's first product, a chain's (LoRA's x A^T), is computed where A is packed, from rows that
 * are in cache then (thin.inc.c).
 * An A that is given row by row is made in a thread's scratch and packed from there; of a C that is
 * taken a thread's scratch has the block at work (linear_ce.c: neither exists as a whole).
 * Products of few rows, with rows of B along K (decoding), go to product_dot.c, at the entry. In 8
 * bits large products have another table of tiles.
 *
 * Each element of C is summed in the same order however the work is cut: the result does not depend
 * on the number of threads. */
#include "engine/cpu/product.h"

#include <efficientai/dtype.h>

#include "engine/cpu/parallel.h"
#include "engine/cpu/parts.h"
#include "engine/cpu/product_dot.h"

#include "base/banned.h"

#define A_LIMIT    ((int64_t)8 << 20) /* bytes of packed A at a time */
#define GROUP_ROWS 2048               /* rows of A packed at a time, at most */

typedef enum cut { CUT_NOTHING, CUT_COLUMNS, CUT_ROWS } cut;

/* How a product is carried out; a function of shapes, types and the backend alone. */
typedef struct blocking {
    const cpu_gemm_table *g;
    const cpu_gemm_table *pair_g; /* of the pair */
    const cpu_gemm_table *thin_g; /* of a chain's first product */
    cut cut;
    bool serial;              /* too small for several threads */
    bool direct;              /* A is read in place */
    bool direct_b;            /* B is */
    int64_t kc;               /* steps of K a block */
    int64_t group_m, group_k; /* rows and steps of A packed at a time */
    int64_t columns, rows;    /* of C a task */
    size_t pair_at, thin_at;  /* shared scratch: where panels of the pair's A begin, a chain's B */
    size_t a_bytes;           /* ... and its end */
    size_t pair_strips;       /* a thread's scratch: where strips of the pair's B begin ... */
    size_t b_bytes;           /* ... the end of all strips, where a block of C begins ... */
    size_t thread_bytes;      /* ... and for all */
} blocking;

typedef struct job {
    const cpu_product *p;
    blocking how;
    uint8_t *shared, *scratch;
    int64_t m0, m, k0, k; /* the group */
    int64_t row_tasks;    /* cuts of the group's rows */
    bool packed;          /* A is packed already */
} job;

cpu_gemm_a cpu__gemm_a(const float *data, int64_t rows, int64_t cols, bool trans)
{
    (void)rows;
    return (cpu_gemm_a){data, trans ? 1 : cols, trans ? cols : 1};
}

cpu_gemm_b cpu__gemm_b(const eai_operand *x, int64_t cols, bool trans)
{
    return (cpu_gemm_b){x->data, x->dtype, x->planes, eai_row_bytes(x->dtype, cols), trans};
}

/* Bytes of packed panels of m rows and k steps. */
static size_t panel_bytes(const cpu_gemm_table *g, int64_t m, int64_t k)
{
    return (size_t)(cpu__divide_up(m, g->mr) * cpu__divide_up(k, g->k_align) * g->a_bytes);
}

/* Bytes of packed strips of n columns and k steps. */
static size_t strip_bytes(const cpu_gemm_table *g, int64_t n, int64_t k)
{
    return (size_t)(n * cpu__divide_up(k, g->k_align) * g->b_bytes);
}

/* Bytes of a B of n columns and k steps, as thin products read it. */
static size_t thin_bytes(const cpu_gemm_table *g, int64_t n, int64_t k)
{
    int64_t numbers = cpu__round_up(n, g->thin_columns) * cpu__round_up(k, g->thin_steps);
    return (size_t)(numbers / g->k_align * g->b_bytes);
}

/* Thin products are bound by memory: rounding their operands would cost precision and gain nothing.
 * In 8 bits are only those of weights that do not learn, which no one keeps in f32; what is added
 * to them, and what it is made of, are not. */
static void choose_tables(blocking *how, const cpu_backend *be, const cpu_product *p)
{
    bool large = p->m >= 16 && p->n >= 16 && p->k >= CPU_BLOCK;
    const cpu_gemm_table *best = be->gemm_bf16 ? be->gemm_bf16 : be->gemm;
    how->g = how->pair_g = how->thin_g = large ? best : be->gemm;
    if (be->gemm_int8 && large && p->a.col == 1 && p->b.dtype != EAI_F32) {
        how->g = be->gemm_int8;
        how->pair_g = how->thin_g = best;
    }
    if (!how->thin_g->thin)
        how->thin_g = be->gemm;
}

/* Tasks are cut between whole tiles of the product and of the pair. */
static int64_t row_unit(const blocking *how)
{
    int64_t unit = how->g->mr;
    while (unit % how->pair_g->mr != 0)
        unit += how->g->mr;
    return unit;
}

/* Rows of A that a task packs: a part of a cache block, so that threads end together. */
static int64_t packed_rows(const blocking *how)
{
    return cpu__round_up(cpu__divide_up(how->g->mc, 4), row_unit(how));
}

static void cut_rows(blocking *how, const cpu_product *p, int threads)
{
    const cpu_gemm_table *g = how->g;
    int64_t unit = p->n <= g->nr_half ? g->mr_half : g->mr;
    how->cut = CUT_ROWS;
    how->direct = g->direct && p->a.col == 1;
    how->columns = p->n;
    how->rows = cpu__round_up(cpu__divide_up(p->m, threads), unit);
    how->group_m = p->m;
    how->group_k = p->k;
    how->b_bytes = strip_bytes(g, cpu__round_up(p->n, g->nr), how->kc);
    how->thread_bytes = how->b_bytes + (how->direct ? 0 : panel_bytes(g, g->mc, how->kc));
}

/* A strip that only a tile or two of rows read is not worth a copy. Tiles read whole vectors. */
static bool reads_b_in_place(const cpu_gemm_table *g, const cpu_product *p)
{
    return g->direct && p->b.dtype == EAI_F32 && !p->b.along_k && p->m <= 2 * g->mr &&
           p->n % g->nr_half == 0;
}

/* Several tasks a thread, so that a thread that was held up does not hold up the rest. But each
 * reads all of the packed A: if that is long, as few as there can be, the same number for each. */
static int64_t choose_columns(const blocking *how, const cpu_product *p, int threads)
{
    const cpu_gemm_table *g = how->g;
    bool is_long = how->group_k < p->k;
    if (p->take) /* the same cut for any number of threads */
        return cpu__round_up(g->nc, CPU_TAKE_COLUMNS);
    int64_t most = is_long ? 2 * g->nc : g->nc;
    int64_t tasks =
        is_long ? cpu__round_up(cpu__divide_up(p->n, most), threads) : (int64_t)3 * threads;
    int64_t columns = cpu__round_up(cpu__divide_up(p->n, tasks), CPU_BLOCK);
    return cpu__min(cpu__round_up(columns, g->nr), most);
}

static void cut_columns(blocking *how, const cpu_product *p, int threads)
{
    const cpu_gemm_table *g = how->g;
    int64_t limit = A_LIMIT / (int64_t)panel_bytes(g, g->mr, how->kc);
    how->cut = CUT_COLUMNS;
    how->group_m = cpu__min(p->m, GROUP_ROWS);
    int64_t k_blocks = limit / cpu__divide_up(how->group_m, g->mr);
    how->group_k = p->take ? p->k : cpu__min(p->k, how->kc * (k_blocks > 1 ? k_blocks : 1));
    how->columns = choose_columns(how, p, threads);
    int64_t tasks = cpu__divide_up(p->n, how->columns);
    int64_t row_tasks =
        cpu__min(cpu__divide_up(2 * threads, tasks), cpu__divide_up(how->group_m, 2 * g->mc));
    how->rows = tasks >= threads ? how->group_m
                                 : cpu__round_up(cpu__divide_up(how->group_m, row_tasks), g->mc);
    how->pair_at = cpu__align(panel_bytes(g, how->group_m, how->group_k));
    how->thin_at = how->pair_at + cpu__align(panel_bytes(how->pair_g, how->group_m, p->pair.k));
    how->a_bytes = how->thin_at;
    if (p->pair.chained)
        how->a_bytes += cpu__align(thin_bytes(how->thin_g, p->pair.k, p->k));
    how->direct_b = reads_b_in_place(g, p);
    if (!how->direct_b)
        how->pair_strips = cpu__align(strip_bytes(g, how->columns, how->kc));
    how->b_bytes =
        how->pair_strips +
        strip_bytes(how->pair_g, cpu__round_up(how->columns, how->pair_g->nr), p->pair.k);
    how->b_bytes = cpu__align(how->b_bytes);
    how->thread_bytes = how->b_bytes;
    if (p->take)
        how->thread_bytes += (size_t)(how->rows * how->columns) * sizeof(float);
    size_t given = p->give ? (size_t)(packed_rows(how) * how->kc) * sizeof(float) : 0;
    how->thread_bytes = how->thread_bytes > given ? how->thread_bytes : given;
}

static blocking choose_blocking(const cpu_backend *be, const cpu_product *p)
{
    blocking how = {0};
    choose_tables(&how, be, p);
    how.serial = p->m * p->n * p->k < CPU_SERIAL_WORK;
    int threads = how.serial ? 1 : be->base.n_threads;
    if (p->m == 0 || p->n == 0 || p->k == 0)
        return how;
    /* Equal blocks of K rather than a short last one. */
    int64_t blocks = cpu__divide_up(p->k, how.g->kc);
    how.kc = cpu__round_up(cpu__divide_up(p->k, blocks), cpu__max(CPU_BLOCK, how.g->k_align));
    if (p->n <= 2 * how.g->nr && p->m > p->n && !p->give && !p->take)
        cut_rows(&how, p, threads);
    else
        cut_columns(&how, p, threads);
    how.b_bytes = cpu__align(how.b_bytes);
    how.thread_bytes = cpu__align(how.thread_bytes);
    return how;
}

/* Columns of a block are worked at one after the other, the pair's behind the last. */
static bool takes_pair(const blocking *how, const cpu_product *p)
{
    return !cpu__dots_takes(p) && how->cut == CUT_COLUMNS &&
           (!p->pair.chained || how->group_k == p->k);
}

/* The product that makes the left operand of a chain's second. */
static cpu_product first_of_chain(const cpu_product *p)
{
    return (cpu_product){
        .m = p->m,
        .n = p->pair.k,
        .k = p->k,
        .a = p->a,
        .b = p->pair.chain,
        .c = p->pair.made,
        .ldc = p->pair.k,
        .alpha = p->pair.chain_alpha,
    };
}

/* What the first of several products leaves to do: a chain becomes a pair, a pair a sum. */
static cpu_product split(cpu_product *first, const cpu_product *p)
{
    cpu_product rest = *p;
    if (p->pair.chained) {
        *first = first_of_chain(p);
        rest.pair.chained = false;
        return rest;
    }
    *first = *p;
    first->pair.k = rest.pair.k = 0;
    rest.k = p->pair.k;
    rest.a = p->pair.a;
    rest.b = p->pair.b;
    rest.alpha = p->pair.alpha;
    rest.c_in = p->c;
    return rest;
}

/* Is the transpose quicker, whose long operand is read in place? */
static bool is_turned(const cpu_backend *be, const cpu_product *p)
{
    return be->gemm->direct && p->a.row == 1 && p->a.col != 1 && p->b.dtype == EAI_F32 &&
           !p->b.along_k && p->n <= be->gemm->mr && p->m >= 4 * p->n &&
           p->m % be->gemm->nr_half == 0 && p->pair.k == 0;
}

static size_t turned_bytes(const cpu_product *p)
{
    return cpu__align((size_t)(p->m * p->n) * sizeof(float));
}

/* The product B^T A^T, which is C^T, into `c`. */
static cpu_product turn(const cpu_product *p, float *c)
{
    return (cpu_product){
        .m = p->n,
        .n = p->m,
        .k = p->k,
        .a = {(const float *)(const void *)p->b.data, 1, (int64_t)(p->b.row_bytes / sizeof(float))},
        .b = {(const uint8_t *)p->a.data, EAI_F32, NULL, (size_t)p->a.col * sizeof(float), false},
        .c = c,
        .ldc = p->m,
        .alpha = p->alpha,
    };
}

static void turn_back(const cpu_product *p, const float *turned)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            int64_t at = i * p->ldc + j;
            p->c[at] = turned[j * p->m + i] + (p->c_in ? p->c_in[at] : 0);
        }
    }
}

/* Few rows, or sums over nothing: C is computed as a whole before it is taken. */
static bool is_taken_whole(const cpu_product *p)
{
    return p->take && (p->k == 0 || cpu__dots_takes(p));
}

static cpu_product whole_of(const cpu_product *p, float *c)
{
    cpu_product whole = *p;
    whole.take = NULL;
    whole.c = c;
    whole.ldc = p->n;
    return whole;
}

static size_t whole_bytes(const cpu_product *p)
{
    return cpu__align((size_t)(p->m * p->n) * sizeof(float));
}

static size_t made_bytes(const cpu_product *p)
{
    return p->pair.chained ? cpu__align((size_t)(p->m * p->pair.k) * sizeof(float)) : 0;
}

size_t cpu__product_workspace(const cpu_backend *be, const cpu_product *p)
{
    if (is_taken_whole(p)) {
        cpu_product whole = whole_of(p, NULL);
        return whole_bytes(p) + cpu__product_workspace(be, &whole);
    }
    if (p->pair.k == 0 && cpu__dots_takes(p))
        return cpu__dots_workspace(be, p);
    if (is_turned(be, p)) {
        cpu_product turned = turn(p, NULL);
        return turned_bytes(p) + cpu__product_workspace(be, &turned);
    }
    blocking how = choose_blocking(be, p);
    if (p->pair.k > 0 && !takes_pair(&how, p)) {
        cpu_product first;
        cpu_product rest = split(&first, p);
        size_t a = cpu__product_workspace(be, &first);
        size_t b = cpu__product_workspace(be, &rest);
        return made_bytes(p) + (a > b ? a : b);
    }
    return made_bytes(p) + how.a_bytes + how.thread_bytes * (size_t)be->base.n_threads;
}

/* ---- Tiles of a block
 * ------------------------------------------------------------------------------ */

/* A block of A, as tiles read it: packed panels, or A itself. */
typedef struct block_a {
    int64_t m0, m, k0, k;  /* rows m0 .. m0 + m, steps k0 .. k0 + k */
    const uint8_t *panels; /* NULL: in place */
    const float *data;
    int64_t row;
    const uint8_t *pair; /* panels of the pair's A for these rows; NULL: not with this block */
    float *c;            /* its first element of C, of rows ldc apart */
    const float *c_in;   /* and of what is added to it; NULL: nothing */
    int64_t ldc;
} block_a;

/* One of the two products that a block is made of, as its tiles need it. */
typedef struct factors {
    const cpu_gemm_table *g;
    int64_t mr;            /* rows of a tile */
    const uint8_t *rows;   /* panels, or A in place */
    size_t row_bytes;      /* from the rows of a tile to those of the next */
    const uint8_t *strips; /* NULL: B in place */
    const float *c_in;     /* what it adds to, from the block's first element on; NULL: nothing */
    cpu_tile tile;         /* what is the same for all */
} factors;

/* Points the block to its elements of C, from column n0 on. */
static void point_to_c(block_a *a, const cpu_product *p, int64_t n0)
{
    int64_t at = a->m0 * p->ldc + n0;
    a->c = p->c + at;
    a->c_in = a->k0 > 0 ? a->c : p->c_in ? p->c_in + at : NULL;
    a->ldc = p->ldc;
}

static factors get_product(const job *j, const block_a *a, const uint8_t *strips, int64_t n)
{
    const cpu_product *p = j->p;
    const cpu_gemm_table *g = j->how.g;
    factors f = {.g = g, .mr = g->mr, .rows = a->panels};
    f.tile = (cpu_tile){.ldc = a->ldc, .alpha = p->alpha, .k = a->k, .a_row = 1, .a_col = g->panel};
    f.row_bytes = panel_bytes(g, g->mr, a->k);
    f.strips = j->how.direct_b ? NULL : strips;
    f.c_in = a->c_in;
    if (a->panels)
        return f;
    f.mr = n <= g->nr_half ? g->mr_half : g->mr;
    f.rows = (const uint8_t *)a->data;
    f.row_bytes = (size_t)(f.mr * a->row) * sizeof(float);
    f.tile.a_row = a->row;
    f.tile.a_col = 1;
    return f;
}

static factors get_pair(const job *j, const block_a *a, const uint8_t *strips)
{
    const cpu_product *p = j->p;
    const cpu_gemm_table *g = j->how.pair_g;
    factors f = {.g = g, .mr = g->mr, .rows = a->pair, .strips = strips + j->how.pair_strips};
    f.tile = (cpu_tile){
        .ldc = a->ldc, .alpha = p->pair.alpha, .k = p->pair.k, .a_row = 1, .a_col = g->panel};
    f.row_bytes = panel_bytes(g, g->mr, p->pair.k);
    f.c_in = a->c;
    return f;
}

/* Points the tile to columns n0 + jr .. + t->n of B: in a packed strip, or where B is. */
static void point_to_b(const job *j, factors *f, const block_a *a, int64_t n0, int64_t jr)
{
    const cpu_gemm_b *b = &j->p->b;
    cpu_tile *t = &f->tile;
    if (!f->strips) {
        t->b = b->data + (size_t)a->k0 * b->row_bytes + (size_t)(n0 + jr) * sizeof(float);
        t->b_step = (int64_t)(b->row_bytes / sizeof(float));
        return;
    }
    t->b = f->strips + strip_bytes(f->g, jr, t->k);
    t->b_step = t->n <= f->g->nr_half ? f->g->nr_half : f->g->nr;
}

/* Rows i0 .. i1 of the block and columns n0 + j0 .. n0 + j1, from whole tiles on. */
static void multiply_tiles(const job *j, factors *f, const block_a *a, int64_t i0, int64_t i1,
                           int64_t n0, int64_t j0, int64_t j1)
{
    cpu_tile *t = &f->tile;
    for (int64_t jr = j0; jr < j1; jr += f->g->nr) {
        t->n = (int)cpu__min(f->g->nr, j1 - jr);
        point_to_b(j, f, a, n0, jr);
        for (int64_t ir = i0; ir < i1; ir += f->mr) {
            int64_t at = ir * t->ldc + jr;
            t->m = (int)cpu__min(f->mr, i1 - ir);
            t->a = f->rows + (size_t)(ir / f->mr) * f->row_bytes;
            t->c = a->c + at;
            t->c_in = f->c_in ? f->c_in + at : NULL;
            f->g->tile(t);
        }
    }
}

/* C [m0 .. m0 + m, n0 .. n0 + n] += the product over the steps of the block, and the pair's, which
 * reads and adds to the sums while they are in the first-level cache. */
static void multiply_block(const job *j, const block_a *a, const uint8_t *strips, int64_t n0,
                           int64_t n)
{
    factors f = get_product(j, a, strips, n);
    factors pair = {0};
    int64_t mc = a->panels ? f.g->mc : f.mr;
    int64_t unit = mc;
    int64_t nr = f.g->nr;
    if (a->pair) {
        pair = get_pair(j, a, strips);
        unit = row_unit(&j->how);
        nr = cpu__max(nr, pair.g->nr);
    }
    for (int64_t ic = 0; ic < a->m; ic += mc) {
        for (int64_t jr = 0; jr < n; jr += nr) {
            int64_t end = cpu__min(jr + nr, n);
            for (int64_t ir = ic; ir < cpu__min(ic + mc, a->m); ir += unit) {
                int64_t last = cpu__min(ir + unit, a->m);
                multiply_tiles(j, &f, a, ir, last, n0, jr, end);
                if (a->pair)
                    multiply_tiles(j, &pair, a, ir, last, n0, jr, end);
            }
        }
    }
}

static const float *find_a(const cpu_product *p, int64_t i, int64_t k)
{
    return p->a.data + i * p->a.row + k * p->a.col;
}

/* ---- Cut into columns
 * ------------------------------------------------------------------------------ */

/* Where the panels of the group's block of K that starts at step k begin. */
static uint8_t *find_panels(const job *j, int64_t k)
{
    return j->shared + panel_bytes(j->how.g, j->m, k);
}

/* Where the panels of row i of the group, and on, of the pair's A begin. */
static uint8_t *find_pair(const job *j, int64_t i)
{
    return j->shared + j->how.pair_at + panel_bytes(j->how.pair_g, i, j->p->pair.k);
}

/* Does the pair join in after the first `steps` of the group? */
static bool is_last(const job *j, int64_t steps)
{
    return j->p->pair.k > 0 && j->k0 + steps == j->p->k;
}

/* Rows i .. i + m of the group, of a chain's first product: while these rows of A are in cache. */
static void start_chain(const job *j, int64_t i, int64_t m)
{
    const cpu_product *p = j->p;
    cpu_thin t = {
        .c = p->pair.made + (j->m0 + i) * p->pair.k,
        .ldc = p->pair.k,
        .a = find_a(p, j->m0 + i, 0),
        .a_row = p->a.row,
        .b = j->shared + j->how.thin_at,
        .m = m,
        .n = p->pair.k,
        .k = p->k,
        .alpha = p->pair.chain_alpha,
    };
    j->how.thin_g->thin(&t);
}

static void *find_scratch(const job *j, int thread)
{
    return j->scratch + j->how.thread_bytes * (size_t)thread;
}

/* A part of an A that does not exist. */
static cpu_gemm_a make_rows(const job *j, cpu_block at, int thread)
{
    float *rows = find_scratch(j, thread);
    j->p->give(j->p->ud, rows, &at);
    return (cpu_gemm_a){rows, at.ld, 1};
}

/* A task packs some rows, all steps. */
static void pack_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_gemm_table *g = j->how.g;
    int64_t i = (int64_t)task * packed_rows(&j->how);
    int64_t m = cpu__min(packed_rows(&j->how), j->m - i);

    for (int64_t k = 0; k < j->k && !j->packed; k += j->how.kc) {
        int64_t part = cpu__min(j->how.kc, j->k - k);
        cpu_gemm_a a = j->p->a;
        if (j->p->give)
            a = make_rows(j, (cpu_block){j->m0 + i, m, j->k0 + k, part, part}, thread);
        else
            a.data = find_a(j->p, j->m0 + i, j->k0 + k);
        g->pack_a(find_panels(j, k) + panel_bytes(g, i, part), &a, m, part);
    }
    if (j->p->pair.chained)
        start_chain(j, i, m);
    if (is_last(j, j->k)) {
        cpu_gemm_a a = j->p->pair.a;
        a.data += (j->m0 + i) * a.row;
        j->how.pair_g->pack_a(find_pair(j, i), &a, m, j->p->pair.k);
    }
}

/* The block with C in scratch, a few rows at a time; after the last steps they are taken. */
static void multiply_and_take(const job *j, const block_a *a, uint8_t *strips, int64_t n0,
                              int64_t n, bool last)
{
    const cpu_gemm_table *g = j->how.g;
    const cpu_product *p = j->p;
    float *c = (float *)(void *)(strips + j->how.b_bytes);
    for (int64_t i = 0; i < a->m; i += g->mc) {
        block_a rows = *a;
        rows.m0 += i;
        rows.m = cpu__min(g->mc, a->m - i);
        rows.panels += panel_bytes(g, i, a->k);
        rows.ldc = j->how.columns;
        rows.c = c + i * rows.ldc;
        rows.c_in = a->k0 > 0 ? rows.c : NULL;
        multiply_block(j, &rows, strips, n0, n);
        if (last)
            p->take(p->ud, rows.c, &(cpu_block){rows.m0, rows.m, n0, n, rows.ldc});
    }
}

static void columns_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_product *p = j->p;
    const blocking *how = &j->how;
    const cpu_gemm_table *g = how->g;
    int64_t n0 = (int64_t)task / j->row_tasks * how->columns;
    int64_t n = cpu__min(how->columns, p->n - n0);
    int64_t i0 = (int64_t)task % j->row_tasks * how->rows;
    int64_t m = cpu__min(how->rows, j->m - i0);
    uint8_t *strips = find_scratch(j, thread);

    if (m <= 0)
        return;
    if (g->begin)
        g->begin();
    for (int64_t k = 0; k < j->k; k += how->kc) {
        int64_t part = cpu__min(how->kc, j->k - k);
        block_a a = {j->m0 + i0, m, j->k0 + k, part, .panels = find_panels(j, k)};
        a.panels += panel_bytes(g, i0, part);
        if (!how->direct_b)
            g->pack_b(strips, &p->b, n0, n, j->k0 + k, part);
        if (is_last(j, k + part)) {
            a.pair = find_pair(j, i0);
            how->pair_g->pack_b(strips + how->pair_strips, &p->pair.b, n0, n, 0, p->pair.k);
        }
        if (p->take)
            multiply_and_take(j, &a, strips, n0, n, k + part == j->k);
        else {
            point_to_c(&a, p, n0);
            multiply_block(j, &a, strips, n0, n);
        }
    }
    if (g->end)
        g->end();
}

/* All of A fits into the shared scratch, and the step before has left it there. */
static bool is_packed(const cpu_backend *be, const job *j)
{
    const cpu_packed *x = &be->packed;
    const cpu_product *p = j->p;
    return p->may_be_packed && x->data == p->a.data && x->row == p->a.row && x->col == p->a.col &&
           x->m == p->m && x->k == p->k && x->table == j->how.g && x->panels == j->shared &&
           j->m == p->m && j->k == p->k;
}

static void remember_packed(cpu_backend *be, const job *j)
{
    const cpu_product *p = j->p;
    bool whole = j->m == p->m && j->k == p->k;
    be->packed =
        (cpu_packed){whole ? p->a.data : NULL, p->a.row, p->a.col, p->m, p->k, j->how.g, j->shared};
}

static void run_columns(cpu_backend *be, job *j)
{
    const cpu_product *p = j->p;
    const blocking *how = &j->how;

    if (p->pair.chained)
        how->thin_g->pack_thin(j->shared + how->thin_at, &p->pair.chain, p->pair.k, p->k);
    for (j->m0 = 0; j->m0 < p->m; j->m0 += how->group_m) {
        j->m = cpu__min(how->group_m, p->m - j->m0);
        j->row_tasks = cpu__divide_up(j->m, how->rows);
        for (j->k0 = 0; j->k0 < p->k; j->k0 += how->group_k) {
            j->k = cpu__min(how->group_k, p->k - j->k0);
            j->packed = is_packed(be, j);
            if (!j->packed || p->pair.k > 0)
                cpu__run_tasks(be, how->serial, pack_task, j,
                               cpu__divide_up(j->m, packed_rows(how)));
            cpu__run_tasks(be, how->serial, columns_task, j,
                           cpu__divide_up(p->n, how->columns) * j->row_tasks);
        }
    }
    remember_packed(be, j);
}

/* ---- Cut into rows
 * --------------------------------------------------------------------------------- */

static void rows_task(void *ud, size_t task, int thread)
{
    job *j = ud;
    const cpu_product *p = j->p;
    const blocking *how = &j->how;
    const cpu_gemm_table *g = how->g;
    int64_t m0 = (int64_t)task * how->rows;
    int64_t m1 = cpu__min(m0 + how->rows, p->m);
    uint8_t *strips = find_scratch(j, thread);
    uint8_t *panels = strips + how->b_bytes;

    if (g->begin)
        g->begin();
    for (int64_t k = 0; k < p->k; k += how->kc) {
        int64_t part = cpu__min(how->kc, p->k - k);
        g->pack_b(strips, &p->b, 0, p->n, k, part);
        if (how->direct) {
            block_a a = {m0, m1 - m0, k, part, .data = find_a(p, m0, k), .row = p->a.row};
            point_to_c(&a, p, 0);
            multiply_block(j, &a, strips, 0, p->n);
            continue;
        }
        for (int64_t i = m0; i < m1; i += g->mc) {
            int64_t m = cpu__min(g->mc, m1 - i);
            cpu_gemm_a from = p->a;
            block_a a = {i, m, k, part, .panels = panels};
            from.data = find_a(p, i, k);
            point_to_c(&a, p, 0);
            g->pack_a(panels, &from, m, part);
            multiply_block(j, &a, strips, 0, p->n);
        }
    }
    if (g->end)
        g->end();
}

/* A sum over nothing. */
static void run_empty(const cpu_product *p)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++)
            p->c[i * p->ldc + j] = p->c_in ? p->c_in[i * p->ldc + j] : 0;
    }
}

void cpu__product(cpu_backend *be, const cpu_product *given, void *workspace)
{
    cpu_product with_place = *given;
    const cpu_product *p = &with_place;

    if (p->m == 0 || p->n == 0 || (!p->c && !p->take))
        return;
    if (is_taken_whole(p)) {
        cpu_product whole = whole_of(p, workspace);
        cpu__product(be, &whole, (uint8_t *)workspace + whole_bytes(p));
        p->take(p->ud, whole.c, &(cpu_block){0, p->m, 0, p->n, p->n});
        return;
    }
    if (p->pair.chained && !p->pair.made)
        with_place.pair.made = workspace;
    with_place.pair.a.data = p->pair.chained ? p->pair.made : p->pair.a.data;
    workspace = (uint8_t *)workspace + made_bytes(p);
    if (p->pair.k == 0 && cpu__dots_takes(p)) {
        cpu__dots(be, p, 1, workspace);
        return;
    }
    if (is_turned(be, p)) {
        cpu_product turned = turn(p, workspace);
        cpu__product(be, &turned, (uint8_t *)workspace + turned_bytes(p));
        turn_back(p, workspace);
        return;
    }
    job j = {.p = p, .how = choose_blocking(be, p), .shared = workspace};
    if (p->pair.k > 0 && !takes_pair(&j.how, p)) {
        cpu_product first;
        cpu_product rest = split(&first, p);
        cpu__product(be, &first, workspace);
        cpu__product(be, &rest, workspace);
        return;
    }
    j.scratch = j.shared + j.how.a_bytes;
    if (j.how.cut != CUT_COLUMNS)
        be->packed.data = NULL;
    if (j.how.cut == CUT_NOTHING)
        run_empty(p);
    else if (j.how.cut == CUT_ROWS)
        cpu__run_tasks(be, j.how.serial, rows_task, &j, cpu__divide_up(p->m, j.how.rows));
    else
        run_columns(be, &j);
}
