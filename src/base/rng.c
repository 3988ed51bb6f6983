/* Generators over Philox blocks: the counter is (block, stream), the key is the seed. */
#include <efficientai/rng.h>

#include <math.h>
#include <string.h>

#include "base/banned.h"

void eai_rng_init(eai_rng *rng, uint64_t seed, uint64_t stream)
{
    memset(rng, 0, sizeof(*rng));
    rng->seed = seed;
    rng->stream = stream;
}

uint32_t eai_rng_u32(eai_rng *rng)
{
    if (rng->left == 0) {
        const uint32_t counter[4] = {(uint32_t)rng->block, (uint32_t)(rng->block >> 32),
                                     (uint32_t)rng->stream, (uint32_t)(rng->stream >> 32)};
        const uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
        eai_philox(rng->values, counter, key);
        rng->block++;
        rng->left = 4;
    }
    return rng->values[4 - rng->left--];
}

uint64_t eai_rng_u64(eai_rng *rng)
{
    uint64_t low = eai_rng_u32(rng);
    return low | (uint64_t)eai_rng_u32(rng) << 32;
}

float eai_rng_uniform(eai_rng *rng)
{
    return (float)(eai_rng_u32(rng) >> 8) * 0x1p-24f;
}

double eai_rng_uniform_double(eai_rng *rng)
{
    return (double)(eai_rng_u64(rng) >> 11) * 0x1p-53;
}

double eai_rng_normal(eai_rng *rng)
{
    double u = 1 - eai_rng_uniform_double(rng); /* (0, 1]: the logarithm is finite */
    double v = eai_rng_uniform_double(rng);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t eai_rng_below(eai_rng *rng, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
    uint64_t x;
    do {
        x = eai_rng_u64(rng);
    } while (x >= limit);
    return x % n;
}

void eai_rng_fill_uniform(eai_rng *rng, float *out, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        out[i] = low + (high - low) * eai_rng_uniform(rng);
}

static void swap_items(unsigned char *a, unsigned char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void eai_rng_shuffle(eai_rng *rng, void *items, size_t n, size_t size)
{
    unsigned char *base = items;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)eai_rng_below(rng, i);
        if (j != i - 1)
            swap_items(base + j * size, base + (i - 1) * size, size);
    }
}
