/* Plans by shape, least recently used first to go. Start at eai_plan_cache_get.
 *
 * Entries are looked for one by one: a cache holds a handful, and a hit is followed by a run of at
 * least microseconds. A new plan is made beside those at hand and only then takes a place, so that
 * a failure costs nothing that was there. Not here: what determines a graph, and what it is made
 * of; both are the caller's. */
#include <efficientai/plan_cache.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/banned.h"

#define CAPACITY_MAX 4096

typedef struct place {
    eai_plan_entry entry; /* .plan NULL: free */
    uint64_t last_use;
} place;

struct eai_plan_cache {
    eai_plan_cache_opts opts;
    place *places;        /* [capacity] */
    unsigned char *ports; /* [capacity + 1] of ports_bytes; one is a new plan's until it is made */
    unsigned char *spare; /* that one */
    uint64_t clock;
    eai_plan_cache_stats stats;
};

eai_status eai_plan_cache_create(eai_plan_cache **out, const eai_plan_cache_opts *opts,
                                 eai_error *err)
{
    *out = NULL;
    if (opts->capacity < 1 || opts->capacity > CAPACITY_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "a cache of %zu plans: allowed is 1 to %d",
                             opts->capacity, CAPACITY_MAX);
    eai_plan_cache *c = eai_alloc_zeroed(1, sizeof(*c));
    if (c) {
        c->opts = *opts;
        c->places = eai_alloc_zeroed(opts->capacity, sizeof(*c->places));
        c->ports = eai_alloc_zeroed(opts->capacity + 1, opts->ports_bytes ? opts->ports_bytes : 1);
    }
    if (!c || !c->places || !c->ports) {
        eai_plan_cache_free(c);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a cache of %zu plans",
                             opts->capacity);
    }
    for (size_t i = 0; opts->ports_bytes && i < opts->capacity; i++)
        c->places[i].entry.ports = c->ports + i * opts->ports_bytes;
    c->spare = opts->ports_bytes ? c->ports + opts->capacity * opts->ports_bytes : NULL;
    *out = c;
    return EAI_OK;
}

void eai_plan_cache_clear(eai_plan_cache *c)
{
    for (size_t i = 0; i < c->opts.capacity; i++) {
        eai_plan_free(c->places[i].entry.plan);
        c->places[i].entry.plan = NULL;
        c->places[i].last_use = 0;
    }
    c->stats.plans = 0;
}

void eai_plan_cache_free(eai_plan_cache *c)
{
    if (!c)
        return;
    if (c->places)
        eai_plan_cache_clear(c);
    eai_free(c->places);
    eai_free(c->ports);
    eai_free(c);
}

static size_t memory_of(const eai_plan *plan)
{
    eai_plan_memory m;
    eai_plan_get_memory(&m, plan);
    return m.inputs + m.activations;
}

/* Finds the key's place, the one that goes next, and the plan with the most memory. */
static place *find_place(place **oldest, const eai_plan **largest, const eai_plan_cache *c,
                         const eai_plan_key *key)
{
    *oldest = &c->places[0];
    *largest = NULL;
    for (size_t i = 0; i < c->opts.capacity; i++) {
        place *p = &c->places[i];
        if (p->last_use < (*oldest)->last_use)
            *oldest = p;
        if (!p->entry.plan)
            continue;
        if (memcmp(&p->entry.key, key, sizeof(*key)) == 0)
            return p;
        if (!*largest || memory_of(p->entry.plan) > memory_of(*largest))
            *largest = p->entry.plan;
    }
    return NULL;
}

/* Makes the plan of `key` and puts it in the place of the oldest. */
static eai_status build_plan(place *to, eai_plan_cache *c, const eai_plan_key *key,
                             const eai_plan *lender, eai_error *err)
{
    eai_plan *plan = NULL;
    unsigned char *ports = c->spare;

    if (ports)
        memset(ports, 0, c->opts.ports_bytes);
    EAI_TRY(c->opts.build(&plan, ports, key, lender, c->opts.ud, err));
    c->stats.evictions += to->entry.plan != NULL;
    c->stats.plans += to->entry.plan == NULL;
    eai_plan_free(to->entry.plan);
    c->spare = to->entry.ports;
    to->entry = (eai_plan_entry){*key, plan, ports};
    return EAI_OK;
}

eai_status eai_plan_cache_get(const eai_plan_entry **out, eai_plan_cache *c, eai_plan_key key,
                              eai_error *err)
{
    place *oldest;
    const eai_plan *largest;

    *out = NULL;
    place *found = find_place(&oldest, &largest, c, &key);
    if (found) {
        c->stats.hits++;
        EAI_LOG(TRACE, "plan", "the plan for shape %lld is there", (long long)key.n[0]);
    } else {
        c->stats.misses++;
        EAI_LOG(DEBUG, "plan", "no plan for shape %lld yet, making one", (long long)key.n[0]);
        EAI_TRY(build_plan(oldest, c, &key, largest, err));
        found = oldest;
    }
    found->last_use = ++c->clock;
    *out = &found->entry;
    return EAI_OK;
}

void eai_plan_cache_get_stats(eai_plan_cache_stats *out, const eai_plan_cache *c)
{
    *out = c->stats;
}
