/* What results of `efficientai bench` say of the program that made them. The one file that knows
 * the commit. */
#include "bench.h"

#include <string.h>

#include <efficientai/alloc.h>

#include "eai_commit.h"

#include "base/banned.h"

#ifdef __clang__
#define COMPILER __VERSION__ /* begins with the compiler's name */
#else
#define COMPILER "gcc " __VERSION__
#endif

extern char **environ; /* POSIX asks programs to declare it */

eai_status bench_results(eai_bench_results **out, const char *bench, uint64_t seed, eai_error *err)
{
    const char *const *environment;
    memcpy(&environment, &environ, sizeof(environment)); /* a view without the right to write */
    const eai_fingerprint_opts opts = {
        .version = EAI_VERSION,
        .commit = EAI_COMMIT,
        .compiler = COMPILER,
        .build_type = EAI_BUILD_TYPE,
        .environment = environment,
        .seed = seed,
    };
    EAI_TRY(eai_bench_results_create(out, bench, err));
    eai_status st = eai_bench_results_describe(*out, &opts, err);
    if (st != EAI_OK) {
        eai_bench_results_free(*out);
        *out = NULL;
    }
    return st;
}

eai_status bench_add_samples(eai_bench_results *r, const char *name, const double *seconds,
                             size_t n, eai_error *err)
{
    if (!eai_bench_results_find(r, name))
        return eai_bench_results_add(r, name, seconds, n, err);
    for (int i = 2;; i++) {
        char *other = eai_asprintf("%s #%d", name, i);
        if (!other)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
        bool is_free = !eai_bench_results_find(r, other);
        eai_status st = is_free ? eai_bench_results_add(r, other, seconds, n, err) : EAI_OK;
        eai_free(other);
        if (is_free)
            return st;
    }
}
