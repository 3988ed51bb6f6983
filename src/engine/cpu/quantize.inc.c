/* Rows of A as bytes: blocks of 32 elements with a scale each. Included by int8.inc.c.
 *
 * The largest is found among the bits without the sign, as integers: so infinity and NaN are larger
 * than any number, and such a block gets a scale that is no number, which reaches every sum that it
 * is part of. */

#define SMALLEST 1e-35f /* what is smaller is zero: 127 / x would overflow */

/* 32 elements as bytes: of each element the nearest, then, where `fine`, 256 times what is left. */
typedef struct quantized {
    float d; /* of the last bytes */
    uint8_t codes[2][32];
    int32_t sum[2][2]; /* of the codes, by halves */
} quantized;

static void round32(quantized *q, int digit, vi rounded[N_PARTS], const vf part[N_PARTS])
{
    vi total[2] = {{0}, {0}};
    for (int i = 0; i < N_PARTS; i++) {
        rounded[i] = round_lanes(part[i]);
        total[i * V / 16] += rounded[i];
    }
    store_bytes(q->codes[digit], rounded);
    q->sum[digit][0] = sum_integers(total[0]);
    q->sum[digit][1] = sum_integers(total[1]);
}

/* 256 times what rounding left, within what bytes hold: half a step would be 128 of the next. */
CPU_INLINE vf magnify(vf x, vi rounded)
{
    vf left = (x - __builtin_convertvector(rounded, vf)) * 256.0f;
    vi above = left > 127.0f;
    vi below = left < -127.0f;
    return (vf)(((vi)left & ~(above | below)) | (above & (vi)vf_set(127)) |
                (below & (vi)vf_set(-127)));
}

/* Lane by lane the larger of `most` and the bits of x without its sign. */
CPU_INLINE vi larger_size(vi most, vf x)
{
    vi size = (vi)x & 0x7fffffff;
    vi more = size > most;
    return (size & more) | (most & ~more);
}

static void quantize32(quantized *q, const float *x, bool fine)
{
    vf part[N_PARTS];
    vi rounded[N_PARTS];
    vi most = {0};
    for (int i = 0; i < N_PARTS; i++)
        most = larger_size(most, vf_load(x + V * i));
    float largest = eai_f32_from_bits((uint32_t)largest_lane(most));
    if (!(largest <= FLT_MAX) || largest < SMALLEST) {
        *q = (quantized){.d = largest < SMALLEST ? 0.0f : NAN};
        return;
    }
    float inverse = 127.0f / largest;
    for (int i = 0; i < N_PARTS; i++)
        part[i] = vf_load(x + V * i) * inverse;
    round32(q, 0, rounded, part);
    q->d = largest / 127.0f;
    if (!fine)
        return;
    for (int i = 0; i < N_PARTS; i++)
        part[i] = magnify(part[i], rounded[i]);
    round32(q, 1, rounded, part);
    q->d = largest / (127.0f * 256.0f);
}

static const struct {
    uint8_t groups, zero, words_zero;
    bool words, even_first;
} int8_formats[EAI_DTYPE_COUNT] = {
#define ROW(id, name, kind, group, zero, has_m, wide)                                              \
    [EAI_##id] = {32 / (group), (wide) ? WIDE_ZERO : (zero), WORDS_ZERO(EAI_##id, zero),                                    \
                     WORDS_KIND(EAI_##id) != WORDS_NONE, WORDS_EVEN_FIRST(EAI_##id)},
    CPU_INT8_FORMATS(ROW)
#undef ROW
};

static void store_start(uint8_t *block, int row, int g, int rows, int32_t start)
{
    memcpy(block + 36 * rows + 4 * (g * rows + row), &start, sizeof(start));
}

/* What stands behind the codes of a block: of row i da, and a number for each group and row. */
static void store_sums(uint8_t *block, const quantized *q, int i, int rows, eai_dtype dtype,
                       bool fine)
{
    const int groups = int8_formats[dtype].groups;
    const int zero = int8_formats[dtype].zero;
    memcpy(block + 32 * rows + 4 * i, &q->d, sizeof(q->d));
    for (int g = 0; g < groups; g++) {
        int32_t sum[2];
        for (int digit = 0; digit < (fine ? 2 : 1); digit++) {
            sum[digit] = groups == 1 ? q->sum[digit][0] + q->sum[digit][1] : q->sum[digit][g];
            store_start(block, i + digit * rows / 2, g, rows, -zero * sum[digit]);
        }
        int32_t whole = fine ? 256 * sum[0] + sum[1] : sum[0];
        if (fine && int8_formats[dtype].words)
            store_start(block, i, g, rows, -int8_formats[dtype].words_zero * whole);
        float scaled = q->d * (float)whole;
        memcpy(block + 36 * rows + 4 * ((groups + g) * rows + i), &scaled, sizeof(scaled));
    }
}

/* Both bytes of 32 elements of row i of m. */
static void store_fine(uint8_t *block, const quantized *q, int i, int m, eai_dtype dtype)
{
    int16_t both[32];
    if (!int8_formats[dtype].words) {
        memcpy(block + 32 * i, q->codes[0], 32);
        memcpy(block + 32 * (m + i), q->codes[1], 32);
        return;
    }
    for (int j = 0; j < 32; j++)
        both[j] = (int16_t)(256 * (int8_t)q->codes[0][j] + (int8_t)q->codes[1][j]);
    if (int8_formats[dtype].even_first) {
        int16_t in_order[32];
        memcpy(in_order, both, sizeof(both));
        for (int j = 0; j < 32; j++)
            both[j / 2 + j % 2 * 16] = in_order[j];
    }
    memcpy(block + 64 * i, both, sizeof(both));
}

static void quantize(uint8_t *panel, const float *x, int64_t ldx, int m, int64_t k, eai_dtype dtype,
                     bool fine)
{
    const int rows = fine ? 2 * m : m;
    size_t step = CPU_INT8_BLOCK(rows, int8_formats[dtype].groups);
    for (int i = 0; i < m; i++) {
        uint8_t *block = panel;
        for (int64_t at = 0; at < k; at += 32, block += step) {
            quantized q;
            quantize32(&q, x + i * ldx + at, fine);
            if (fine)
                store_fine(block, &q, i, m, dtype);
            else
                memcpy(block + 32 * i, q.codes[0], 32);
            store_sums(block, &q, i, rows, dtype, fine);
        }
    }
}
