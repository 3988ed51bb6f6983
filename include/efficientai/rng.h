/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011), a block cipher over a counter.
 *
 * Use:
 *     eai_rng rng;
 *     eai_rng_init(&rng, seed, stream);           // streams of one seed are independent
 *     float u = eai_rng_uniform(&rng);
 *
 * Block number n of (seed, stream) is a pure function: kernels compute the n-th number in any order
 * (eai_philox), and the whole state of a generator is a few integers that a checkpoint can keep.
 *
 * Thread-safety: distinct generators are independent; eai_philox is pure. */
#ifndef EAI_RNG_H
#define EAI_RNG_H

#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out[4] = Philox4x32-10 of counter[4] under key[2]. */
static inline void eai_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

typedef struct eai_rng {
    uint64_t seed, stream;
    uint64_t block;     /* next block to make */
    uint32_t values[4]; /* of the last block */
    int left;           /* of them not yet handed out */
} eai_rng;

EAI_API void eai_rng_init(eai_rng *rng, uint64_t seed, uint64_t stream);
EAI_API uint32_t eai_rng_u32(eai_rng *rng);
EAI_API uint64_t eai_rng_u64(eai_rng *rng);
/* [0, 1), a multiple of 2^-24 (2^-53). */
EAI_API float eai_rng_uniform(eai_rng *rng);
EAI_API double eai_rng_uniform_double(eai_rng *rng);
/* Mean 0, variance 1 (Box and Muller 1958). */
EAI_API double eai_rng_normal(eai_rng *rng);
/* 0 .. n-1, each exactly as likely (rejection); n > 0. */
EAI_API uint64_t eai_rng_below(eai_rng *rng, uint64_t n);
/* n floats in [low, high). */
EAI_API void eai_rng_fill_uniform(eai_rng *rng, float *out, size_t n, float low, float high);
/* A random order of n items of `size` bytes (Fisher and Yates). */
EAI_API void eai_rng_shuffle(eai_rng *rng, void *items, size_t n, size_t size);

#ifdef __cplusplus
}
#endif
#endif
