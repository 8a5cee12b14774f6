/* Writing and rotating one file. */
#include "proxy/log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/counter.h"

#define COMPLAIN_EVERY_MS 60000
#define LINES_LOST "lines are lost"

/* At most one line a minute on stderr: the log cannot say of itself that it is broken. */
static void log_file_complain(struct log_file *file, const char *what, const char *outcome,
                              uint64_t now_ms)
{
    int error = errno;
    stat_add(&file->write_errors, 1);
    if (file->complained_ms != 0 && now_ms - file->complained_ms < COMPLAIN_EVERY_MS) {
        return;
    }
    file->complained_ms = now_ms;
    dprintf(STDERR_FILENO, "evenkeel: log %s: %s: %s; %s (%" PRIu64 " failures so far)\n",
            file->path, what, strerror(error), outcome, file->write_errors);
}

static void log_file_close_fd(struct log_file *file)
{
    if (file->fd >= 0 && !file->terminal) {
        /* what is written is not read again soon: do not fill the page cache with it */
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
        close(file->fd);
    }
    file->fd = -1;
}

/* On failure errno says why, and what was open stays open. */
static bool log_file_open_fd(struct log_file *file, uint64_t now_ms)
{
    struct stat info;
    int fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0) {
        return false;
    }
    log_file_close_fd(file);
    file->fd = fd;
    file->opened_ms = now_ms;
    file->bytes = fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    return true;
}

bool log_file_open(struct log_file *file, const char *path, uint64_t now_ms)
{
    file->fd = -1;
    file->path = path != NULL ? strdup(path) : NULL;
    if (path == NULL) {
        return true;
    }
    if (file->path == NULL) {
        errno = ENOMEM;
        return false;
    }
    file->terminal = strcmp(path, "stderr") == 0 || strcmp(path, "stdout") == 0;
    if (file->terminal) {
        file->fd = path[3] == 'e' ? STDERR_FILENO : STDOUT_FILENO;
        return true;
    }
    if (log_file_open_fd(file, now_ms)) {
        return true;
    }
    int error = errno;
    log_file_close(file);
    errno = error;
    return false;
}

void log_file_close(struct log_file *file)
{
    log_file_close_fd(file);
    free(file->path);
    file->path = NULL;
}

void log_file_reopen(struct log_file *file, uint64_t now_ms)
{
    if (file->path == NULL || file->terminal) {
        return;
    }
    if (!log_file_open_fd(file, now_ms)) {
        log_file_complain(file, "cannot reopen",
                          file->fd >= 0 ? "the file that is open is written on" : LINES_LOST,
                          now_ms);
    }
}

/* Whoever can write to the folder could have put a link to somebody else's file under this name. */
static bool log_file_is_own(const struct log_file *file, const struct stat *opened)
{
    struct stat named;
    return lstat(file->path, &named) == 0 && S_ISREG(named.st_mode) && named.st_nlink == 1 &&
           named.st_dev == opened->st_dev && named.st_ino == opened->st_ino &&
           opened->st_uid == geteuid();
}

bool log_file_give(struct log_file *file, uid_t user)
{
    struct stat opened;
    if (file->fd < 0 || file->terminal || fstat(file->fd, &opened) != 0 ||
        !S_ISREG(opened.st_mode) || opened.st_uid == user) {
        return true;
    }
    return log_file_is_own(file, &opened) && fchown(file->fd, user, (gid_t)-1) == 0;
}

/* path.1 is the youngest; the one beyond keep_count is overwritten. */
static void log_file_rotate(struct log_file *file, uint64_t now_ms)
{
    size_t space = strlen(file->path) + 24;
    char *from = malloc(space), *to = malloc(space);
    if (from != NULL && to != NULL) {
        for (uint64_t i = file->keep_count; i > 0; i--) {
            snprintf(to, space, "%s.%" PRIu64, file->path, i);
            if (i > 1) {
                snprintf(from, space, "%s.%" PRIu64, file->path, i - 1);
            } else {
                snprintf(from, space, "%s", file->path);
            }
            if (rename(from, to) != 0 && errno != ENOENT) {
                log_file_complain(file, "cannot rotate", "it grows on", now_ms);
            }
        }
        stat_add(&file->rotations, 1);
        log_file_reopen(file, now_ms);
    }
    free(from);
    free(to);
}

void log_file_write(struct log_file *file, const char *bytes, size_t length, uint64_t now_ms)
{
    if (file->path == NULL) {
        return;
    }
    bool due = !file->terminal && file->rotate_size_bytes > 0 && file->bytes > 0 &&
               (file->bytes + length > file->rotate_size_bytes ||
                now_ms - file->opened_ms > file->rotate_age_ms);
    if (due) {
        log_file_rotate(file, now_ms);
    }
    if (file->fd < 0 && !log_file_open_fd(file, now_ms)) {
        log_file_complain(file, "cannot open", LINES_LOST, now_ms);
        return;
    }
    while (length > 0) {
        ssize_t written = write(file->fd, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            log_file_complain(file, "cannot write", LINES_LOST, now_ms);
            return;
        }
        bytes += written;
        length -= (size_t)written;
        file->bytes += (uint64_t)written;
        stat_add(&file->written_bytes, (uint64_t)written);
    }
}
