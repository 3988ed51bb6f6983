/* Rotary position embedding. The cosines and sines of a position are made once for all its heads;
 * the frequencies theta^(-2i/D) / factors[i] once a step, in double. */
#include <math.h>

#include "engine/cpu/kernels.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/vec.h"

#include "base/banned.h"

typedef struct rope_job {
    const cpu_vec_table *vec;
    float *out;
    const float *x;
    const int32_t *positions;
    int64_t n_heads, half;
    double direction; /* -1 rotates backwards */
    const double *frequencies;
    char *angles; /* [threads] of cosines [half] and sines [half] */
    size_t angle_bytes;
} rope_job;

const char *cpu__rope_refuses(const cpu_backend *b, const eai_step *s)
{
    (void)b;
    return cpu__check_types(s, s->n_in == 3 ? "fif" : "fi");
}

size_t cpu__rope_workspace(const cpu_backend *b, const eai_step *s)
{
    int64_t width = s->in[0].shape.dim[2];
    return cpu__floats(width) * (size_t)(b->base.n_threads + 1);
}

static void rope_tokens(void *ctx, int64_t begin, int64_t end, int thread)
{
    const rope_job *j = ctx;
    float *cosines = (float *)(void *)(j->angles + (size_t)thread * j->angle_bytes);
    float *sines = cosines + j->half;

    for (int64_t t = begin; t < end; t++) {
        double position = j->direction * j->positions[t];
        j->vec->rope_angles(cosines, sines, j->frequencies, position, j->half);
        for (int64_t h = t * j->n_heads; h < (t + 1) * j->n_heads; h++)
            j->vec->rope(j->out + 2 * h * j->half, j->x + 2 * h * j->half, cosines, sines, j->half);
    }
}

void cpu__rope(cpu_backend *b, const eai_step *s, void *workspace)
{
    const eai_shape *x = &s->in[0].shape;
    const float *factors = s->n_in == 3 ? s->in[2].data : NULL;
    double *frequencies = workspace;
    rope_job j = {.vec = b->vec,
                  .out = s->out[0].data,
                  .x = s->in[0].data,
                  .positions = s->in[1].data,
                  .n_heads = x->dim[1],
                  .half = x->dim[2] / 2,
                  .direction = s->params.rope.inverse ? -1 : 1,
                  .frequencies = frequencies,
                  .angles = (char *)workspace + cpu__floats(x->dim[2]),
                  .angle_bytes = cpu__floats(x->dim[2])};

    for (int64_t i = 0; i < j.half; i++)
        frequencies[i] = pow(s->params.rope.theta, -2.0 * (double)i / (double)x->dim[2]) /
                         (factors ? (double)factors[i] : 1.0);
    cpu__for(b, x->dim[0], cpu__grain(x->dim[1] * x->dim[2]), rope_tokens, &j);
}
