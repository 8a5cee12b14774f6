/* Limits of the machine and of the container as the kernel's files tell them. */
#include "steady/budget.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/fault.h"

#define NO_LIMIT UINT64_MAX
/* The most processors to ask the affinity for. */
#define PROCESSORS_MAX 65536

/* The beginning of a file as text, at most text_bytes - 1 of it; false when it cannot be read. */
static bool read_file(const char *folder, const char *file, char *ret_text, size_t text_bytes)
{
    char path[PATH_MAX];
    int path_length = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (path_length < 0 || (size_t)path_length >= sizeof path) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t length = 0;
    ssize_t n;
    do {
        n = fault_hits(FAULT_READ) ? -1 : read(fd, ret_text + length, text_bytes - 1 - length);
        if (n > 0) {
            length += (size_t)n;
        }
    } while ((n > 0 && length < text_bytes - 1) || (n < 0 && errno == EINTR));
    close(fd);
    ret_text[length] = '\0';
    return n >= 0;
}

/* A decimal number at the start of the text that something other than a digit ends; NO_LIMIT for anything else,
   "max" and "-1" above all. */
static uint64_t limit_from(const char *text)
{
    if (*text < '0' || *text > '9') {
        return NO_LIMIT;
    }
    return strtoull(text, NULL, 10);
}

/* Reads one limit of the cgroup in `folder`; NO_LIMIT when there is none. */
typedef uint64_t limit_fn(const char *folder);

static uint64_t read_limit(const char *folder, const char *file)
{
    char text[64];
    if (!read_file(folder, file, text, sizeof text)) {
        return NO_LIMIT;
    }
    return limit_from(text);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t memory_v2(const char *folder)
{
    return smaller(read_limit(folder, "memory.max"), read_limit(folder, "memory.high"));
}

static uint64_t memory_v1(const char *folder)
{
    return read_limit(folder, "memory.limit_in_bytes");
}

static uint64_t processors(uint64_t quota_us, uint64_t period_us)
{
    if (quota_us == NO_LIMIT || period_us == NO_LIMIT || period_us == 0) {
        return NO_LIMIT;
    }
    return quota_us / period_us + (quota_us % period_us != 0);
}

/* cpu.max is "<quota or max> <period>". */
static uint64_t processors_v2(const char *folder)
{
    char text[64];
    if (!read_file(folder, "cpu.max", text, sizeof text)) {
        return NO_LIMIT;
    }
    const char *period = strchr(text, ' ');
    return period == NULL ? NO_LIMIT : processors(limit_from(text), limit_from(period + 1));
}

static uint64_t processors_v1(const char *folder)
{
    return processors(read_limit(folder, "cpu.cfs_quota_us"),
                      read_limit(folder, "cpu.cfs_period_us"));
}

/* Whether the comma-separated list of `length` bytes names the controller. */
static bool names(const char *list, size_t length, const char *controller)
{
    size_t controller_bytes = strlen(controller);
    for (const char *end = list + length; list < end;) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t bytes = (size_t)((comma != NULL ? comma : end) - list);
        if (bytes == controller_bytes && memcmp(list, controller, bytes) == 0) {
            return true;
        }
        list += bytes + 1;
    }
    return false;
}

/* The path of this process in the hierarchy of the controller; "" stands for version 2. /proc/self/cgroup has lines
   "number:controllers:path". A path out of the cgroup namespace ("/../x") cannot be seen here: its root can. */
static bool own_path(const char *root, const char *controller, char *ret_path, size_t path_bytes)
{
    char text[16 * 1024];
    if (!read_file(root, "proc/self/cgroup", text, sizeof text)) {
        return false;
    }
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *controllers = strchr(line, ':');
        const char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        size_t controllers_bytes = (size_t)(path - ++controllers);
        if (*controller == '\0' ? controllers_bytes != 0
                                : !names(controllers, controllers_bytes, controller)) {
            continue;
        }
        path++;
        bool outside = strcmp(path, "/..") == 0 || strncmp(path, "/../", 4) == 0;
        int length = snprintf(ret_path, path_bytes, "%s", outside ? "" : path);
        return length >= 0 && (size_t)length < path_bytes;
    }
    return false;
}

/* The tightest limit of this process's cgroup and of all above it up to what is mounted. Inside a container the path
   may be the host's, of which only the mounted end exists: the walk up finds that too. */
static uint64_t tightest(const char *root, const char *mount, const char *controller,
                         limit_fn *limit_of)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];
    if (!own_path(root, controller, path, sizeof path)) {
        return NO_LIMIT;
    }
    int length = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, mount);
    size_t mount_bytes = (size_t)length;
    if (length < 0 || mount_bytes + strlen(path) >= sizeof folder) {
        return NO_LIMIT;
    }
    memcpy(folder + mount_bytes, path, strlen(path) + 1);

    uint64_t limit = NO_LIMIT;
    for (;;) {
        limit = smaller(limit, limit_of(folder));
        char *slash = strrchr(folder + mount_bytes, '/');
        if (slash == NULL) {
            return limit;
        }
        *slash = '\0';
    }
}

static uint64_t ram_bytes(const char *root)
{
    static const char label[] = "MemTotal:";
    char text[4096];
    if (read_file(root, "proc/meminfo", text, sizeof text)) {
        const char *total = strstr(text, label);
        uint64_t kib = total == NULL ? NO_LIMIT : limit_from(total + strcspn(total, "0123456789"));
        if (kib != 0 && kib < NO_LIMIT / 1024) {
            return kib * 1024;
        }
    }
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t budget_memory_bytes(const char *root, const char **ret_source)
{
    const struct {
        const char *source;
        uint64_t limit_bytes;
    } limits[] = {
        {"cgroup2", tightest(root, "", "", memory_v2)},
        {"cgroup1", tightest(root, "/memory", "memory", memory_v1)},
    };
    uint64_t least = ram_bytes(root);
    const char *source = "ram";
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].limit_bytes < least) {
            least = limits[i].limit_bytes;
            source = limits[i].source;
        }
    }
    if (ret_source != NULL) {
        *ret_source = source;
    }
    return least / 10 * 9;
}

/* ---- the process's own cgroup ---- */

/* Where a version of cgroups says what is in use. */
struct group_files {
    const char *mount, *controller;
    limit_fn *limit_of;
    const char *used, *cached; /* the file, and the label of the row in memory.stat */
};
static const struct group_files group_versions[] = {
    {"", "", memory_v2, "memory.current", "\ninactive_file "},
    {"/memory", "memory", memory_v1, "memory.usage_in_bytes", "\ntotal_inactive_file "},
};

/* The innermost folder of the path that can be seen. False: there is none. */
static bool find_group(const char *root, const struct group_files *files, char ret_folder[PATH_MAX],
                       uint64_t *ret_used_bytes)
{
    char path[PATH_MAX];
    if (!own_path(root, files->controller, path, sizeof path)) {
        return false;
    }
    for (;;) {
        int length =
            snprintf(ret_folder, PATH_MAX, "%s/sys/fs/cgroup%s%s", root, files->mount, path);
        if (length < 0 || length >= PATH_MAX) {
            return false;
        }
        *ret_used_bytes = read_limit(ret_folder, files->used);
        char *slash = strrchr(path, '/');
        if (*ret_used_bytes != NO_LIMIT || slash == NULL) {
            return *ret_used_bytes != NO_LIMIT;
        }
        *slash = '\0';
    }
}

/* Far from the limit, nobody asks the kernel to add up what it has cached. */
static uint64_t without_cached(const struct group_files *files, const char *folder,
                               const struct budget_group *group)
{
    char text[8192];
    if (group->used_bytes < group->limit_bytes / 10 * 6 ||
        !read_file(folder, "memory.stat", text, sizeof text)) {
        return group->used_bytes;
    }
    const char *row = strstr(text, files->cached);
    uint64_t cached = row != NULL ? limit_from(row + strlen(files->cached)) : 0;
    return cached < group->used_bytes ? group->used_bytes - cached : group->used_bytes;
}

bool budget_group(const char *root, struct budget_group *ret_group)
{
    uint64_t ram = ram_bytes(root);
    for (size_t i = 0; i < sizeof group_versions / sizeof group_versions[0]; i++) {
        const struct group_files *files = &group_versions[i];
        struct budget_group group;
        char folder[PATH_MAX];
        if (!find_group(root, files, folder, &group.used_bytes)) {
            continue;
        }
        group.limit_bytes = files->limit_of(folder);
        if (group.limit_bytes < ram) {
            group.used_bytes = without_cached(files, folder, &group);
            *ret_group = group;
            return true;
        }
    }
    return false;
}

uint64_t budget_private_bytes(const char *root)
{
    char text[256];
    if (!read_file(root, "proc/self/statm", text, sizeof text)) {
        return 0;
    }
    const char *resident = strchr(text, ' ');
    const char *shared = resident != NULL ? strchr(resident + 1, ' ') : NULL;
    if (shared == NULL) {
        return 0;
    }
    uint64_t all = limit_from(resident + 1), files = limit_from(shared + 1);
    return all == NO_LIMIT || files > all ? 0 : (all - files) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t budget_resident_bytes(const char *root)
{
    char text[256];
    if (!read_file(root, "proc/self/statm", text, sizeof text)) {
        return 0;
    }
    const char *resident = strchr(text, ' ');
    uint64_t pages = resident == NULL ? NO_LIMIT : limit_from(resident + 1);
    return pages == NO_LIMIT ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t budget_virtual_bytes(const char *root)
{
    char text[256];
    if (!read_file(root, "proc/self/statm", text, sizeof text)) {
        return 0;
    }
    uint64_t pages = limit_from(text);
    return pages == NO_LIMIT ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t budget_raise_fds(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        limit = raised;
    }
    return limit.rlim_cur;
}

/* Without a descriptor to look with, all are open. */
uint64_t budget_open_fds(const char *root)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/proc/self/fd", root);
    if (length < 0 || (size_t)length >= sizeof path) {
        return 0;
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        struct rlimit limit;
        bool full = errno == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0;
        return full ? limit.rlim_cur : 0;
    }
    uint64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            count++;
        }
    }
    closedir(folder);
    return count > 0 ? count - 1 : 0; /* one of them was the folder */
}

/* A folder has a link from itself, one from above, and one from each folder in it: a thread. */
uint64_t budget_threads(const char *root)
{
    char path[PATH_MAX];
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/proc/self/task", root);
    if (length < 0 || (size_t)length >= sizeof path || stat(path, &info) != 0 ||
        info.st_nlink < 2) {
        return 0;
    }
    return info.st_nlink - 2;
}

/* The set is as large as the kernel's, which cannot be asked but by trying. */
static unsigned affine_processors(void)
{
    for (int most = 1024; most <= PROCESSORS_MAX; most *= 2) {
        cpu_set_t *set = fault_hits(FAULT_ALLOC) ? NULL : CPU_ALLOC((size_t)most);
        if (set == NULL) {
            break;
        }
        size_t bytes = CPU_ALLOC_SIZE((size_t)most);
        bool known = sched_getaffinity(0, bytes, set) == 0;
        bool too_small = !known && errno == EINVAL;
        int count = known ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) {
            return (unsigned)count;
        }
        if (!too_small) {
            break;
        }
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned budget_processors(const char *root)
{
    uint64_t count = affine_processors();
    count = smaller(count, tightest(root, "", "", processors_v2));
    count = smaller(count, tightest(root, "/cpu", "cpu", processors_v1));
    return count > 0 ? (unsigned)count : 1;
}
