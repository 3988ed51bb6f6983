/* Profiles: how long each kind of step of the plans of a backend takes.
 *
 * Use:
 *     eai_profile *p;
 *     EAI_TRY(eai_profile_create(&p, err));
 *     eai_backend_set_profile(backend, p);      // from now on every run is timed
 *     ... eai_plan_run ...
 *     eai_profile_print(p, stderr);             // a table for people
 *     st = eai_profile_write_trace(p, "trace.json", err);
 *     eai_backend_set_profile(backend, NULL);
 *     eai_profile_free(p);
 *
 * A step is timed from its start to its end, all threads together; the time in which it is entered
 * here counts for none. FLOPs are those of eai_plan_flops: upper bounds where data decides. Bytes
 * are those of a step's operands, each once; a step that reads them several times moves more.
 * Thread-safety: a profile belongs to one backend at a time and may be read while no plan runs. */
#ifndef EAI_PROFILE_H
#define EAI_PROFILE_H

#include <stdio.h>

#include <efficientai/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_profile eai_profile;

EAI_API EAI_CHECKED eai_status eai_profile_create(eai_profile **out, eai_error *err);
EAI_API void eai_profile_free(eai_profile *p);
/* Borrows `p`, NULL for none. With one, steps run one by one that would run together. */
EAI_API void eai_backend_set_profile(eai_backend *b, eai_profile *p);

/* Totals of all steps so far. */
typedef struct eai_profile_totals {
    double seconds;
    double least; /* had each step always taken the least time that it ever took */
    double flops, bytes;
    size_t steps;
} eai_profile_totals;
EAI_API void eai_profile_get_totals(eai_profile_totals *out, const eai_profile *p);

/* The totals of an operation, or of one with the same shapes. */
typedef struct eai_profile_row {
    const char *op, *shapes; /* shapes "" where they are not told apart; the profile's */
    eai_profile_totals totals;
} eai_profile_row;
/* All of them, the longest first: *n rows in new memory, freed with eai_free. */
EAI_API EAI_CHECKED eai_status eai_profile_get_rows(eai_profile_row **out, size_t *n,
                                                    const eai_profile *p, bool by_shapes,
                                                    eai_error *err);

/* Kinds of operations, then the shapes that take longest: calls, time, share, GFLOP/s, GB/s. */
EAI_API void eai_profile_print(const eai_profile *p, FILE *out);
/* Every step as an event, for chrome://tracing or ui.perfetto.dev. Those after the first million
 * are left out, and the file says how many. */
EAI_API EAI_CHECKED eai_status eai_profile_write_trace(const eai_profile *p, const char *path,
                                                       eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
