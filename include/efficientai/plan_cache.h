/* Plans by shape: a graph whose shapes change from run to run is planned once a shape, and the
 * plans used last are kept.
 *
 * Use:
 *     typedef struct ports { eai_operand ids, loss; } ports;     // what you look up in a plan
 *     eai_status build(eai_plan **out, void *p, const eai_plan_key *key, const eai_plan *lender,
 *                      void *ud, eai_error *err);                // makes the graph, plans it with
 *                                                                // eai_plan_create_sharing
 *     eai_plan_cache_opts opts = {.capacity = 8, .ports_bytes = sizeof(ports), .build = build};
 *     EAI_TRY(eai_plan_cache_create(&cache, &opts, err));
 *     EAI_TRY(eai_plan_cache_get(&entry, cache, (eai_plan_key){{n_tokens}}, err));
 *     ports *p = entry->ports;
 *     ... fill p->ids ...
 *     EAI_TRY(eai_plan_run(entry->plan, err));
 *
 * The key is whatever numbers determine the graph beside what `ud` fixes: the caller says. The
 * plans of a cache lie in the same memory where it is large enough for them (see
 * eai_plan_create_sharing): ask for the largest shape first and the cache takes what that one
 * takes; and read a run's results before another entry is asked for.
 *
 * Thread-safety: a cache belongs to one thread at a time. */
#ifndef EAI_PLAN_CACHE_H
#define EAI_PLAN_CACHE_H

#include <efficientai/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_plan_cache eai_plan_cache;

#define EAI_PLAN_KEY_SIZE 4
typedef struct eai_plan_key {
    int64_t n[EAI_PLAN_KEY_SIZE]; /* unused ones 0 */
} eai_plan_key;

/* A plan of the cache's. Borrowed, valid until the next eai_plan_cache_get or _clear. */
typedef struct eai_plan_entry {
    eai_plan_key key;
    eai_plan *plan;
    void *ports; /* [ports_bytes], filled by build; NULL where that is 0 */
} eai_plan_entry;

typedef struct eai_plan_cache_opts {
    size_t capacity;    /* plans that are kept, 1 to 4096; beyond it the least recently used goes */
    size_t ports_bytes; /* room beside each plan for what build finds in it; 0: none */
    /* Makes the plan of `key`; ownership passes to the cache. `ports` is zeroed. `lender` goes to
     * eai_plan_create_sharing; it may be NULL. */
    eai_status (*build)(eai_plan **out, void *ports, const eai_plan_key *key,
                        const eai_plan *lender, void *ud, eai_error *err);
    void *ud; /* borrowed, for build */
} eai_plan_cache_opts;

EAI_API EAI_CHECKED eai_status eai_plan_cache_create(eai_plan_cache **out,
                                                     const eai_plan_cache_opts *opts,
                                                     eai_error *err);
EAI_API void eai_plan_cache_free(eai_plan_cache *c);

/* The plan of `key`, built if it is not at hand. A build that fails is its error, and leaves every
 * plan as it was. */
EAI_API EAI_CHECKED eai_status eai_plan_cache_get(const eai_plan_entry **out, eai_plan_cache *c,
                                                  eai_plan_key key, eai_error *err);
/* Forgets all plans. */
EAI_API void eai_plan_cache_clear(eai_plan_cache *c);

typedef struct eai_plan_cache_stats {
    uint64_t hits;
    uint64_t misses;    /* builds, failed ones too */
    uint64_t evictions; /* plans that went for others */
    size_t plans;       /* at hand */
} eai_plan_cache_stats;
EAI_API void eai_plan_cache_get_stats(eai_plan_cache_stats *out, const eai_plan_cache *c);

#ifdef __cplusplus
}
#endif
#endif
