/* Backends by name, and what can be asked of any of them. To add one: a row in `backends`. */
#include "graph/backend.h"

#include <string.h>

#include <efficientai/hardware.h>
#include <efficientai/log.h>

#include "engine/cpu/cpu.h"
#include "engine/mlx/mlx.h"
#include "engine/reference/reference.h"

#include "base/banned.h"

typedef eai_status (*open_fn)(eai_backend **out, const eai_backend_opts *opts, eai_error *err);

/* MLX on Apple Silicon, where its plugin is; its Linux build has no kernels that are worth it. */
static eai_status open_best(eai_backend **out, const eai_backend_opts *opts, eai_error *err)
{
    eai_error why = EAI_ERROR_INIT;
    if (!eai_hardware_get()->apple_silicon) {
        EAI_LOG(INFO, "engine", "backend auto: cpu, for MLX is at home on Apple Silicon");
        return cpu__open(out, opts, err);
    }
    if (mlx__open(out, opts, &why) == EAI_OK) {
        EAI_LOG(INFO, "engine", "backend auto: mlx, this is Apple Silicon");
        return EAI_OK;
    }
    EAI_LOG(WARN, "engine", "backend auto: cpu, not mlx: %s", why.message);
    return cpu__open(out, opts, err);
}

static const struct {
    const char *name;
    open_fn open;
} backends[] = {
    {"auto", open_best},
    {"cpu", cpu__open},
    {"mlx", mlx__open},
    {"reference", reference__open},
};

static const char *const precisions[] = {
    [EAI_PRECISION_AUTO] = "auto",
    [EAI_PRECISION_F32] = "f32",
    [EAI_PRECISION_BF16] = "bf16",
    [EAI_PRECISION_INT8] = "int8",
};

bool eai_precision_from_name(eai_precision *out, const char *name)
{
    for (size_t i = 0; i < sizeof(precisions) / sizeof(precisions[0]); i++) {
        if (strcmp(precisions[i], name) == 0) {
            *out = (eai_precision)i;
            return true;
        }
    }
    return false;
}

const char *eai_precision_name(eai_precision p)
{
    return precisions[p];
}

eai_status eai_backend_open(eai_backend **out, const char *name, const eai_backend_opts *opts,
                            eai_error *err)
{
    static const eai_backend_opts defaults = {0, EAI_PRECISION_AUTO, NULL};

    *out = NULL;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i].name, name) == 0)
            return backends[i].open(out, opts ? opts : &defaults, err);
    }
    return eai_error_set(err, EAI_ERR_ARGUMENT,
                         "unknown backend '%s'; there are auto, cpu, mlx and reference", name);
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

const char *eai_backend_name(const eai_backend *b)
{
    return b->ops->name;
}

const char *eai_backend_isa(const eai_backend *b)
{
    return b->isa;
}

uint64_t eai_backend_memory_budget(const eai_backend *b)
{
    return b->memory_budget;
}

int eai_backend_threads(const eai_backend *b)
{
    return b->n_threads;
}

eai_precision eai_backend_precision(const eai_backend *b)
{
    return b->precision;
}

double eai_backend_measure_peak(eai_backend *b)
{
    return b->ops->peak ? b->ops->peak(b) : 0;
}
