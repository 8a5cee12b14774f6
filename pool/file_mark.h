/*
 * Whether a file is still the one that was read.
 *
 * Owns nothing. Thread: any one.
 */
#ifndef EVENKEEL_POOL_FILE_MARK_H
#define EVENKEEL_POOL_FILE_MARK_H

#include <stdbool.h>
#include <sys/stat.h>

/* All zero: a file that is not there. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

static inline bool file_mark_there(const struct file_mark *mark)
{
    return mark->inode != 0;
}

/* Whether the file is another one than the mark says, or changed; the mark follows. */
static inline bool file_mark_moved(struct file_mark *mark, const char *path)
{
    struct stat found;
    struct file_mark now = {.bytes = 0};
    if (stat(path, &found) == 0) {
        now = (struct file_mark){found.st_dev, found.st_ino, found.st_size, found.st_mtim};
    }
    bool moved = now.device != mark->device || now.inode != mark->inode ||
                 now.bytes != mark->bytes || now.changed.tv_sec != mark->changed.tv_sec ||
                 now.changed.tv_nsec != mark->changed.tv_nsec;
    *mark = now;
    return moved;
}

#endif
