/* The budget is what the tightest cgroup, the RAM, the rlimit and the affinity leave, read from made-up trees. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#include "steady/budget.h"
#include "steady/fault.h"

#define GIB (UINT64_C(1) << 30)

static char root[PATH_MAX];

/* A file of the tree with these words, and the folders above it. */
static void put(const char *file, const char *words)
{
    char path[PATH_MAX * 2];
    snprintf(path, sizeof path, "%s%s", root, file);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(words, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static int make_root(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/evenkeel-budget-XXXXXX", folder ? folder : "/tmp");
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        123 kB\n");
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void assert_memory_is(uint64_t limit_bytes, const char *expected_source)
{
    const char *source = NULL;
    assert_int_equal(budget_memory_bytes(root, &source), limit_bytes / 10 * 9);
    assert_string_equal(source, expected_source);
}

static void without_cgroups_memory_is_the_ram(void **state)
{
    (void)state;
    assert_memory_is(16 * GIB, "ram");
    assert_int_equal(budget_memory_bytes(root, NULL), 16 * GIB / 10 * 9);
}

static void without_meminfo_memory_is_what_the_c_library_says(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "MemFree: 1 kB\n", "MemTotal: 0 kB\n", "MemTotal: x\n",
                                        "MemTotal: 99999999999999999999999 kB\n"};
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("/proc/meminfo", texts[i]);
        assert_memory_is(ram, "ram");
    }
}

static void version_2_limits_at_the_own_path(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/evenkeel.service\n");
    put("/sys/fs/cgroup/system.slice/evenkeel.service/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/system.slice/evenkeel.service/memory.high", "max\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    assert_memory_is(GIB, "cgroup2");
}

static void version_2_throttling_counts_as_a_limit(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.high", "1073741824\n");
    assert_memory_is(GIB, "cgroup2");
}

static void a_tighter_limit_above_the_own_path_applies(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    assert_memory_is(GIB, "cgroup2");
}

static void a_container_sees_its_limit_at_the_root(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/other/memory.max", "1000\n");
    put("/sys/fs/memory.max", "1000\n");
    static const char *const paths[] = {
        "0::/\n",
        "0::/docker/0123456789abcdef\n", /* the host's path, of which nothing is mounted */
        "0::/../other\n",                /* out of the namespace */
        "0::/..\n",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        put("/proc/self/cgroup", paths[i]);
        assert_memory_is(GIB, "cgroup2");
    }
}

static void no_limit_or_one_above_the_ram_leaves_the_ram(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", "max\n");
    assert_memory_is(16 * GIB, "ram");
    put("/sys/fs/cgroup/a/memory.max", "99999999999999\n");
    assert_memory_is(16 * GIB, "ram");
    put("/sys/fs/cgroup/a/memory.max", "");
    assert_memory_is(16 * GIB, "ram");
    put("/sys/fs/cgroup/a/memory.max", "99999999999999999999999999\n");
    assert_memory_is(16 * GIB, "ram");
}

static void version_1_limits_at_the_path_of_its_controller(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "12:pids:/x\n11:hugetlb,memory:/docker/abc\n3:cpu,cpuacct:/y\n"
                             "1:name=systemd:/z\n0::/w\n");
    put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_memory_is(GIB, "cgroup1");
    put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    assert_memory_is(16 * GIB, "ram");
}

static void a_controller_is_not_taken_for_one_with_a_similar_name(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:memoryx,xmemory,mem:/x\n4:cpuset,cpuacct,cp:/x\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000\n");
    put("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    assert_memory_is(16 * GIB, "ram");
    cpu_set_t affinity;
    assert_int_equal(sched_getaffinity(0, sizeof affinity, &affinity), 0);
    assert_int_equal(budget_processors(root), CPU_COUNT(&affinity));
}

static void the_tighter_version_wins(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/a\n0::/a\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    assert_memory_is(GIB, "cgroup2");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n");
    assert_memory_is(GIB / 2, "cgroup1");
}

static void broken_lines_of_the_cgroup_file_are_passed_over(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("/proc/self/cgroup", "\nrubbish\n7:rubbish\n::\n0::/a\n");
    assert_memory_is(16 * GIB, "ram"); /* "::" names the root of version 2 */
    put("/proc/self/cgroup", "\nrubbish\n7:rubbish\n0::/a");
    assert_memory_is(GIB, "cgroup2");
}

static void a_path_that_is_too_long_does_not_limit(void **state)
{
    (void)state;
    char line[PATH_MAX + 64] = "0::";
    memset(line + 3, 'x', PATH_MAX);
    line[3] = '/';
    put("/proc/self/cgroup", line);
    assert_memory_is(16 * GIB, "ram");
    line[PATH_MAX - 20] = '\0'; /* fits by itself but not below the mount */
    put("/proc/self/cgroup", line);
    assert_memory_is(16 * GIB, "ram");

    char long_root[PATH_MAX + 64];
    memset(long_root, 'x', sizeof long_root);
    long_root[sizeof long_root - 1] = '\0';
    assert_int_equal(budget_resident_bytes(long_root), 0);
    assert_int_equal(budget_open_fds(long_root), 0);
    assert_true(budget_memory_bytes(long_root, NULL) > 0);
    assert_true(budget_processors(long_root) >= 1);
}

static void resident_memory_is_the_second_figure_in_pages(void **state)
{
    (void)state;
    assert_int_equal(budget_resident_bytes(root), 0);
    put("/proc/self/statm", "5000 321 100 1 0 200 0\n");
    assert_int_equal(budget_resident_bytes(root), 321 * (uint64_t)sysconf(_SC_PAGESIZE));
    put("/proc/self/statm", "5000\n");
    assert_int_equal(budget_resident_bytes(root), 0);
    put("/proc/self/statm", "5000 x\n");
    assert_int_equal(budget_resident_bytes(root), 0);
    assert_true(budget_resident_bytes("") > 100 * 1024);
}

static void private_memory_is_resident_without_files(void **state)
{
    (void)state;
    put("/proc/self/statm", "1000 300 100 7 0 99 0\n");
    assert_int_equal(budget_private_bytes(root), 200 * (uint64_t)sysconf(_SC_PAGESIZE));
    static const char *const broken[] = {"", "1000", "1000 300", "1000 100 300", "1000 x 300"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        put("/proc/self/statm", broken[i]);
        assert_int_equal(budget_private_bytes(root), 0);
    }
}

static void assert_group_is(uint64_t used_bytes, uint64_t limit_bytes)
{
    struct budget_group group;
    assert_true(budget_group(root, &group));
    assert_int_equal(group.used_bytes, used_bytes);
    assert_int_equal(group.limit_bytes, limit_bytes);
}

static void what_the_own_cgroup_uses_is_without_cached_files(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/a\n0::/b\n");
    put("/sys/fs/cgroup/b/memory.max", "1000000\n");
    put("/sys/fs/cgroup/b/memory.current", "900000\n");
    put("/sys/fs/cgroup/b/memory.stat", "anon 1\ninactive_file 200000\nactive_file 5\n");
    assert_group_is(700000, 1000000);
    put("/sys/fs/cgroup/b/memory.current", "500000\n"); /* far from the limit */
    assert_group_is(500000, 1000000);
    put("/sys/fs/cgroup/b/memory.max", "max\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000000\n");
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1900000\n");
    assert_group_is(1900000, 2000000);
    put("/sys/fs/cgroup/memory/a/memory.stat",
        "cache 1\ninactive_file 7\ntotal_inactive_file 400000\n");
    assert_group_is(1500000, 2000000);
}

static void a_limit_of_many_groups_is_not_that_of_the_own(void **state)
{
    struct budget_group group;
    (void)state;
    assert_false(budget_group(root, &group));
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/memory.max", "1000000\n");
    put("/sys/fs/cgroup/a/memory.current", "900000\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "1000\n");
    assert_false(budget_group(root, &group));
    put("/proc/self/cgroup", "0::/host/path\n"); /* of which only the end is mounted */
    put("/sys/fs/cgroup/memory.max", "1000000\n");
    put("/sys/fs/cgroup/memory.current", "2000\n");
    assert_group_is(2000, 1000000);
}

static void open_descriptors_are_counted_without_the_one_that_looks(void **state)
{
    (void)state;
    assert_int_equal(budget_open_fds(root), 0);
    uint64_t before = 0;
    for (int fd = 0; fd < 1024; fd++) {
        before += fcntl(fd, F_GETFD) >= 0;
    }
    assert_int_equal(budget_open_fds(""), before);
    int fds[10];
    for (int i = 0; i < 10; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    assert_int_equal(budget_open_fds(""), before + 10);
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
    assert_int_equal(budget_open_fds(""), before);
}

static void without_a_free_descriptor_all_are_counted_as_open(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    struct rlimit full = {.rlim_cur = (rlim_t)next + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
    uint64_t open_count = budget_open_fds("");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(next);
    assert_int_equal(open_count, next + 1);
}

static void the_soft_limit_of_descriptors_is_raised_to_the_hard_one(void **state)
{
    (void)state;
    struct rlimit before, after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(budget_raise_fds(), before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_int_equal(budget_raise_fds(), before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void processors_follow_the_affinity(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(budget_processors(root), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned count = budget_processors(root);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(count, 1);
}

static void a_quota_of_version_2_is_rounded_up_to_processors(void **state)
{
    (void)state;
    cpu_set_t affinity;
    assert_int_equal(sched_getaffinity(0, sizeof affinity, &affinity), 0);
    unsigned all = (unsigned)CPU_COUNT(&affinity);
    const struct {
        const char *quota;
        unsigned processors;
    } cases[] = {
        {"max 100000\n", all},
        {"100000 100000\n", 1},
        {"50000 100000\n", 1},
        {"1 100000\n", 1},
        {"0 100000\n", 1},
        {"150000 100000\n", all < 2 ? all : 2},
        {"9900000 100000\n", all},
        {"100000 0\n", all},
        {"100000\n", all},
        {"100000 rubbish\n", all},
        {"\n", all},
    };
    put("/proc/self/cgroup", "0::/a/b\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        put("/sys/fs/cgroup/a/cpu.max", cases[i].quota);
        assert_int_equal(budget_processors(root), cases[i].processors);
        put("/sys/fs/cgroup/a/b/cpu.max", cases[i].quota);
        assert_int_equal(budget_processors(root), cases[i].processors);
    }
}

static void a_quota_of_version_1_is_taken_unless_negative(void **state)
{
    (void)state;
    cpu_set_t affinity;
    assert_int_equal(sched_getaffinity(0, sizeof affinity, &affinity), 0);
    put("/proc/self/cgroup", "3:cpu,cpuacct:/docker/abc\n");
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_int_equal(budget_processors(root), 1);
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(budget_processors(root), CPU_COUNT(&affinity));
}

static void the_own_process_has_a_budget(void **state)
{
    (void)state;
    const char *source = NULL;
    uint64_t bytes = budget_memory_bytes("", &source);
    assert_true(bytes > 1024 * 1024);
    printf("# this machine: %" PRIu64 " bytes by %s, %u processors\n", bytes, source,
           budget_processors(""));
    assert_true(budget_processors("") >= 1);
}

#ifdef EVENKEEL_FAULT_INJECTION

/* Whatever cannot be read does not limit; nothing fails for it. */
static void every_failing_read_leaves_a_budget(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/a\n0::/a\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    put("/proc/self/statm", "5000 321 100 1 0 200 0\n");
    bool struck = true;
    for (uint64_t n = 1; struck; n++) {
        errno = EIO;
        fault_arm(FAULT_READ, n);
        uint64_t bytes = budget_memory_bytes(root, NULL);
        struck = fault_disarm(FAULT_READ);
        assert_true(bytes >= GIB / 10 * 9);
        assert_true(struck || bytes == GIB / 10 * 9);
    }
    struck = true;
    for (uint64_t n = 1; struck; n++) {
        errno = EIO;
        fault_arm(FAULT_READ, n);
        assert_true(budget_processors(root) >= 1);
        struck = fault_disarm(FAULT_READ);
    }
    errno = EIO;
    fault_arm(FAULT_READ, 1);
    assert_int_equal(budget_resident_bytes(root), 0);
    assert_true(fault_disarm(FAULT_READ));
}

static void without_memory_for_the_affinity_all_processors_count(void **state)
{
    (void)state;
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(budget_processors(root), sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(fault_disarm(FAULT_ALLOC));
}

#endif

#define IN_A_TREE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_TREE(without_cgroups_memory_is_the_ram),
        IN_A_TREE(without_meminfo_memory_is_what_the_c_library_says),
        IN_A_TREE(version_2_limits_at_the_own_path),
        IN_A_TREE(version_2_throttling_counts_as_a_limit),
        IN_A_TREE(a_tighter_limit_above_the_own_path_applies),
        IN_A_TREE(a_container_sees_its_limit_at_the_root),
        IN_A_TREE(no_limit_or_one_above_the_ram_leaves_the_ram),
        IN_A_TREE(version_1_limits_at_the_path_of_its_controller),
        IN_A_TREE(a_controller_is_not_taken_for_one_with_a_similar_name),
        IN_A_TREE(the_tighter_version_wins),
        IN_A_TREE(broken_lines_of_the_cgroup_file_are_passed_over),
        IN_A_TREE(a_path_that_is_too_long_does_not_limit),
        IN_A_TREE(resident_memory_is_the_second_figure_in_pages),
        IN_A_TREE(private_memory_is_resident_without_files),
        IN_A_TREE(what_the_own_cgroup_uses_is_without_cached_files),
        IN_A_TREE(a_limit_of_many_groups_is_not_that_of_the_own),
        IN_A_TREE(open_descriptors_are_counted_without_the_one_that_looks),
        IN_A_TREE(without_a_free_descriptor_all_are_counted_as_open),
        IN_A_TREE(the_soft_limit_of_descriptors_is_raised_to_the_hard_one),
        IN_A_TREE(processors_follow_the_affinity),
        IN_A_TREE(a_quota_of_version_2_is_rounded_up_to_processors),
        IN_A_TREE(a_quota_of_version_1_is_taken_unless_negative),
        cmocka_unit_test(the_own_process_has_a_budget),
#ifdef EVENKEEL_FAULT_INJECTION
        IN_A_TREE(every_failing_read_leaves_a_budget),
        IN_A_TREE(without_memory_for_the_affinity_all_processors_count),
#endif
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
