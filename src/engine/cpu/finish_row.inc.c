/* The end of a tile. Included by gemm.inc.c and int8.inc.c, which say how many columns a tile has:
 * NR. */

/* c = alpha * acc + c_in for one row of nv vectors, of which n numbers exist. */
CPU_INLINE void finish_row(const cpu_tile *t, int64_t at, const vf *acc, int nv)
{
    if (t->n == nv * V) {
        for (int j = 0; j < nv; j++) {
            vf x = acc[j] * t->alpha;
            if (t->c_in)
                x = acc[j] * t->alpha + vf_load(t->c_in + at + j * V);
            vf_store(t->c + at + j * V, x);
        }
        return;
    }
    float row[NR] = {0};
    for (int j = 0; j < nv; j++)
        vf_store(row + j * V, acc[j]);
    for (int j = 0; j < t->n; j++)
        t->c[at + j] =
            t->c_in ? __builtin_fmaf(row[j], t->alpha, t->c_in[at + j]) : row[j] * t->alpha;
}
