/* The limits of control groups, in trees as the kernel shows them. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"

enum { PATH_SIZE = 512 };

static char root[] = "/tmp/varve-cgroup-XXXXXX";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void begin(void)
{
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    cr_assert_eq(nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(base_cgroup, .init = begin, .fini = end);

/* A file below root, and the directories on the way to it. */
static void put(const char *name, const char *text)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = strchr(path + sizeof root, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        (void)mkdir(path, 0755);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static void expect(uint64_t memory_bytes, uint64_t processors_milli)
{
    struct cgroup_limits l;

    cgroup_limits(root, &l);
    cr_assert_eq(l.memory_bytes, memory_bytes, "%llu", (unsigned long long)l.memory_bytes);
    cr_assert_eq(l.processors_milli, processors_milli, "%llu",
                 (unsigned long long)l.processors_milli);
}

Test(base_cgroup, no_groups_are_no_limits)
{
    expect(UINT64_MAX, UINT64_MAX);
    put("proc/self/cgroup", "0::/\n");
    expect(UINT64_MAX, UINT64_MAX);
    put("proc/self/cgroup", "no line of the kernel's\n7\n8:\n9:cpu\n\n");
    expect(UINT64_MAX, UINT64_MAX);
}

/* A container sees its own group as the root of all. */
Test(base_cgroup, a_container_has_its_limits_at_the_root)
{
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/memory.max", "1073741824\n");
    expect(1 << 30, 1500);
    put("sys/fs/cgroup/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/memory.max", "max\n");
    expect(UINT64_MAX, UINT64_MAX);
}

Test(base_cgroup, the_least_limit_up_to_the_root_counts)
{
    put("proc/self/cgroup", "0::/system.slice/varve.service\n");
    put("sys/fs/cgroup/system.slice/varve.service/cpu.max", "400000 100000\n");
    put("sys/fs/cgroup/system.slice/varve.service/memory.max", "1000\n");
    expect(1000, 4000);
    put("sys/fs/cgroup/system.slice/cpu.max", "25000 50000\n");
    put("sys/fs/cgroup/system.slice/memory.max", "2000\n");
    expect(1000, 500);
    put("sys/fs/cgroup/unified/system.slice/cpu.max", "1000 100000\n");
    expect(1000, 10);
    put("sys/fs/cgroup/memory.max", "500\n");
    put("sys/fs/cgroup/cpu.max", "900 100000\n");
    expect(500, 9);
}

Test(base_cgroup, version_1_has_a_tree_for_each_controller)
{
    put("proc/self/cgroup", "5:memory:/a/b\n4:cpuset:/\n3:cpu,cpuacct:/a\n0::/\n");
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "123\n");
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    expect(123, UINT64_MAX);
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n");
    expect(123, 1000);
    put("proc/self/cgroup", "4:cpuset:/a\n3:cpuacct:/a\n2:memory_recursive:/a/b\n");
    expect(UINT64_MAX, UINT64_MAX);
}

/* No period is 0, no quota either; neither is divided by nor believed. */
Test(base_cgroup, what_cannot_be_read_is_no_limit)
{
    static const char *const LINES[] = { "",        "\n",       "max",       "100000",
                                         "100000 ", "100000 0", "0 1000",    "-1 100000",
                                         "x y",     "1000 x",   "1000 -1\n", "max max" };

    put("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        put("sys/fs/cgroup/cpu.max", LINES[i]);
        put("sys/fs/cgroup/memory.max", i % 2 == 0 ? "0\n" : "?");
        expect(UINT64_MAX, UINT64_MAX);
    }
    put("sys/fs/cgroup/cpu.max", "18446744073709551615 1\n");
    expect(UINT64_MAX, UINT64_MAX);
}
