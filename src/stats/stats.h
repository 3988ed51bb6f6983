/* What the files of this layer share. */
#ifndef EAI_STATS_STATS_H
#define EAI_STATS_STATS_H

#include <efficientai/stats.h>

/* 1 to EAI_STATS_MAX values, all finite; `what` begins the message. */
EAI_CHECKED eai_status stats__check(const char *what, const double *x, size_t n, eai_error *err);

/* A sorted copy of checked values, the caller's (eai_free). */
EAI_CHECKED eai_status stats__sorted(double **out, const double *x, size_t n, eai_error *err);

/* The cumulated distribution of U for lots of m and n values without ties: out[u] = P(U <= u), u
 * from 0 to m n. m + n <= EAI_STATS_EXACT. New memory (eai_free). */
EAI_CHECKED eai_status stats__u_distribution(double **out, size_t m, size_t n, eai_error *err);

/* Likewise of Wilcoxon's sum of ranks for n <= EAI_STATS_EXACT pairs, from 0 to n (n + 1) / 2. */
EAI_CHECKED eai_status stats__w_distribution(double **out, size_t n, eai_error *err);

#endif
