/* Rows of A as bytes: blocks of 32 elements with a scale each. Included by int8.inc.c.
 *
 * The largest is found among the bits without the sign, as integers: so infinity and NaN are larger
 * than any number, and such a block gets a scale that is no number, which reaches every sum that it
 * is part of. */

#define SMALLEST 1e-35f /* what is smaller is zero: 127 / x would overflow */

static void quantize32(uint8_t *codes, float *d, int32_t sum[2], const float *x)
{
    vf part[N_PARTS];
    vi rounded[N_PARTS];
    vi most = {0};
    for (int i = 0; i < N_PARTS; i++) {
        part[i] = vf_load(x + V * i);
        vi size = (vi)part[i] & 0x7fffffff;
        vi more = size > most;
        most = (size & more) | (most & ~more);
    }
    float largest = eai_f32_from_bits((uint32_t)largest_lane(most));
    if (!(largest <= FLT_MAX) || largest < SMALLEST) {
        memset(codes, 0, 32);
        sum[0] = sum[1] = 0;
        *d = largest < SMALLEST ? 0.0f : NAN;
        return;
    }
    float inverse = 127.0f / largest;
    vi total[2] = {{0}, {0}};
    for (int i = 0; i < N_PARTS; i++) {
        rounded[i] = round_lanes(part[i] * inverse);
        total[i * V / 16] += rounded[i];
    }
    store_bytes(codes, rounded);
    sum[0] = sum_integers(total[0]);
    sum[1] = sum_integers(total[1]);
    *d = largest / 127.0f;
}

static const struct {
    uint8_t groups, zero;
} int8_formats[EAI_DTYPE_COUNT] = {
#define ROW(id, name, group, zero, has_m, wide)                                                    \
    [EAI_##id] = {32 / (group), (wide) ? WIDE_ZERO : (zero)},
    CPU_INT8_FORMATS(ROW)
#undef ROW
};

/* 32 codes of row i of a block. Rows that a vector of sums pairs lie STEP bytes by STEP bytes. */
CPU_INLINE void store_codes(uint8_t *block, int i, const uint8_t codes[32], bool paired)
{
    if (!paired) {
        memcpy(block + 32 * i, codes, 32);
        return;
    }
    for (int s = 0; s < 32 / STEP; s++)
        memcpy(block + i / VR * VR * 32 + (s * VR + i % VR) * STEP, codes + s * STEP, STEP);
}

static void quantize(uint8_t *panel, const float *x, int64_t ldx, int m, int rows, int64_t k,
                     eai_dtype dtype)
{
    const int groups = int8_formats[dtype].groups;
    const int zero = int8_formats[dtype].zero;
    const bool paired = VR > 1 && rows == MR;
    size_t step = CPU_INT8_BLOCK(rows, groups);
    for (int i = 0; i < rows; i++) {
        uint8_t *block = panel;
        for (int64_t at = 0; at < k; at += 32, block += step) {
            uint8_t codes[32] = {0};
            float d = 0;
            int32_t sum[2] = {0, 0};
            if (i < m)
                quantize32(codes, &d, sum, x + i * ldx + at);
            store_codes(block, i, codes, paired);
            sum[0] += groups == 1 ? sum[1] : 0;
            memcpy(block + 32 * rows + 4 * i, &d, sizeof(d));
            for (int g = 0; g < groups; g++) {
                int32_t start = -zero * sum[g];
                float scaled = d * (float)sum[g];
                memcpy(block + 36 * rows + 4 * (g * rows + i), &start, sizeof(start));
                memcpy(block + 36 * rows + 4 * ((groups + g) * rows + i), &scaled, sizeof(scaled));
            }
        }
    }
}
