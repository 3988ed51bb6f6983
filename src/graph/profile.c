/* See profile.h. A kind of step is its operation, parameters, scope, types and shapes; kinds are
 * found by a hash table (what has the same hash of 64 bits counts as the same), events are numbers
 * of kinds with times. */
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/dtype.h>
#include <efficientai/fs.h>
#include <efficientai/profile.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "graph/backend.h"
#include "graph/cost.h"

#include "base/banned.h"

#define MAX_EVENTS   (1u << 20)
#define TRACE_BYTES  ((size_t)1 << 30)
#define SHAPES_SHOWN 30

typedef struct kind {
    uint64_t hash;
    eai_op op;
    const char *scope, *shapes; /* the arena's */
    double flops, bytes;        /* of a call */
    double seconds, least;
    size_t calls;
} kind;

typedef struct event {
    uint32_t kind;
    float seconds;
    double begin;
} event;

struct eai_profile {
    eai_arena *arena;
    kind *kinds;
    size_t n_kinds, kinds_capacity;
    uint32_t *slots; /* of the table: number of a kind plus 1; 0: empty */
    size_t n_slots;  /* a power of two, more than half of them empty */
    event *events;
    size_t n_events, events_capacity;
    size_t n_dropped;
    size_t n_lost; /* steps for which there was no memory */
    double start;
};

eai_status eai_profile_create(eai_profile **out, eai_error *err)
{
    eai_profile *p = eai_alloc_zeroed(1, sizeof(*p));

    *out = NULL;
    if (p)
        p->arena = eai_arena_create(0);
    if (!p || !p->arena) {
        eai_free(p);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a profile");
    }
    p->start = eai_clock_seconds();
    *out = p;
    return EAI_OK;
}

void eai_profile_free(eai_profile *p)
{
    if (!p)
        return;
    eai_arena_free(p->arena);
    eai_free(p->kinds);
    eai_free(p->slots);
    eai_free(p->events);
    eai_free(p);
}

void eai_backend_set_profile(eai_backend *b, eai_profile *p)
{
    b->profile = p;
}

/* ---- Kinds
 * ---------------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static uint64_t hash_operand(uint64_t h, const eai_operand *o)
{
    h = hash_bytes(h, &o->dtype, sizeof(o->dtype));
    return hash_bytes(h, o->shape.dim, (size_t)o->shape.n_dims * sizeof(o->shape.dim[0]));
}

static uint64_t hash_step(const eai_step *s)
{
    uint64_t h = hash_bytes(0xcbf29ce484222325u, &s->op, sizeof(s->op));
    for (int i = 0; i < s->n_in; i++)
        h = hash_operand(h, &s->in[i]);
    for (int i = 0; i < s->n_out; i++)
        h = hash_operand(h, &s->out[i]);
    h = hash_bytes(h, &s->params, sizeof(s->params));
    return hash_bytes(h, s->scope, strlen(s->scope));
}

static double operand_bytes(const eai_operand *o)
{
    int last = o->shape.n_dims - 1;
    double elements = (double)eai_shape_elements(&o->shape);
    if (!o->data || elements == 0)
        return 0;
    if (last < 0)
        return (double)eai_row_bytes(o->dtype, 1);
    int64_t columns = o->shape.dim[last];
    return elements / (double)columns * (double)eai_row_bytes(o->dtype, columns);
}

static double step_bytes(const eai_step *s)
{
    double bytes = 0;
    for (int i = 0; i < s->n_in; i++)
        bytes += operand_bytes(&s->in[i]);
    for (int i = 0; i < s->n_out; i++)
        bytes += operand_bytes(&s->out[i]);
    return bytes;
}

static void put_operand(eai_strbuf *b, const eai_operand *o)
{
    for (int i = 0; i < o->shape.n_dims; i++)
        eai_strbuf_printf(b, "%s%lld", i ? "x" : "", (long long)o->shape.dim[i]);
    if (o->shape.n_dims == 0)
        eai_strbuf_text(b, "1");
    if (o->dtype != EAI_F32 && o->dtype != EAI_F64)
        eai_strbuf_printf(b, ":%s", eai_dtype_get(o->dtype)->name);
}

/* "1024x576 576x1536:q4_1 -> 1024x1536" */
static const char *describe_shapes(eai_arena *arena, const eai_step *s)
{
    eai_strbuf b = EAI_STRBUF_INIT(1024);
    for (int i = 0; i < s->n_in; i++) {
        eai_strbuf_text(&b, i ? " " : "");
        put_operand(&b, &s->in[i]);
    }
    eai_strbuf_text(&b, " ->");
    for (int i = 0; i < s->n_out; i++) {
        eai_strbuf_text(&b, " ");
        put_operand(&b, &s->out[i]);
    }
    const char *text = b.status == EAI_OK ? eai_arena_strdup(arena, eai_strbuf_get(&b)) : NULL;
    eai_strbuf_deinit(&b);
    return text;
}

static size_t find_slot(const eai_profile *p, uint64_t hash)
{
    size_t i = (size_t)hash & (p->n_slots - 1);
    while (p->slots[i] && p->kinds[p->slots[i] - 1].hash != hash)
        i = (i + 1) & (p->n_slots - 1);
    return i;
}

static bool grow_table(eai_profile *p)
{
    size_t n_slots = p->n_slots ? 2 * p->n_slots : 512;
    uint32_t *slots = eai_alloc_zeroed(n_slots, sizeof(*slots));
    if (!slots)
        return false;
    eai_free(p->slots);
    p->slots = slots;
    p->n_slots = n_slots;
    for (size_t k = 0; k < p->n_kinds; k++)
        slots[find_slot(p, p->kinds[k].hash)] = (uint32_t)(k + 1);
    return true;
}

static bool grow_kinds(eai_profile *p)
{
    size_t capacity = p->kinds_capacity ? 2 * p->kinds_capacity : 256;
    kind *kinds = eai_realloc_array(p->kinds, capacity, sizeof(*kinds));
    if (!kinds)
        return false;
    p->kinds = kinds;
    p->kinds_capacity = capacity;
    return true;
}

/* The kind of a step, made where there is none yet; NULL without memory. */
static kind *find_kind(eai_profile *p, const eai_step *s)
{
    uint64_t hash = hash_step(s);
    if (2 * (p->n_kinds + 1) > p->n_slots && !grow_table(p))
        return NULL;
    size_t slot = find_slot(p, hash);
    if (p->slots[slot])
        return &p->kinds[p->slots[slot] - 1];
    if (p->n_kinds == p->kinds_capacity && !grow_kinds(p))
        return NULL;
    kind k = {.hash = hash, .op = s->op, .flops = graph__step_flops(s), .bytes = step_bytes(s)};
    k.scope = eai_arena_strdup(p->arena, s->scope);
    k.shapes = describe_shapes(p->arena, s);
    if (!k.scope || !k.shapes)
        return NULL;
    p->kinds[p->n_kinds] = k;
    p->slots[slot] = (uint32_t)++p->n_kinds;
    return &p->kinds[p->n_kinds - 1];
}

static void add_event(eai_profile *p, uint32_t number, double begin, double seconds)
{
    if (p->n_events == p->events_capacity && p->n_events < MAX_EVENTS) {
        size_t capacity = p->events_capacity ? 2 * p->events_capacity : 4096;
        event *events = eai_realloc_array(p->events, capacity, sizeof(*events));
        if (events) {
            p->events = events;
            p->events_capacity = capacity;
        }
    }
    if (p->n_events == p->events_capacity) {
        p->n_dropped++;
        return;
    }
    p->events[p->n_events++] = (event){number, (float)seconds, begin - p->start};
}

double graph__profile_step(eai_profile *p, const eai_step *s, double begin)
{
    double end = eai_clock_seconds();
    kind *k = find_kind(p, s);
    if (!k) {
        p->n_lost++;
        return eai_clock_seconds();
    }
    k->least = k->calls == 0 || end - begin < k->least ? end - begin : k->least;
    k->seconds += end - begin;
    k->calls++;
    add_event(p, (uint32_t)(k - p->kinds), begin, end - begin);
    return eai_clock_seconds();
}

/* ---- Reports
 * -------------------------------------------------------------------------------------- */

static eai_profile_totals totals_of(const kind *k)
{
    double calls = (double)k->calls;
    return (eai_profile_totals){k->seconds, k->least * calls, k->flops * calls, k->bytes * calls,
                                k->calls};
}

static void add_totals(eai_profile_totals *t, const eai_profile_totals *more)
{
    t->seconds += more->seconds;
    t->least += more->least;
    t->flops += more->flops;
    t->bytes += more->bytes;
    t->steps += more->steps;
}

void eai_profile_get_totals(eai_profile_totals *out, const eai_profile *p)
{
    *out = (eai_profile_totals){0};
    for (size_t i = 0; i < p->n_kinds; i++) {
        eai_profile_totals t = totals_of(&p->kinds[i]);
        add_totals(out, &t);
    }
}

static int by_name(const void *x, const void *y)
{
    const eai_profile_row *a = x;
    const eai_profile_row *b = y;
    int order = strcmp(a->op, b->op);
    return order ? order : strcmp(a->shapes, b->shapes);
}

static int by_time(const void *x, const void *y)
{
    double a = ((const eai_profile_row *)x)->totals.seconds;
    double b = ((const eai_profile_row *)y)->totals.seconds;
    return a < b ? 1 : a > b ? -1 : by_name(x, y);
}

/* Rows of the same name become one; the longest comes first. */
static size_t merge_rows(eai_profile_row *rows, size_t n)
{
    size_t kept = 0;
    qsort(rows, n, sizeof(*rows), by_name);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_name(&rows[kept - 1], &rows[i]) == 0)
            add_totals(&rows[kept - 1].totals, &rows[i].totals);
        else
            rows[kept++] = rows[i];
    }
    qsort(rows, kept, sizeof(*rows), by_time);
    return kept;
}

eai_status eai_profile_get_rows(eai_profile_row **out, size_t *n, const eai_profile *p,
                                bool by_shapes, eai_error *err)
{
    *n = 0;
    *out = eai_alloc_array(p->n_kinds + 1, sizeof(**out));
    if (!*out)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the table of a profile");
    for (size_t i = 0; i < p->n_kinds; i++) {
        const kind *k = &p->kinds[i];
        (*out)[i] =
            (eai_profile_row){eai_op_get(k->op)->name, by_shapes ? k->shapes : "", totals_of(k)};
    }
    *n = merge_rows(*out, p->n_kinds);
    return EAI_OK;
}

static void print_row(FILE *out, const eai_profile_row *r, double all)
{
    const eai_profile_totals *t = &r->totals;
    double s = t->seconds > 0 ? t->seconds : 1;
    fprintf(out, "  %-16s %8zu %10.1f %10.1f %6.1f %9.1f %7.1f  %s\n", r->op, t->steps,
            1e3 * t->seconds, 1e3 * t->least, all > 0 ? 100 * t->seconds / all : 0,
            t->flops / s / 1e9, t->bytes / s / 1e9, r->shapes);
}

static void print_rows(FILE *out, const eai_profile *p, bool by_shapes, size_t most, double all)
{
    eai_error err = EAI_ERROR_INIT;
    eai_profile_row *rows;
    size_t n;
    if (eai_profile_get_rows(&rows, &n, p, by_shapes, &err) != EAI_OK) {
        fprintf(out, "profile: %s\n", err.message);
        return;
    }
    fprintf(out, "  %-16s %8s %10s %10s %6s %9s %7s\n", "step", "calls", "ms", "least ms", "%",
            "GFLOP/s", "GB/s");
    for (size_t i = 0; i < n && i < most; i++)
        print_row(out, &rows[i], all);
    eai_free(rows);
}

void eai_profile_print(const eai_profile *p, FILE *out)
{
    eai_profile_row total = {"total", "", {0}};
    eai_profile_get_totals(&total.totals, p);
    fprintf(out, "profile: kinds of steps (least: had each step always taken its least time)\n");
    print_rows(out, p, false, SIZE_MAX, total.totals.seconds);
    print_row(out, &total, total.totals.seconds);
    fprintf(out, "shapes that take longest\n");
    print_rows(out, p, true, SHAPES_SHOWN, total.totals.seconds);
    if (p->n_lost > 0)
        fprintf(out, "%zu steps are missing: there was no memory for them\n", p->n_lost);
}

static void put_event(eai_strbuf *b, const event *e, const kind *k)
{
    double seconds = e->seconds > 0 ? (double)e->seconds : 1;
    eai_strbuf_text(b, "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":");
    eai_strbuf_json_string(b, eai_op_get(k->op)->name);
    eai_strbuf_printf(b, ",\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"scope\":", 1e6 * e->begin,
                      1e6 * (double)e->seconds);
    eai_strbuf_json_string(b, k->scope);
    eai_strbuf_text(b, ",\"shapes\":");
    eai_strbuf_json_string(b, k->shapes);
    eai_strbuf_printf(b, ",\"GFLOP/s\":%.1f,\"GB/s\":%.1f}}", k->flops / seconds / 1e9,
                      k->bytes / seconds / 1e9);
}

eai_status eai_profile_write_trace(const eai_profile *p, const char *path, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(TRACE_BYTES);
    eai_strbuf_printf(&b, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"steps left out\":%zu},\n",
                      p->n_dropped + p->n_lost);
    eai_strbuf_text(&b, "\"traceEvents\":[");
    for (size_t i = 0; i < p->n_events; i++) {
        eai_strbuf_text(&b, i ? ",\n" : "\n");
        put_event(&b, &p->events[i], &p->kinds[p->events[i].kind]);
    }
    eai_strbuf_text(&b, "\n]}\n");
    eai_status st = eai_strbuf_check(&b, "a trace", err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, eai_strbuf_get(&b), b.length, err);
    eai_strbuf_deinit(&b);
    return st;
}
