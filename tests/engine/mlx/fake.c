/* A plugin without MLX behind it, which fails in the way that it was compiled for:
 *     FAKE_TABLE    its table is of another version
 *     FAKE_VERSION  it was built against another MLX than it finds
 *     FAKE_OPEN     no session can be opened
 *     FAKE_MEMORY   the first operation runs out of memory
 *     FAKE_THROW    the first operation throws something else */
#include <stdio.h>
#include <string.h>

#include "engine/mlx/face.h"

#if defined(FAKE_MEMORY)
#define WHY "[malloc] Unable to allocate 123 bytes."
#else
#define WHY "[broadcast_shapes] Shapes (2) and (3) cannot be broadcast."
#endif

static bool failed;

static const char *running(void)
{
    return "1.2.4";
}

static bool has_gpu(void)
{
    return false;
}

static mlx_session *open_session(bool gpu, char *why, size_t n)
{
    (void)gpu;
#if defined(FAKE_OPEN)
    snprintf(why, n, "no device");
    return NULL;
#else
    (void)why;
    (void)n;
    static int session;
    failed = false;
    return (mlx_session *)(void *)&session;
#endif
}

static void nothing(mlx_session *s)
{
    (void)s;
}

static const char *failure(const mlx_session *s)
{
    (void)s;
    return failed ? WHY : NULL;
}

static bool out_of_memory(const mlx_session *s)
{
    return failure(s) && strstr(WHY, "malloc");
}

static void forgive(mlx_session *s)
{
    (void)s;
    failed = false;
}

static mlx_array *keep(mlx_array *a)
{
    return a;
}

static void drop(mlx_session *s, mlx_array *a)
{
    (void)s;
    (void)a;
}

static mlx_array *wrap(mlx_session *s, const void *data, mlx_type t, const eai_shape *shape)
{
    (void)s;
    (void)data;
    (void)t;
    (void)shape;
    failed = true;
    return NULL;
}

static mlx_array *binary(mlx_session *s, mlx_binary op, mlx_array *a, mlx_array *b)
{
    (void)s;
    (void)op;
    (void)a;
    (void)b;
    failed = true;
    return NULL;
}

static void memory(mlx_session *s, mlx_memory *out)
{
    (void)s;
    memset(out, 0, sizeof(*out));
}

static const mlx_face face = {
#if defined(FAKE_TABLE)
    .version = MLX_FACE_VERSION + 1,
#else
    .version = MLX_FACE_VERSION,
#endif
#if defined(FAKE_VERSION)
    .built_against = "1.2.3",
#else
    .built_against = "1.2.4",
#endif
    .running = running,
    .has_gpu = has_gpu,
    .open = open_session,
    .close = nothing,
    .failure = failure,
    .out_of_memory = out_of_memory,
    .forgive = forgive,
    .sweep = nothing,
    .keep = keep,
    .drop = drop,
    .wrap = wrap,
    .binary = binary,
    .memory = memory,
};

const mlx_face *efficientai_mlx_face(void)
{
    return &face;
}
