/* Tiles of C made of four AMX tiles: 32 x 32 numbers, sums over 32 steps an instruction. Included
 * by gemm.inc.c.
 *
 * A tile register has 16 rows of 64 bytes. The left operand's rows are 32 bf16 of a row of A, the
 * right one's are units (two steps) of 16 columns, which is what a strip of B is. Two by two sums
 * use each loaded tile twice. Panels of A: [steps / 32][32 rows][32 steps], so that a tile is 1 KiB
 * in one piece. Rows and columns that are not there are computed and thrown away. */

#define MR    32
#define EDGE  16          /* rows of a tile register, and units of its rows */
#define BLOCK (MR * EDGE) /* units of a panel in 32 steps */

/* ---- Instructions, and what they mean
 * ------------------------------------------------------------ */

#ifdef EAI_ISA_EMULATED

typedef struct amx {
    uint32_t tile[8][EDGE][EDGE];
} amx;
static _Thread_local amx registers;

#define amx_zero(c) memset(registers.tile[c], 0, sizeof(registers.tile[c]))

#define amx_load(c, src, stride_bytes)                                                             \
    do {                                                                                           \
        for (int row_ = 0; row_ < EDGE; row_++)                                                    \
            memcpy(registers.tile[c][row_], (const uint8_t *)(src) + row_ * (stride_bytes), 64);   \
    } while (0)

#define amx_store(c, dst, stride_bytes)                                                            \
    do {                                                                                           \
        for (int row_ = 0; row_ < EDGE; row_++)                                                    \
            memcpy((uint8_t *)(dst) + row_ * (stride_bytes), registers.tile[c][row_], 64);         \
    } while (0)

static void multiply_tiles(int c, int a, int b)
{
    for (int i = 0; i < EDGE; i++) {
        vf sum = vf_load(registers.tile[c][i]);
        for (int p = 0; p < EDGE; p++) {
            vu units;
            memcpy(&units, registers.tile[b][p], sizeof(units));
            sum = dot_pairs(sum, &registers.tile[a][i][p], units);
        }
        vf_store(registers.tile[c][i], sum);
    }
}
#define amx_multiply(c, a, b) multiply_tiles(c, a, b)

static void begin(void)
{
    memset(&registers, 0xff, sizeof(registers));
}

static void end(void)
{
}

#else

#define amx_zero(c)                     _tile_zero(c)
#define amx_load(c, src, stride_bytes)  _tile_loadd(c, src, stride_bytes)
#define amx_store(c, dst, stride_bytes) _tile_stored(c, dst, stride_bytes)
#define amx_multiply(c, a, b)           _tile_dpbf16ps(c, a, b)

/* Eight tiles of 16 rows of 64 bytes. Constant and static: gcc 12 may drop the stores to a
 * configuration that lies on the stack. */
static const struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config __attribute__((aligned(64))) = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

static void begin(void)
{
    _tile_loadconfig(&tile_config);
}

static void end(void)
{
    _tile_release();
}

#endif

/* ---- Panels of A
 * --------------------------------------------------------------------------------- */

/* Row i of the panel, 32 steps from k0 on. */
static void pack_row(uint32_t *units, const cpu_gemm_a *a, int64_t i, int64_t k0, int64_t k)
{
    const float *src = a->data + i * a->row + k0;
    float part[2 * V] = {0};
    if (k - k0 < 2 * V) {
        memcpy(part, src, (size_t)(k - k0) * sizeof(float));
        src = part;
    }
    vu r = round_row(vf_load(src), vf_load(src + V));
    memcpy(units, &r, sizeof(r));
}

/* The 32 rows from row i on, 32 steps from k0 on, of an A whose steps are rows in memory. */
static void pack_columns(uint32_t *block, const cpu_gemm_a *a, int64_t i, int64_t m, int64_t k0,
                         int64_t k)
{
    uint32_t steps[EDGE][MR] = {{0}};
    for (int64_t j = 0; j < MR && i + j < m; j += V) {
        for (int p = 0; p < EDGE; p++) {
            vu r = round_columns(a, i + j, m, k0 + 2 * p, k);
            memcpy(steps[p] + j, &r, sizeof(r));
        }
    }
    transpose(block, EDGE, EDGE, steps, MR, EDGE, MR);
}

static void pack_a(void *panels, const cpu_gemm_a *a, int64_t m, int64_t k)
{
    int64_t blocks = (k + K_ALIGN - 1) / K_ALIGN;
    for (int64_t i = 0; i < m; i += MR) {
        uint32_t *panel = (uint32_t *)panels + i / MR * blocks * BLOCK;
        for (int64_t b = 0; b < blocks; b++, panel += BLOCK) {
            if (a->col != 1) {
                pack_columns(panel, a, i, m, b * K_ALIGN, k);
                continue;
            }
            for (int64_t j = 0; j < MR; j++)
                pack_row(panel + j * EDGE, a, MIN(i + j, m - 1), b * K_ALIGN, k);
        }
    }
}

/* ---- The tile
 * ------------------------------------------------------------------------------------ */

/* Registers 0 .. 3: sums of C's quarters; 4, 5: rows of A; 6, 7: columns of B. */
CPU_INLINE void sum_tiles(const cpu_tile *t, const bool two_rows, const bool two_columns)
{
    const uint32_t *a = t->a;
    const uint32_t *b = t->b;
    int64_t b_bytes = t->b_step * 4;
    for (int64_t k = 0; k < t->k; k += K_ALIGN) {
        amx_load(4, a, 64);
        amx_load(6, b, b_bytes);
        amx_multiply(0, 4, 6);
        if (two_columns) {
            amx_load(7, b + EDGE, b_bytes);
            amx_multiply(1, 4, 7);
        }
        if (two_rows) {
            amx_load(5, a + EDGE * EDGE, 64);
            amx_multiply(2, 5, 6);
        }
        if (two_rows && two_columns)
            amx_multiply(3, 5, 7);
        a += BLOCK;
        b += EDGE * t->b_step;
    }
}

/* A whole tile of C whose sums need no scaling is loaded into the registers and stored from there.
 */
static void run_whole(const cpu_tile *t)
{
    int64_t row_bytes = t->ldc * 4;
    if (t->c_in) {
        amx_load(0, t->c_in, row_bytes);
        amx_load(1, t->c_in + EDGE, row_bytes);
        amx_load(2, t->c_in + EDGE * t->ldc, row_bytes);
        amx_load(3, t->c_in + EDGE * t->ldc + EDGE, row_bytes);
    } else {
        amx_zero(0);
        amx_zero(1);
        amx_zero(2);
        amx_zero(3);
    }
    sum_tiles(t, true, true);
    amx_store(0, t->c, row_bytes);
    amx_store(1, t->c + EDGE, row_bytes);
    amx_store(2, t->c + EDGE * t->ldc, row_bytes);
    amx_store(3, t->c + EDGE * t->ldc + EDGE, row_bytes);
}

static void run_edge(const cpu_tile *t)
{
    float sums[MR][NR];
    bool two_columns = t->n > EDGE;
    amx_zero(0);
    amx_zero(1);
    amx_zero(2);
    amx_zero(3);
    if (two_columns)
        sum_tiles(t, true, true);
    else
        sum_tiles(t, true, false);
    amx_store(0, sums[0], NR * 4);
    amx_store(1, sums[0] + EDGE, NR * 4);
    amx_store(2, sums[EDGE], NR * 4);
    amx_store(3, sums[EDGE] + EDGE, NR * 4);
    for (int i = 0; i < t->m; i++) {
        vf row[2] = {vf_load(sums[i]), vf_load(sums[i] + V)};
        finish_row(t, i * t->ldc, row, two_columns ? 2 : 1);
    }
}

static void tile(const cpu_tile *t)
{
    if (t->m == MR && t->n == NR && t->alpha == 1)
        run_whole(t);
    else
        run_edge(t);
}

/* What the tiles hold does not matter. */
static double spin(int64_t n)
{
    begin();
    for (int64_t at = 0; at < n; at += 4) {
        amx_multiply(0, 4, 6);
        amx_multiply(1, 5, 6);
        amx_multiply(2, 4, 7);
        amx_multiply(3, 5, 7);
    }
    end();
    return (double)((n + 3) / 4 * 4) * (2 * EDGE * EDGE * 2 * EDGE);
}
