/* What the control groups of Linux allow this process: CPU time and memory, as containers and
 * services are limited. The files are described in the kernel's admin-guide/cgroup-v2.rst and
 * cgroup-v1/memory.rst and scheduler/sched-bwc.rst. */
#ifndef EAI_MACHINE_CGROUP_H
#define EAI_MACHINE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cgroup_limits {
    double cpus;           /* CPU seconds a second; 0: no limit */
    uint64_t memory_bytes; /* the lowest limit; 0: none */
    uint64_t memory_left;  /* until the first limit is met, if there is one; the cache of files that
                              the kernel gives back first counts as free */
} cgroup_limits;

/* Reads ROOT/proc/self/cgroup, ROOT/proc/self/mountinfo and the groups they lead to, versions 1 and
 * 2 and both at once; root is "" but for tests. A group obeys the limits of those above it, so
 * the lowest on the way up counts. What cannot be read is no limit. Allocates nothing: it may be
 * called anywhere. */
void cgroup__read(cgroup_limits *out, const char *root);

/* The folder of this process's group in version 2, `root` in front; false when there is none. */
bool cgroup__folder(char *out, size_t n, const char *root);

/* Threads that a quota is worth: rounded up, at least 1, at most `cores`; all of them without one.
 */
int cgroup__cores(double cpus, int cores);

#endif
