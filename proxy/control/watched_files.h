/*
 * Files that are looked at again and again, to see whether they are still those that were read.
 *
 * A disk may hang, so nothing of it is done by the thread that asks: files of a folder are looked at by a task of a pool, on the folder's lane.
 * A folder that hangs keeps its own files from being looked at, and nobody else. A file that is wanted is also read through, so that
 * whoever reads it next waits for no disk that hangs already.
 *
 * Owns: its tables and copies of the paths; what a task uses lives on until it comes home. Thread: control. Time base: monotonic, ms. A file
 * is known by what its path leads to, symbolic links followed: device, inode, size and time of change. So a rename, a write in
 * place and an exchanged link are all seen, without a descriptor for each file or folder.
 */
#ifndef EVENKEEL_PROXY_CONTROL_WATCHED_FILES_H
#define EVENKEEL_PROXY_CONTROL_WATCHED_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/file_mark.h"
#include "steady/task_pool.h"
#include "steady/text_index.h"

struct watched_files;

/* No disk takes so long that does not hang. */
#define WATCHED_HANG_MS 2000

/* Files of one lane, which are looked at by one task. */
#define WATCHED_GROUPS 256u

struct watched_group {
    struct task task;
    uint64_t lane; /* of its folder */
    struct watched_files *files;
    struct watched_file *first;
    uint64_t asked_ms;      /* when the present look began; 0: none is in progress */
    uint64_t asked, looked; /* numbers of the last look that began, and that was over */
    bool told;              /* by watched_files_turned(): that it hangs */
};

struct watched_file {
    char *path;
    struct watched_group *group;
    struct watched_file *next; /* in its group */
    uint64_t changes_count;
    bool wanted;  /* the next look reads it through */
    bool regular; /* when it was read through last */
    bool there;   /* when the last look was over; before the first one, what its owner sets */
    /* of the task, while a look is in progress */
    struct file_mark mark;
    bool moved, read, found_regular;
};

struct watched_files {
    struct watched_file *items;
    size_t count, space;
    struct text_index by_path;
    struct watched_group *groups[WATCHED_GROUPS];
    uint64_t last_asked;           /* number of the last look */
    size_t asked_count;            /* looks in progress */
    void (*on_quiet)(void *owner); /* NULL: nobody waits for that */
    void *owner;
    bool left; /* by its owner: the last look that comes home frees it */
};

/* For at most `space` files. NULL: no memory. */
struct watched_files *watched_files_create(size_t space);
/* NULL is fine. */
void watched_files_free(struct watched_files **files);
/* A file, known before or new. Nothing of it is looked at yet. NULL: no memory. */
struct watched_file *watched_files_add(struct watched_files *files, const char *path);
/* NULL: it is not among them; `files` may be NULL. */
struct watched_file *watched_files_find(const struct watched_files *files, const char *path);
/* Takes the files as they are now, and waits for their disk: for the start of the process. Else the first look does it. */
void watched_files_mark(struct watched_files *files);
/* Whom to call each time that no look is in progress any more. It may free the files. NULL: nobody. */
void watched_files_on_quiet(struct watched_files *files, void (*on_quiet)(void *owner),
                            void *owner);
/* Begins to look at all files that no look is in progress for. */
void watched_files_look(struct watched_files *files, struct task_pool *pool, struct mailbox *home,
                        uint64_t now_ms);
/* One of the groups that a look is in progress for; NULL: none. */
const struct watched_group *watched_files_busy(const struct watched_files *files);
/* Whether a look is in progress for WATCHED_HANG_MS. */
bool watched_group_hangs(const struct watched_group *group, uint64_t now_ms);
/* The same of files in the folder of this one. */
bool watched_files_hang(const struct watched_files *files, const char *path, uint64_t now_ms);
/* A group that hangs, or hangs no more (`told`), which was not returned since; NULL: none. */
const struct watched_group *watched_files_turned(struct watched_files *files, uint64_t now_ms);

#endif
