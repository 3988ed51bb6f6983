/* For the files that are compiled once an instruction set (*.inc.c): the vector type and the
 * table's name.
 *
 * layer.cmake defines
 *     EAI_ISA_NAME     avx2
 *     EAI_ISA_WIDTH    floats a vector: 4, 8, 16
 *     EAI_ISA_BF16     1: bf16 dot products (gemm only)
 *     EAI_ISA_AMX      1: bf16 tiles (gemm only)
 *     EAI_ISA_NEON     1: 32 registers of four floats (gemm, int8)
 *     EAI_ISA_BFMMLA   1: bf16 blocks of 64-bit ARM (gemm only)
 *     EAI_ISA_VNNI     1: dot products of bytes of x86-64 (int8 only)
 *     EAI_ISA_I8MM     1: blocks of bytes of 64-bit ARM (int8 only)
 *     EAI_SMALL_CODE   1: the compiler decides what is inlined
 *     EAI_ISA_EMULATED 1: tests only; plain C in place of instructions that the compiler may not
 *                      use
 * Code is written with the compilers' vector extensions: operators work on whole vectors,
 * __builtin_shufflevector and __builtin_convertvector do the rest. Everything in such a file and in
 * the headers that only it includes is static: a shared function compiled for AVX-512 that the
 * linker kept would crash an older machine. */
#ifndef EAI_ENGINE_CPU_ISA_H
#define EAI_ENGINE_CPU_ISA_H

#include <stdint.h>
#include <string.h>

#define CPU_PASTE_(a, b) a##b
#define CPU_PASTE(a, b)  CPU_PASTE_(a, b)
#define CPU_STRING_(a)   #a
#define CPU_STRING(a)    CPU_STRING_(a)

#define V EAI_ISA_WIDTH

/* A copy for each constant argument is what makes the tiles quick. With a sanitizer's checks in
 * every copy the compiler would take minutes a file. */
#if defined(EAI_SMALL_CODE)
#define CPU_INLINE static inline
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* loops over arguments cannot be unrolled */
#endif
#else
#define CPU_INLINE static inline __attribute__((always_inline))
#endif

typedef float vf __attribute__((vector_size(4 * V)));
typedef int32_t vi __attribute__((vector_size(4 * V)));
typedef uint32_t vu __attribute__((vector_size(4 * V)));

CPU_INLINE vf vf_load(const void *p)
{
    vf v;
    memcpy(&v, p, sizeof(v));
    return v;
}

CPU_INLINE void vf_store(void *p, vf v)
{
    memcpy(p, &v, sizeof(v));
}

/* The same number in each lane (x - {0} keeps -0 and NaN as they are). */
CPU_INLINE vf vf_set(float x)
{
    return x - (vf){0};
}

/* The lanes d away from each other exchanged: for what is made of all lanes. */
#if V == 16
#define EXCHANGE_8(x)                                                                              \
    __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define EXCHANGE_4(x)                                                                              \
    __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define EXCHANGE_2(x)                                                                              \
    __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define EXCHANGE_1(x)                                                                              \
    __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#elif V == 8
#define EXCHANGE_4(x) __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
#define EXCHANGE_2(x) __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
#define EXCHANGE_1(x) __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6)
#else
#define EXCHANGE_2(x) __builtin_shufflevector(x, x, 2, 3, 0, 1)
#define EXCHANGE_1(x) __builtin_shufflevector(x, x, 1, 0, 3, 2)
#endif

#endif
