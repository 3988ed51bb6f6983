/* Limits of control groups: which groups this process is in, where their folders are mounted, and
 * the lowest limit on the way from there to the top.
 *
 * Why: a container with 2 CPUs on a machine with 64 sees all 64 in its affinity mask. 64 threads on
 * a quota of 2 are stopped for most of each period, and those that spin at a barrier use up what
 * the others need. The memory of the machine is as wrong a measure for a job's plan.
 *
 * How a folder is found: a line "3:cpu,cpuacct:/docker/1f" of cgroup names the group, a line of
 * mountinfo says which part of the hierarchy is mounted where; inside a container that part is
 * often the container's own group, and its path is then taken off. What it does not do:
 * memory.high, cpusets (the affinity mask has them already). Start at cgroup__read. */
#include "machine/cgroup.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define PATH_BYTES 4096 /* of a path; a longer one is no group of ours */
#define LINE_BYTES 8192 /* of a line of /proc; longer ones are stepped over */
#define MAX_LEVELS 64   /* of groups within groups */

/* ---- Reading --------------------------------------------------------------------------------- */

/* A line without its end. A longer one is stepped over as a whole. */
static bool next_line(char *line, size_t n, FILE *f)
{
    while (fgets(line, (int)n, f)) {
        size_t length = strcspn(line, "\n");
        if (line[length] == '\n' || feof(f)) {
            line[length] = '\0';
            return true;
        }
        int c;
        while ((c = fgetc(f)) != EOF && c != '\n')
            continue;
    }
    return false;
}

/* A number from 0; *text moves behind it and the blank that follows. */
static bool take_number(uint64_t *out, const char **text)
{
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtoull(*text, &end, 10);
    if (errno || (*end && *end != ' '))
        return false;
    *text = end + (*end == ' ');
    return true;
}

static bool read_line_of(char *line, size_t n, const char *folder, const char *name)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = length > 0 && (size_t)length < sizeof(path) ? fopen(path, "r") : NULL;
    bool ok = f && next_line(line, n, f);
    if (f)
        fclose(f);
    return ok;
}

/* The number that is the whole file. "max" and "-1" (no limit) are none. */
static bool read_number(uint64_t *out, const char *folder, const char *name)
{
    char line[128];
    const char *text = line;
    return read_line_of(line, sizeof(line), folder, name) && take_number(out, &text) && !*text;
}

/* The number behind `key` in memory.stat; 0 when it is not there. */
static uint64_t read_statistic(const char *folder, const char *key)
{
    char line[256];
    char path[PATH_BYTES];
    size_t n = strlen(key);
    uint64_t value = 0;
    int length = snprintf(path, sizeof(path), "%s/memory.stat", folder);
    FILE *f = length > 0 && (size_t)length < sizeof(path) ? fopen(path, "r") : NULL;
    while (f && next_line(line, sizeof(line), f)) {
        const char *text = line + n + 1;
        if (strncmp(line, key, n) == 0 && line[n] == ' ' && take_number(&value, &text))
            break;
    }
    if (f)
        fclose(f);
    return value;
}

/* ---- Limits of one group --------------------------------------------------------------------- */

static void lower_cpus(cgroup_limits *out, uint64_t quota, uint64_t period)
{
    double cpus = period ? (double)quota / (double)period : 0;
    if (cpus > 0 && (out->cpus == 0 || cpus < out->cpus))
        out->cpus = cpus;
}

static void lower_memory(cgroup_limits *out, uint64_t limit, uint64_t used, uint64_t cache)
{
    used -= cache < used ? cache : used;
    uint64_t left = limit > used ? limit - used : 0;
    if (out->memory_bytes == 0 || limit < out->memory_bytes)
        out->memory_bytes = limit;
    if (left < out->memory_left)
        out->memory_left = left;
}

/* cpu.max: "200000 100000" or "max 100000", microseconds in a period. */
static void read_cpu_v2(cgroup_limits *out, const char *folder)
{
    char line[128];
    uint64_t quota;
    uint64_t period;
    const char *text = line;
    if (read_line_of(line, sizeof(line), folder, "cpu.max") && take_number(&quota, &text) &&
        take_number(&period, &text))
        lower_cpus(out, quota, period);
}

static void read_cpu_v1(cgroup_limits *out, const char *folder)
{
    uint64_t quota;
    uint64_t period;
    if (read_number(&quota, folder, "cpu.cfs_quota_us") &&
        read_number(&period, folder, "cpu.cfs_period_us"))
        lower_cpus(out, quota, period);
}

static void read_memory_v2(cgroup_limits *out, const char *folder)
{
    uint64_t limit;
    uint64_t used = 0;
    if (read_number(&limit, folder, "memory.max") && limit > 0 &&
        read_number(&used, folder, "memory.current"))
        lower_memory(out, limit, used, read_statistic(folder, "inactive_file"));
}

static void read_memory_v1(cgroup_limits *out, const char *folder)
{
    uint64_t limit;
    uint64_t used = 0;
    /* without a limit the file holds the largest multiple of a page below 2^63 */
    if (read_number(&limit, folder, "memory.limit_in_bytes") && limit > 0 &&
        limit < (uint64_t)1 << 62 && read_number(&used, folder, "memory.usage_in_bytes"))
        lower_memory(out, limit, used, read_statistic(folder, "total_inactive_file"));
}

/* ---- Groups ---------------------------------------------------------------------------------- */

/* What is limited, and by which version. */
typedef struct hierarchy {
    const char *type;       /* of the mount */
    const char *controller; /* of version 1; "" for version 2 */
    void (*read[2])(cgroup_limits *out, const char *folder);
} hierarchy;

static const hierarchy hierarchies[] = {
    {"cgroup2", "", {read_cpu_v2, read_memory_v2}},
    {"cgroup", "cpu", {read_cpu_v1, NULL}},
    {"cgroup", "memory", {read_memory_v1, NULL}},
};

/* Is `word` in a list "cpu,cpuacct"? An empty word is in an empty list only. */
static bool lists_word(const char *list, size_t n_list, const char *word)
{
    size_t n = strlen(word);
    const char *end = list + n_list;
    for (const char *at = list;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma ? comma : end) - at);
        if (length == n && memcmp(at, word, n) == 0)
            return true;
        if (!comma)
            return false;
        at = comma + 1;
    }
}

/* The path of this process's group in a hierarchy: "/docker/1f". */
static bool find_group(char *group, const hierarchy *h, const char *root)
{
    char line[LINE_BYTES];
    char path[PATH_BYTES];
    bool found = false;
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    while (f && !found && next_line(line, sizeof(line), f)) {
        const char *controllers = strchr(line, ':');
        const char *at = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!at || at[1] != '/' || strlen(at + 1) >= PATH_BYTES)
            continue;
        controllers++;
        found = lists_word(controllers, (size_t)(at - controllers), h->controller);
        if (found)
            snprintf(group, PATH_BYTES, "%s", at + 1);
    }
    if (f)
        fclose(f);
    return found;
}

/* One mount, its texts in the line it was read from. */
typedef struct mount {
    const char *part; /* of the hierarchy that is mounted: "/" or "/docker/1f" */
    const char *folder;
    const char *type;
    const char *options; /* of the file system: "rw,cpu,cpuacct" */
} mount;

/* "36 35 98:0 /part /folder rw,noatime master:1 - type source options"; cuts the line up. */
static bool split_mount(mount *m, char *line)
{
    char *words[64];
    size_t n = 0;
    size_t dash = 0;
    for (char *at = line; at && n < 64; n++) {
        words[n] = at;
        at = strchr(at, ' ');
        if (at)
            *at++ = '\0';
        if (n >= 6 && !dash && strcmp(words[n], "-") == 0)
            dash = n;
    }
    if (dash == 0 || dash + 3 >= n)
        return false;
    *m = (mount){words[3], words[4], words[dash + 1], words[dash + 3]};
    return true;
}

/* The group's path below the mount's folder: what is mounted is taken off; "" when the group lies
 * elsewhere, as "/../x" does, or is what is mounted. */
static const char *path_below(const char *group, const char *part)
{
    size_t n = strcmp(part, "/") == 0 ? 0 : strlen(part);
    bool inside = strncmp(group, part, n) == 0 && (group[n] == '/' || group[n] == '\0');
    const char *below = inside ? group + n : "";
    return strcmp(below, "/") == 0 || strstr(below, "/..") ? "" : below;
}

/* Applies the limits of the group at m->folder + below and of those above it. */
static void read_upwards(cgroup_limits *out, const hierarchy *h, const mount *m, const char *below,
                         const char *root)
{
    char folder[PATH_BYTES];
    int length = snprintf(folder, sizeof(folder), "%s%s%s", root, m->folder, below);
    size_t top = strlen(root) + strlen(m->folder);
    if (length < 0 || (size_t)length >= sizeof(folder))
        return;
    for (int level = 0; level < MAX_LEVELS; level++) {
        for (int i = 0; i < 2 && h->read[i]; i++)
            h->read[i](out, folder);
        char *slash = strlen(folder) > top ? strrchr(folder, '/') : NULL;
        if (!slash || (size_t)(slash - folder) < top)
            return;
        *slash = '\0';
    }
}

static void read_hierarchy(cgroup_limits *out, const hierarchy *h, const char *root)
{
    char line[LINE_BYTES];
    char path[PATH_BYTES];
    char group[PATH_BYTES];
    mount m;
    if (!find_group(group, h, root))
        return;
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    FILE *f = fopen(path, "r");
    while (f && next_line(line, sizeof(line), f)) {
        if (split_mount(&m, line) && strcmp(m.type, h->type) == 0 &&
            (!*h->controller || lists_word(m.options, strlen(m.options), h->controller)))
            read_upwards(out, h, &m, path_below(group, m.part), root);
    }
    if (f)
        fclose(f);
}

bool cgroup__folder(char *out, size_t n, const char *root)
{
    char line[LINE_BYTES];
    char path[PATH_BYTES];
    char group[PATH_BYTES];
    mount m;
    bool found = false;
    if (!find_group(group, &hierarchies[0], root))
        return false;
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    FILE *f = fopen(path, "r");
    while (f && !found && next_line(line, sizeof(line), f)) {
        if (!split_mount(&m, line) || strcmp(m.type, hierarchies[0].type) != 0)
            continue;
        int length = snprintf(out, n, "%s%s%s", root, m.folder, path_below(group, m.part));
        found = length > 0 && (size_t)length < n;
    }
    if (f)
        fclose(f);
    return found;
}

void cgroup__read(cgroup_limits *out, const char *root)
{
    *out = (cgroup_limits){.memory_left = UINT64_MAX};
    for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++)
        read_hierarchy(out, &hierarchies[i], root);
}

int cgroup__cores(double cpus, int cores)
{
    if (cpus <= 0 || cpus > cores)
        return cores;
    int n = (int)ceil(cpus);
    return n < 1 ? 1 : n;
}
