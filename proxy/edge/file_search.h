/*
 * Looking for a file below a folder, and opening it: everything that may block on the disk.
 *
 * Nothing outside the folder is ever opened: the kernel resolves the path beneath it, and refuses symbolic links that lead out
 * (openat2, RESOLVE_BENEATH). On kernels without openat2 the path is walked name by name, and every symbolic link is refused. Only
 * regular files are opened: each is looked at by O_PATH before, so that no FIFO waits for a writer and no device is touched.
 *
 * Owns: the descriptor, until it is taken from the result. Thread: one that may block. Errors: enum file_search_result.
 * Spec: openat2(2).
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_SEARCH_H
#define EVENKEEL_PROXY_EDGE_FILE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "proxy/edge/file_path.h"

enum file_search_result {
    FILE_SEARCH_FOUND,
    FILE_SEARCH_FOLDER, /* it is a folder with an index, and its path needs a slash at its end */
    FILE_SEARCH_NOT_FOUND,
    FILE_SEARCH_DENIED, /* it may not be read, or leads out of the folder */
    FILE_SEARCH_FAILED, /* the disk, descriptors, memory */
};

/* Descriptors that a search has at a time beside the one that it returns. */
#define FILE_SEARCH_FDS 2

struct file_found {
    int fd; /* -1: not found */
    uint64_t bytes;
    uint64_t modified_ns;
    unsigned coding;                      /* CODING_BIT(); 0: as it is */
    char name[FILE_PATH_MAX_BYTES + 256]; /* below the folder, without the suffix of a coding */
};

/* Looks for the path, for an index in it if it is a folder, and for what `try` says. codings: those that the client takes; used with
   `precompressed`. ret_found->fd is -1 unless FOUND. */
enum file_search_result file_search(const struct file_settings *settings,
                                    const struct file_path *path, unsigned codings,
                                    struct file_found *ret_found);

/* A way to open a path below a folder. Returns -1 with errno. */
typedef int file_open_fn(int folder, const char *path, int flags);
/* By openat2(). ENOSYS, EPERM: this kernel, or what guards it, does not let us. */
file_open_fn file_open_beneath;
/* Without it. */
file_open_fn file_open_by_walking;

#endif
