/* Rows of A as bytes or words: blocks of 32 elements with a scale each. Included by int8.inc.c.
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

CPU_INLINE float find_largest(const float *x)
{
    vi most = {0};
    for (int i = 0; i < N_PARTS; i++)
        most = larger_size(most, vf_load(x + V * i));
    return eai_f32_from_bits((uint32_t)largest_lane(most));
}

static void quantize32(quantized *q, const float *x, bool fine)
{
    vf part[N_PARTS];
    vi rounded[N_PARTS];
    float largest = find_largest(x);
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
    [EAI_##id] = {32 / (group), (wide) ? WIDE_ZERO : (zero), WORDS_ZERO(EAI_##id, zero),           \
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
        float scaled = q->d * (float)(fine ? 256 * sum[0] + sum[1] : sum[0]);
        memcpy(block + 36 * rows + 4 * ((groups + g) * rows + i), &scaled, sizeof(scaled));
    }
}

/* 32 elements as words, 256 times the first byte of quantize32 and the second; returns their scale,
 * *sum is that of the words. */
static float round_words(int16_t *out, int32_t *sum, const float *x, bool even_first)
{
    vi w[N_PARTS];
    vi total = {0};
    float largest = find_largest(x);
    *sum = 0;
    if (!(largest <= FLT_MAX) || largest < SMALLEST) {
        memset(out, 0, 32 * sizeof(*out));
        return largest < SMALLEST ? 0.0f : NAN;
    }
    float inverse = 127.0f / largest;
    for (int i = 0; i < N_PARTS; i++) {
        vf part = vf_load(x + V * i) * inverse;
        vi high = round_lanes(part);
        w[i] = high * 256 + round_lanes(magnify(part, high));
        total += w[i];
    }
    *sum = sum_integers(total);
    store_words(out, w);
    for (int i = 0; i < N_PARTS / 2 && even_first; i++) {
        vi pairs;
        memcpy(&pairs, out + 2 * V * i, sizeof(pairs));
        w[i] = (vi)((vu)pairs << 16) >> 16;
        w[i + N_PARTS / 2] = pairs >> 16;
    }
    if (even_first)
        store_words(out, w);
    return largest / (127.0f * 256.0f);
}

/* Row i of m as words: a block of a type with WORDS, whose groups are 32. */
static void store_row_of_words(uint8_t *block, const float *x, int i, int m, eai_dtype dtype)
{
    const int rows = 2 * m;
    int16_t w[32];
    int32_t sum;
    float d = round_words(w, &sum, x, int8_formats[dtype].even_first);
    float scaled = d * (float)sum;
    memcpy(block + 64 * i, w, sizeof(w));
    memcpy(block + 32 * rows + 4 * i, &d, sizeof(d));
    store_start(block, i, 0, rows, -int8_formats[dtype].words_zero * sum);
    memcpy(block + 36 * rows + 4 * (rows + i), &scaled, sizeof(scaled));
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
            if (fine && int8_formats[dtype].words) {
                store_row_of_words(block, x + i * ldx + at, i, m, dtype);
                continue;
            }
            quantize32(&q, x + i * ldx + at, fine);
            memcpy(block + 32 * i, q.codes[0], 32);
            if (fine)
                memcpy(block + 32 * (m + i), q.codes[1], 32);
            store_sums(block, &q, i, rows, dtype, fine);
        }
    }
}
