/* Limits of control groups, read from made-up trees of /proc and /sys: versions 1 and 2, both at
 * once, groups within groups, the inside of a container, and files that are not as they should be.
 */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/fs.h>

#include "machine/cgroup.h"

#define V2_MOUNT  "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define CPU_MOUNT "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define CPUACCT   "33 31 0:30 / /sys/fs/cgroup/wrong rw - cgroup cgroup rw,cpuacct\n"
#define MEM_MOUNT "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static char *root;

static int make_root(void **state)
{
    (void)state;
    root = eai_test_make_folder();
    return root ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    eai_test_remove_folder(root);
    return 0;
}

/* Writes ROOT/folder/name. */
static void put(const char *folder, const char *name, const char *text)
{
    char path[1024];
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s%s", root, folder);
    assert_ok(eai_fs_mkdir_p(path, &err), &err);
    snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_self(const char *groups, const char *mounts)
{
    put("/proc/self", "cgroup", groups);
    put("/proc/self", "mountinfo", mounts);
}

static void put_memory_v2(const char *folder, const char *limit, const char *used, const char *stat)
{
    put(folder, "memory.max", limit);
    put(folder, "memory.current", used);
    put(folder, "memory.stat", stat);
}

static void assert_limits(double cpus, uint64_t memory, uint64_t left)
{
    cgroup_limits l;
    cgroup__read(&l, root);
    if (l.cpus != cpus || l.memory_bytes != memory || l.memory_left != left)
        fail_msg("%g CPUs, %llu bytes, %llu left; expected %g, %llu, %llu", l.cpus,
                 (unsigned long long)l.memory_bytes, (unsigned long long)l.memory_left, cpus,
                 (unsigned long long)memory, (unsigned long long)left);
}

static void test_nothing_there(void **state)
{
    (void)state;
    assert_limits(0, 0, UINT64_MAX);
    put_self("", "");
    assert_limits(0, 0, UINT64_MAX);
    put_self("0::/\n", V2_MOUNT); /* the folder itself is missing */
    assert_limits(0, 0, UINT64_MAX);
}

static void test_version_2(void **state)
{
    (void)state;
    put_self("0::/a.slice/b.service\n", V2_MOUNT);
    put("/sys/fs/cgroup/a.slice/b.service", "cpu.max", "150000 100000\n");
    put_memory_v2("/sys/fs/cgroup/a.slice/b.service", "4000000\n", "1500000\n",
                  "anon 1000000\ninactive_file 500000\nactive_file 7\n");
    assert_limits(1.5, 4000000, 3000000);
    put("/sys/fs/cgroup/a.slice/b.service", "cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a.slice/b.service", "memory.max", "max\n");
    assert_limits(0, 0, UINT64_MAX);
}

/* The lowest limit on the way up counts, for each resource by itself; siblings do not. */
static void test_groups_above(void **state)
{
    (void)state;
    put_self("0::/a/b/c\n", V2_MOUNT);
    put("/sys/fs/cgroup/a/b/c", "cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/b", "cpu.max", "100000 50000\n");
    put("/sys/fs/cgroup/a", "cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/x", "cpu.max", "10000 100000\n");
    put("/sys/fs", "cpu.max", "10000 100000\n"); /* above the mount: not a group */
    put_memory_v2("/sys/fs/cgroup/a/b/c", "1000", "900", "inactive_file 2000\n");
    put_memory_v2("/sys/fs/cgroup/a", "5000", "4700", "inactive_file 0\n");
    assert_limits(2, 1000, 300);
    put_memory_v2("/sys/fs/cgroup", "100", "4700", "");
    assert_limits(2, 100, 0);
}

static void test_version_1(void **state)
{
    (void)state;
    put_self("12:memory:/docker/1f\n5:cpuset:/\n4:cpu,cpuacct:/docker/1f\n1:name=systemd:/x\n",
             CPUACCT CPU_MOUNT MEM_MOUNT);
    put("/sys/fs/cgroup/wrong/docker/1f", "cpu.cfs_quota_us", "1000");
    put("/sys/fs/cgroup/wrong/docker/1f", "cpu.cfs_period_us", "100000");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1f", "cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1f", "cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/docker/1f", "memory.limit_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/memory/docker/1f", "memory.usage_in_bytes", "1147483648\n");
    put("/sys/fs/cgroup/memory/docker/1f", "memory.stat",
        "inactive_file 5\ntotal_inactive_file 100000000\n");
    put("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "5\n");
    assert_limits(2, 2147483648, 1100000000);
}

/* Inside a container only its own group is mounted, but /proc/self/cgroup may tell the whole path.
 */
static void test_inside_a_container(void **state)
{
    (void)state;
    put_self("4:cpu:/docker/1f/job\n0::/docker/1f/job\n",
             "32 31 0:29 /docker/1f /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
             "33 31 0:28 /docker /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "300000");
    put("/sys/fs/cgroup/cpu", "cpu.cfs_period_us", "100000");
    put("/sys/fs/cgroup/unified/1f/job", "cpu.max", "700000 100000\n");
    assert_limits(3, 0, UINT64_MAX);
    put("/sys/fs/cgroup/cpu/job", "cpu.cfs_quota_us", "50000");
    put("/sys/fs/cgroup/cpu/job", "cpu.cfs_period_us", "100000");
    assert_limits(0.5, 0, UINT64_MAX);
    put_self("4:cpu:/../elsewhere\n", CPU_MOUNT); /* outside of what a namespace shows */
    assert_limits(0, 0, UINT64_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "400000");
    put("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_period_us", "100000");
    assert_limits(4, 0, UINT64_MAX);
    put_self("4:cpu:/dockerx\n", /* begins alike, is another group: the mounted one counts */
             "32 31 0:29 /docker /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    assert_limits(3, 0, UINT64_MAX);
}

static void test_files_that_are_wrong(void **state)
{
    static const char *const quotas[] = {"",        "100000",   "0 100000",
                                         "5 0",     "x 100000", "-5 100000",
                                         "1e5 1e5", "100000 x", "99999999999999999999 100000"};
    char *line = malloc(20000);
    (void)state;

    put_self("0::/g\n", V2_MOUNT);
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
        put("/sys/fs/cgroup/g", "cpu.max", quotas[i]);
        assert_limits(0, 0, UINT64_MAX);
    }
    put("/sys/fs/cgroup/g", "cpu.max", "100000 100000");
    put("/sys/fs/cgroup/g", "memory.max", "0x100");
    put("/sys/fs/cgroup/g", "memory.current", "1");
    assert_limits(1, 0, UINT64_MAX);
    put_self("\n:\n::\n0:\n0::g\n0::/g", "\n1 2 3\n- - - - - - - -\n" V2_MOUNT);
    assert_limits(1, 0, UINT64_MAX);
    assert_non_null(line); /* a line beyond all bounds hides none of the others */
    memset(line, 'x', 20000);
    snprintf(line + 19000, 1000, "\n%s", V2_MOUNT);
    put_self("0::/g\n", line);
    assert_limits(1, 0, UINT64_MAX);
    snprintf(line + 19000, 1000, "\n0::/g\n");
    put_self(line, V2_MOUNT);
    assert_limits(1, 0, UINT64_MAX);
    free(line);
}

static void test_quota_to_threads(void **state)
{
    (void)state;
    assert_int_equal(cgroup__cores(0, 64), 64); /* no quota */
    assert_int_equal(cgroup__cores(2.0, 64), 2);
    assert_int_equal(cgroup__cores(2.01, 64), 3);
    assert_int_equal(cgroup__cores(0.1, 64), 1);
    assert_int_equal(cgroup__cores(1e-9, 64), 1);
    assert_int_equal(cgroup__cores(63.5, 64), 64);
    assert_int_equal(cgroup__cores(100, 64), 64);
    assert_int_equal(cgroup__cores(1e300, 2), 2);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(test_nothing_there),
        WITH_ROOT(test_version_2),
        WITH_ROOT(test_groups_above),
        WITH_ROOT(test_version_1),
        WITH_ROOT(test_inside_a_container),
        WITH_ROOT(test_files_that_are_wrong),
        cmocka_unit_test(test_quota_to_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
