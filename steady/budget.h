/*
 * What this process may use: memory from its cgroup (v2 at its own path, v1, else RAM), file descriptors from its
 * rlimit (soft raised to hard), processors from its affinity and cgroup quota.
 *
 * Owns nothing. Thread: control thread; reads files of /proc and /sys. Errors: what cannot be read does not limit.
 * `root` is "" but in tests, where it is a folder laid out like / . Spec: cgroups(7), Linux cgroup-v2.rst.
 */
#ifndef EVENKEEL_STEADY_BUDGET_H
#define EVENKEEL_STEADY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* 90% of the tightest limit that applies (of the process's own cgroup, of those above it, and RAM; memory.high counts,
   as beyond it the process is throttled), in bytes. *ret_source (may be NULL): "cgroup2", "cgroup1" or "ram". */
uint64_t budget_memory_bytes(const char *root, const char **ret_source);
/* What counts against the limit of the process's own cgroup: the memory of all its processes and of the kernel for them, without the
   cached files that the kernel would rather drop. */
struct budget_group {
    uint64_t used_bytes, limit_bytes;
};
/* False: the cgroup has no limit, or cannot be read. */
__attribute__((warn_unused_result)) bool budget_group(const char *root,
                                                      struct budget_group *ret_group);
/* Resident bytes that are no files: what swapping aside can only be freed by this process. 0 when unknown. */
uint64_t budget_private_bytes(const char *root);
/* Resident and virtual bytes of this process; 0 when unknown. */
uint64_t budget_resident_bytes(const char *root);
uint64_t budget_virtual_bytes(const char *root);
/* Raises the soft limit to the hard one and returns what now applies. */
uint64_t budget_raise_fds(void);
/* File descriptors open now; 0 when unknown. */
uint64_t budget_open_fds(const char *root);
/* Threads of this process; 0 when unknown. */
uint64_t budget_threads(const char *root);
/* One per processor this process may use (affinity, then cgroup quota rounded up), at least 1. */
unsigned budget_processors(const char *root);

#endif
