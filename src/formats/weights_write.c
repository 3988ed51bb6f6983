/* The bytes of one tensor into a file: what the writers of all formats do alike. */
#include <efficientai/alloc.h>

#include "formats/weights_internal.h"

#include "base/banned.h"

#define FILL_BYTES ((size_t)4 << 20) /* of rows that a fill callback makes at a time */

/* A tensor whose bytes the caller makes, some rows at a time. */
static eai_status write_filled(eai_file_writer *f, const eai_weight_tensor *t,
                               const eai_weights_save_opts *opts, eai_error *err)
{
    int64_t row = t->shape.n_dims ? t->shape.dim[t->shape.n_dims - 1] : 1;
    size_t row_bytes = eai_row_bytes(t->dtype, row);
    eai_status st = EAI_OK;

    if (t->bytes == 0)
        return EAI_OK;
    int64_t n_rows = (int64_t)(t->bytes / row_bytes);
    int64_t at_once = row_bytes < FILL_BYTES ? (int64_t)(FILL_BYTES / row_bytes) : 1;
    if (at_once > n_rows)
        at_once = n_rows;
    void *rows = eai_alloc_aligned(64, (size_t)at_once * row_bytes);
    if (!rows)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %lld rows", (long long)at_once);
    for (int64_t first = 0; first < n_rows && st == EAI_OK; first += at_once) {
        int64_t n = n_rows - first < at_once ? n_rows - first : at_once;
        st = opts->fill(rows, t, first, n, opts->fill_ud, err);
        if (st == EAI_OK)
            st = eai_file_writer_write(f, rows, (size_t)n * row_bytes, err);
    }
    eai_free(rows);
    return st;
}

eai_status weights__write_tensor(eai_file_writer *f, const eai_weight_tensor *t,
                                 const eai_weights_save_opts *opts, eai_error *err)
{
    if (!t->data)
        return write_filled(f, t, opts, err);
    return eai_file_writer_write(f, t->data, t->bytes, err);
}
