/* Backends by name, and what can be asked of any of them. To add one: a row in `backends`. */
#include "graph/backend.h"

#include <string.h>

#include "engine/cpu/cpu.h"
#include "engine/reference/reference.h"

#include "base/banned.h"

typedef eai_status (*open_fn)(eai_backend **out, const eai_backend_opts *opts, eai_error *err);

static const struct {
    const char *name;
    open_fn open;
} backends[] = {
    {"cpu", cpu__open},
    {"reference", reference__open},
};

eai_status eai_backend_open(eai_backend **out, const char *name, const eai_backend_opts *opts,
                            eai_error *err)
{
    static const eai_backend_opts defaults = {0, EAI_PRECISION_AUTO, NULL};

    *out = NULL;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i].name, name) == 0)
            return backends[i].open(out, opts ? opts : &defaults, err);
    }
    return eai_error_set(err, EAI_ERR_ARGUMENT, "unknown backend '%s'; there are cpu and reference",
                         name);
}

void eai_backend_close(eai_backend *b)
{
    if (b)
        b->ops->close(b);
}

const char *eai_backend_describe(const eai_backend *b)
{
    return b->description;
}

const char *eai_backend_isa(const eai_backend *b)
{
    return b->isa;
}

int eai_backend_threads(const eai_backend *b)
{
    return b->n_threads;
}

eai_precision eai_backend_precision(const eai_backend *b)
{
    return b->precision;
}
