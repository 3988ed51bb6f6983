/* What the products of attention multiply: floats, or units of two bf16 (bf16.inc.c) where the
 * table is compiled for them. Included by vec_attention.h only.
 *
 * A unit holds STEPS neighbours along the depth of a product, the sum's index. Left factors are
 * rows of units (pack_rows), right factors have a row of units for each STEPS of their rows
 * (pack_steps), or are transposed (pack_columns). A last step that is missing is 0. */
#ifndef EAI_ENGINE_CPU_VEC_UNITS_H
#define EAI_ENGINE_CPU_VEC_UNITS_H

#include "engine/cpu/vec_rows.h"

#include "engine/cpu/transpose.inc.c"

#ifdef EAI_ISA_BF16

#include <efficientai/convert.h>

#include "engine/cpu/bf16.inc.c"

#define STEPS 2
typedef uint32_t unit;
typedef vu units;

CPU_INLINE vf multiply_add(vf sum, const unit *left, units right)
{
    return dot_pairs(sum, left, right);
}

/* One product of units, for what is left of a width. */
CPU_INLINE float multiply_unit(unit left, unit right)
{
    return eai_bf16_to_f32((uint16_t)left) * eai_bf16_to_f32((uint16_t)right) +
           eai_bf16_to_f32((uint16_t)(left >> 16)) * eai_bf16_to_f32((uint16_t)(right >> 16));
}

/* out[n][row_units] = factor * rows of x */
static void pack_rows(unit *out, int64_t row_units, const float *x, int64_t row, int64_t n,
                      int64_t width, float factor)
{
    int64_t whole = width / (2 * V) * (2 * V);
    for (int64_t j = 0; j < n; j++, x += row, out += row_units) {
        for (int64_t d = 0; d < whole; d += 2 * V) {
            vu r = round_row(vf_load(x + d) * factor, vf_load(x + d + V) * factor);
            memcpy(out + d / 2, &r, sizeof(r));
        }
        if (whole < width) {
            float last[2 * V] = {0};
            memcpy(last, x + whole, (size_t)(width - whole) * sizeof(float));
            vu r = round_row(vf_load(last) * factor, vf_load(last + V) * factor);
            memcpy(out + whole / 2, &r, (size_t)((width - whole + 1) / 2) * sizeof(unit));
        }
    }
}

/* out[rows / 2][width] = factor * rows first .. last of x; the other ones of `rows` are 0. */
static void pack_steps(unit *out, const float *x, int64_t row, int64_t first, int64_t last,
                       int64_t rows, int64_t width, float factor)
{
    for (int64_t j = 0; j < rows; j += 2) {
        ROW_LOOP(d, count, width)
        {
            vf step[2] = {{0}};
            for (int odd = 0; odd < 2; odd++)
                if (j + odd >= first && j + odd < last)
                    step[odd] = load_some(x + (j + odd) * row + d, count) * factor;
            vu r = round_steps(step[0], step[1]);
            if (count == V)
                memcpy(out + j / 2 * width + d, &r, sizeof(r));
            else
                memcpy(out + j / 2 * width + d, &r, (size_t)count * sizeof(unit));
        }
    }
}

#else

#define STEPS 1
typedef float unit;
typedef vf units;

CPU_INLINE vf multiply_add(vf sum, const unit *left, units right)
{
    return sum + vf_set(*left) * right;
}

CPU_INLINE float multiply_unit(unit left, unit right)
{
    return left * right;
}

static void pack_rows(unit *out, int64_t row_units, const float *x, int64_t row, int64_t n,
                      int64_t width, float factor)
{
    for (int64_t j = 0; j < n; j++) {
        ROW_LOOP(d, count, width)
        {
            store_some(out + j * row_units + d, load_some(x + j * row + d, count) * factor, count);
        }
    }
}

/* Rows that do not count stay as they are: nothing multiplies them. */
static void pack_steps(unit *out, const float *x, int64_t row, int64_t first, int64_t last,
                       int64_t rows, int64_t width, float factor)
{
    (void)rows;
    pack_rows(out + first * width, width, x + first * row, row, last - first, width, factor);
}

#endif

#define PART 64 /* steps of rows that are transposed at a time */

CPU_INLINE int64_t count_units(int64_t steps)
{
    return (steps + STEPS - 1) / STEPS;
}

CPU_INLINE units load_units(const unit *p)
{
    units x;
    memcpy(&x, p, sizeof(x));
    return x;
}

/* out[units of width][columns] = transposed rows of x [n][width], n > 0; columns behind them hold
 * anything. */
static void pack_columns(unit *out, const float *x, int64_t row, int64_t n, int64_t width,
                         int64_t columns)
{
    if (STEPS == 1) {
        transpose((uint32_t *)(void *)out, columns, (int)columns, x, row, (int)n, width);
        return;
    }
    unit rows[CPU_ATTENTION_KEYS * PART / STEPS];
    for (int64_t d = 0; d < width; d += PART) {
        int64_t steps = width - d < PART ? width - d : PART;
        pack_rows(rows, PART / STEPS, x + d, row, n, steps, 1.0f);
        transpose((uint32_t *)(void *)out + d / STEPS * columns, columns, (int)columns, rows,
                  PART / STEPS, (int)n, count_units(steps));
    }
}

#endif
