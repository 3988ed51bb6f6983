// The plugin: MLX behind the table of face.h. The only C++ of the tree; it holds no logic of ours,
// turns exceptions into text, and uses basic arguments of MLX alone, which stay the same from one
// version to the next.
#include "engine/mlx/face.h"

#include <cstring>
#include <new>
#include <string>
#include <unordered_set>
#include <vector>

#include <mlx/mlx.h>
#include <mlx/version.h>

namespace mx = mlx::core;

struct mlx_array {
    mx::array value;
    int kept;
};

struct mlx_session {
    mx::Stream stream;
    bool failed;
    bool no_memory;
    std::string why;
    std::vector<mlx_array *> made; // since the last sweep; those that are kept leave it there
    explicit mlx_session(mx::Stream s) : stream(s), failed(false), no_memory(false)
    {
    }
};

namespace
{

const mx::Dtype dtypes[] = {mx::bool_, mx::uint8,   mx::uint32,   mx::uint64, mx::int32,
                            mx::int64, mx::float16, mx::bfloat16, mx::float32};

mx::Shape shape_of(const eai_shape *s)
{
    mx::Shape shape;
    for (int i = 0; i < s->n_dims; i++) {
        if (s->dim[i] > INT32_MAX)
            throw std::invalid_argument("a dimension of " + std::to_string(s->dim[i]) +
                                        " is beyond MLX's 2^31 - 1");
        shape.push_back(static_cast<mx::ShapeElem>(s->dim[i]));
    }
    return shape;
}

int int_of(int64_t n)
{
    if (n > INT32_MAX || n < INT32_MIN)
        throw std::invalid_argument("an index of " + std::to_string(n) +
                                    " is beyond MLX's 2^31 - 1");
    return static_cast<int>(n);
}

void fail(mlx_session *s, const char *why)
{
    if (s->failed)
        return;
    s->failed = true;
    // MLX throws runtime_error for all; its allocators name themselves.
    s->no_memory =
        std::strstr(why, "malloc") != nullptr || std::strstr(why, "bad_alloc") != nullptr;
    try {
        s->why = why;
    } catch (...) {
        s->why.clear();
    }
}

// Calls f, unless something failed before; an exception is the session's failure, and `otherwise`
// the result.
template <typename T, typename F> T guard(mlx_session *s, T otherwise, F f)
{
    if (s->failed)
        return otherwise;
    try {
        return f();
    } catch (const std::exception &e) {
        fail(s, e.what());
    } catch (...) {
        fail(s, "an exception that is no std::exception");
    }
    return otherwise;
}

template <typename F> mlx_array *make(mlx_session *s, F f)
{
    return guard(s, static_cast<mlx_array *>(nullptr), [&] {
        s->made.reserve(s->made.size() + 1);
        auto *a = new mlx_array{f(), 0};
        s->made.push_back(a);
        return a;
    });
}

std::optional<mx::array> maybe(const mlx_array *a)
{
    return a ? std::optional<mx::array>(a->value) : std::nullopt;
}

const char *running()
{
    return mx::version();
}

bool has_gpu()
{
    try {
        return mx::is_available(mx::Device(mx::Device::gpu));
    } catch (...) {
        return false;
    }
}

mlx_session *open(bool gpu, char *why, size_t n)
{
    try {
        mx::Device device(gpu ? mx::Device::gpu : mx::Device::cpu);
        mx::set_default_device(device);
        // A session may move from thread to thread, one at a time.
        return new mlx_session(mx::new_thread_unsafe_stream(device));
    } catch (const std::exception &e) {
        std::strncpy(why, e.what(), n - 1);
        why[n - 1] = '\0';
        return nullptr;
    }
}

void sweep(mlx_session *s)
{
    for (mlx_array *a : s->made)
        if (a->kept == 0)
            delete a;
    s->made.clear();
}

void close(mlx_session *s)
{
    sweep(s);
    try {
        mx::synchronize(s->stream);
    } catch (...) {
        fail(s, "synchronize");
    }
    delete s;
}

const char *failure(const mlx_session *s)
{
    return s->failed ? s->why.c_str() : nullptr;
}

bool out_of_memory(const mlx_session *s)
{
    return s->failed && s->no_memory;
}

void forgive(mlx_session *s)
{
    s->failed = false;
    s->no_memory = false;
}

mlx_array *keep(mlx_array *a)
{
    if (a)
        a->kept++;
    return a;
}

// Dropped before a sweep, it is still in `made`, which frees it.
void drop(mlx_session *s, mlx_array *a)
{
    if (!a || --a->kept > 0)
        return;
    for (const mlx_array *made : s->made)
        if (made == a)
            return;
    delete a;
}

bool eval(mlx_session *s, mlx_array *const *a, size_t n)
{
    return guard(s, false, [&] {
        std::vector<mx::array> values;
        for (size_t i = 0; i < n; i++)
            if (a[i])
                values.push_back(a[i]->value);
        mx::eval(values);
        return true;
    });
}

const void *data(mlx_session *s, mlx_array *a)
{
    return guard(s, static_cast<const void *>(nullptr), [&]() -> const void * {
        if (!a)
            throw std::invalid_argument("no such value");
        a->value.eval();
        if (!a->value.flags().row_contiguous) {
            a->value = mx::contiguous(a->value, false, s->stream);
            a->value.eval();
        }
        return a->value.data<void>();
    });
}

mlx_type type(const mlx_array *a)
{
    for (int i = 0; i <= MLX_F32; i++)
        if (dtypes[i] == a->value.dtype())
            return static_cast<mlx_type>(i);
    return MLX_F32;
}

void shape(const mlx_array *a, eai_shape *out)
{
    *out = eai_shape{};
    out->n_dims = static_cast<int>(a->value.ndim());
    for (int i = 0; i < out->n_dims && i < EAI_MAX_DIMS; i++)
        out->dim[i] = a->value.shape(i);
}

size_t bytes(const mlx_array *a)
{
    return a->value.nbytes();
}

mlx_array *wrap(mlx_session *s, const void *data, mlx_type t, const eai_shape *shape)
{
    return make(s, [&] {
        return mx::array(const_cast<void *>(data), shape_of(shape), dtypes[t], [](void *) {});
    });
}

mlx_array *copy(mlx_session *s, const void *data, mlx_type t, const eai_shape *shape)
{
    return make(s, [&] {
        mx::Shape dims = shape_of(shape);
        size_t bytes = dtypes[t].size();
        for (auto d : dims)
            bytes *= static_cast<size_t>(d);
        mx::allocator::Data block = mx::allocator::malloc(bytes ? bytes : 1);
        mx::allocator::Buffer buffer = block.buffer();
        std::memcpy(buffer.raw_ptr(), data, bytes);
        return mx::array(std::move(block), dims, dtypes[t]);
    });
}

mlx_array *scalar(mlx_session *s, double value, mlx_type t)
{
    return make(s, [&] { return mx::array(value, dtypes[t]); });
}

mlx_array *full(mlx_session *s, double value, mlx_type t, const eai_shape *shape)
{
    return make(s,
                [&] { return mx::full(shape_of(shape), mx::array(value, dtypes[t]), s->stream); });
}

mlx_array *arange(mlx_session *s, int64_t n, mlx_type t)
{
    return make(s,
                [&] { return mx::arange(0.0, static_cast<double>(n), 1.0, dtypes[t], s->stream); });
}

mlx_array *unary(mlx_session *s, mlx_unary op, mlx_array *x)
{
    return make(s, [&] {
        const mx::array &a = x->value;
        switch (op) {
        case MLX_NEGATIVE:
            return mx::negative(a, s->stream);
        case MLX_EXP:
            return mx::exp(a, s->stream);
        case MLX_LOG:
            return mx::log(a, s->stream);
        case MLX_SIGMOID:
            return mx::sigmoid(a, s->stream);
        case MLX_TANH:
            return mx::tanh(a, s->stream);
        case MLX_COS:
            return mx::cos(a, s->stream);
        case MLX_SIN:
            return mx::sin(a, s->stream);
        case MLX_SQUARE:
            return mx::square(a, s->stream);
        case MLX_SQRT:
            return mx::sqrt(a, s->stream);
        case MLX_RSQRT:
            return mx::rsqrt(a, s->stream);
        }
        throw std::invalid_argument("unary operation " + std::to_string(op));
    });
}

mlx_array *binary(mlx_session *s, mlx_binary op, mlx_array *x, mlx_array *y)
{
    return make(s, [&] {
        const mx::array &a = x->value;
        const mx::array &b = y->value;
        switch (op) {
        case MLX_ADD:
            return mx::add(a, b, s->stream);
        case MLX_SUBTRACT:
            return mx::subtract(a, b, s->stream);
        case MLX_MULTIPLY:
            return mx::multiply(a, b, s->stream);
        case MLX_DIVIDE:
            return mx::divide(a, b, s->stream);
        case MLX_MAXIMUM:
            return mx::maximum(a, b, s->stream);
        case MLX_MINIMUM:
            return mx::minimum(a, b, s->stream);
        case MLX_POWER:
            return mx::power(a, b, s->stream);
        case MLX_GREATER:
            return mx::greater(a, b, s->stream);
        case MLX_GREATER_EQUAL:
            return mx::greater_equal(a, b, s->stream);
        case MLX_LESS:
            return mx::less(a, b, s->stream);
        case MLX_EQUAL:
            return mx::equal(a, b, s->stream);
        case MLX_AND:
            return mx::bitwise_and(a, b, s->stream);
        case MLX_XOR:
            return mx::bitwise_xor(a, b, s->stream);
        case MLX_SHIFT_RIGHT:
            return mx::right_shift(a, b, s->stream);
        }
        throw std::invalid_argument("binary operation " + std::to_string(op));
    });
}

mlx_array *where(mlx_session *s, mlx_array *condition, mlx_array *a, mlx_array *b)
{
    return make(s, [&] { return mx::where(condition->value, a->value, b->value, s->stream); });
}

mlx_array *cast(mlx_session *s, mlx_array *x, mlx_type t)
{
    return make(s, [&] { return mx::astype(x->value, dtypes[t], s->stream); });
}

mlx_array *reshape(mlx_session *s, mlx_array *x, const eai_shape *shape)
{
    return make(s, [&] { return mx::reshape(x->value, shape_of(shape), s->stream); });
}

mlx_array *transpose(mlx_session *s, mlx_array *x, const int *axes)
{
    return make(s, [&] {
        return mx::transpose(x->value, std::vector<int>(axes, axes + x->value.ndim()), s->stream);
    });
}

mlx_array *broadcast_to(mlx_session *s, mlx_array *x, const eai_shape *shape)
{
    return make(s, [&] { return mx::broadcast_to(x->value, shape_of(shape), s->stream); });
}

mlx_array *slice(mlx_session *s, mlx_array *x, int axis, int64_t start, int64_t stop)
{
    return make(s, [&] {
        mx::Shape from(x->value.ndim(), 0);
        mx::Shape to = x->value.shape();
        from.at(axis) = int_of(start);
        to.at(axis) = int_of(stop);
        return mx::slice(x->value, from, to, s->stream);
    });
}

mlx_array *put_rows(mlx_session *s, mlx_array *x, mlx_array *update, int64_t at)
{
    return make(s, [&] {
        mx::Shape from(x->value.ndim(), 0);
        mx::Shape to = x->value.shape();
        from.at(0) = int_of(at);
        to.at(0) = int_of(at + update->value.shape(0));
        return mx::slice_update(x->value, update->value, from, to, s->stream);
    });
}

mlx_array *concatenate(mlx_session *s, mlx_array *a, mlx_array *b, int axis)
{
    return make(s, [&] { return mx::concatenate({a->value, b->value}, axis, s->stream); });
}

mlx_array *stack_last(mlx_session *s, mlx_array *const *a, int n)
{
    return make(s, [&] {
        std::vector<mx::array> values;
        for (int i = 0; i < n; i++)
            values.push_back(a[i]->value);
        return mx::stack(values, -1, s->stream);
    });
}

mlx_array *sum(mlx_session *s, mlx_array *x, unsigned axes, bool keep)
{
    return make(s, [&] {
        std::vector<int> list;
        for (int i = 0; i < static_cast<int>(x->value.ndim()); i++)
            if (axes >> i & 1)
                list.push_back(i);
        return mx::sum(x->value, list, keep, s->stream);
    });
}

mlx_array *max_last(mlx_session *s, mlx_array *x)
{
    return make(s, [&] { return mx::max(x->value, -1, true, s->stream); });
}

mlx_array *logsumexp_last(mlx_session *s, mlx_array *x)
{
    return make(s, [&] { return mx::logsumexp(x->value, -1, true, s->stream); });
}

mlx_array *softmax_last(mlx_session *s, mlx_array *x)
{
    return make(s, [&] { return mx::softmax(x->value, -1, true, s->stream); });
}

mlx_array *matmul(mlx_session *s, mlx_array *a, mlx_array *b)
{
    return make(s, [&] { return mx::matmul(a->value, b->value, s->stream); });
}

mlx_array *take_rows(mlx_session *s, mlx_array *x, mlx_array *ids)
{
    return make(s, [&] { return mx::take(x->value, ids->value, 0, s->stream); });
}

mlx_array *take_along_last(mlx_session *s, mlx_array *x, mlx_array *ids)
{
    return make(s, [&] { return mx::take_along_axis(x->value, ids->value, -1, s->stream); });
}

mlx_array *add_rows(mlx_session *s, mlx_array *x, mlx_array *ids, mlx_array *update)
{
    return make(s, [&] {
        mx::array one = mx::expand_dims(update->value, 1, s->stream);
        return mx::scatter_add(x->value, {ids->value}, one, {0}, s->stream);
    });
}

mlx_array *rms_norm(mlx_session *s, mlx_array *x, mlx_array *weight, double eps)
{
    return make(s, [&] {
        return mx::fast::rms_norm(x->value, maybe(weight), static_cast<float>(eps), s->stream);
    });
}

mlx_array *rope(mlx_session *s, mlx_array *x, double base, double scale, int64_t first,
                mlx_array *freqs)
{
    return make(s, [&] {
        std::optional<float> theta;
        if (!freqs)
            theta = static_cast<float>(base);
        return mx::fast::rope(x->value, x->value.shape(-1), false, theta, static_cast<float>(scale),
                              int_of(first), maybe(freqs), s->stream);
    });
}

mlx_array *attention(mlx_session *s, mlx_array *q, mlx_array *k, mlx_array *v, double scale,
                     bool causal, mlx_array *mask)
{
    return make(s, [&] {
        return mx::fast::scaled_dot_product_attention(
            q->value, k->value, v->value, static_cast<float>(scale),
            causal && !mask ? "causal" : "", maybe(mask), std::nullopt, false, s->stream);
    });
}

mlx_array *dequantize(mlx_session *s, const mlx_packed *w, mlx_type t)
{
    return make(s, [&] {
        return mx::dequantize(w->codes->value, w->scales->value, maybe(w->biases), w->group,
                              w->bits, w->mode, std::nullopt, dtypes[t], s->stream);
    });
}

mlx_array *quantized_matmul(mlx_session *s, mlx_array *x, const mlx_packed *w, bool trans)
{
    return make(s, [&] {
        return mx::quantized_matmul(x->value, w->codes->value, w->scales->value, maybe(w->biases),
                                    trans, w->group, w->bits, w->mode, s->stream);
    });
}

// A property of the device, whose names differ from one to the other.
void find_property(const mx::Device &device, const char *name, char *text, size_t n, size_t *number)
{
    const auto &info = mx::device_info(device);
    auto found = info.find(name);
    if (found == info.end())
        return;
    if (const auto *s = std::get_if<std::string>(&found->second); s && text)
        std::strncpy(text, s->c_str(), n - 1);
    if (const auto *k = std::get_if<size_t>(&found->second); k && number)
        *number = *k;
}

void memory(mlx_session *s, mlx_memory *out)
{
    *out = mlx_memory{};
    guard(s, false, [&] {
        const mx::Device &device = s->stream.device;
        out->active = mx::get_active_memory();
        out->peak = mx::get_peak_memory();
        out->cache = mx::get_cache_memory();
        find_property(device, "device_name", out->device, sizeof(out->device), nullptr);
        find_property(device, "architecture", out->architecture, sizeof(out->architecture),
                      nullptr);
        find_property(device, "memory_size", nullptr, 0, &out->total);
        find_property(device, "max_recommended_working_set_size", nullptr, 0, &out->working_set);
        return true;
    });
}

bool limit(mlx_session *s, size_t memory, size_t cache, size_t wired)
{
    (void)s;
    try { // a limit that the system refuses is no failure of the session
        if (memory != SIZE_MAX)
            mx::set_memory_limit(memory);
        if (cache != SIZE_MAX)
            mx::set_cache_limit(cache);
        if (wired != SIZE_MAX)
            mx::set_wired_limit(wired);
        return true;
    } catch (...) {
        return false;
    }
}

#define TEXT(x)       #x
#define JOIN(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)

const mlx_face face = {
    .version = MLX_FACE_VERSION,
    .built_against = JOIN(MLX_VERSION_MAJOR, MLX_VERSION_MINOR, MLX_VERSION_PATCH),
    .running = running,
    .has_gpu = has_gpu,
    .open = open,
    .close = close,
    .failure = failure,
    .out_of_memory = out_of_memory,
    .forgive = forgive,
    .sweep = sweep,
    .keep = keep,
    .drop = drop,
    .eval = eval,
    .data = data,
    .type = type,
    .shape = shape,
    .bytes = bytes,
    .wrap = wrap,
    .copy = copy,
    .scalar = scalar,
    .full = full,
    .arange = arange,
    .unary = unary,
    .binary = binary,
    .where = where,
    .cast = cast,
    .reshape = reshape,
    .transpose = transpose,
    .broadcast_to = broadcast_to,
    .slice = slice,
    .put_rows = put_rows,
    .concatenate = concatenate,
    .stack_last = stack_last,
    .sum = sum,
    .max_last = max_last,
    .logsumexp_last = logsumexp_last,
    .softmax_last = softmax_last,
    .matmul = matmul,
    .take_rows = take_rows,
    .take_along_last = take_along_last,
    .add_rows = add_rows,
    .rms_norm = rms_norm,
    .rope = rope,
    .attention = attention,
    .dequantize = dequantize,
    .quantized_matmul = quantized_matmul,
    .memory = memory,
    .limit = limit,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const mlx_face *efficientai_mlx_face(void)
{
    return &face;
}
