/*
 * Files that are looked at again and again, to see whether they are still those that were read.
 *
 * Owns: its tables; the paths are the caller's. Thread: control. A file is known by what its path leads to, symbolic
 * links followed: device, inode, size and time of change. So a rename, a write in place and an exchanged link are all
 * seen, without a descriptor for each file or folder.
 */
#ifndef EVENKEEL_PROXY_CONTROL_WATCHED_FILES_H
#define EVENKEEL_PROXY_CONTROL_WATCHED_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/file_mark.h"
#include "steady/text_index.h"

struct watched_file {
    const char *path;
    struct file_mark mark;
    bool moved; /* between the last look and the one before */
};

struct watched_files {
    struct watched_file *items;
    size_t count, space;
    struct text_index by_path;
    size_t at; /* how far the present round has come */
};

/* At most `space` files. False: no memory. */
__attribute__((warn_unused_result)) bool watched_files_init(struct watched_files *files,
                                                            size_t space);
void watched_files_release(struct watched_files *files);
/* The file as it is now; known before or new. NULL: no memory. */
struct watched_file *watched_files_add(struct watched_files *files, const char *path);
/* Looks at the next files. True: with these, each has been looked at once more. */
bool watched_files_look(struct watched_files *files);

#endif
