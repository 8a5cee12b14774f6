/* Opening, writing and rotating one file. */
#include "proxy/log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
/* What a suffix adds to a path: a dot and a number. */
#define SUFFIX_BYTES 24

static enum log_file_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? LOG_FILE_REGULAR : S_ISSOCK(mode) ? LOG_FILE_SOCKET : LOG_FILE_STREAM;
}

/* The file behind a descriptor and not behind a path, because a path may name another file a moment later. */
static void log_file_adopt(struct log_file *file, int fd, uint64_t now_ms)
{
    struct stat info = {0};
    file->fd = fd;
    file->kind = fstat(fd, &info) == 0 ? kind_of(info.st_mode) : LOG_FILE_STREAM;
    file->id = (struct log_file_id){info.st_dev, info.st_ino};
    file->bytes = file->kind == LOG_FILE_REGULAR ? (uint64_t)info.st_size : 0;
    file->opened_ms = now_ms;
}

static bool is_fifo(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
}

/* The descriptor of standard output is shared with the process that started this one, and so is its blocking mode. A
   pipe or a terminal is opened a second time, for this process alone. Where that is not allowed the shared one is used,
   with care. */
static void log_file_open_standard(struct log_file *file, int shared, uint64_t now_ms)
{
    char path[32];
    log_file_adopt(file, shared, now_ms);
    if (file->kind == LOG_FILE_STREAM) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", shared);
        int own = open(path, OPEN_FLAGS);
        file->fd = own >= 0 ? own : shared;
    }
}

static bool log_file_open_path(struct log_file *file, uint64_t now_ms)
{
    int fd = open(file->path, OPEN_FLAGS | O_CREAT, 0640);
    if (fd >= 0) {
        log_file_adopt(file, fd, now_ms);
        return true;
    }
    if (errno == ENXIO && is_fifo(file->path)) {
        file->kind = LOG_FILE_STREAM;
        return true;
    }
    return false;
}

bool log_file_name(struct log_file *file, const char *path)
{
    *file = (struct log_file){.fd = -1, .path = path != NULL ? strdup(path) : NULL};
    if (path != NULL && file->path == NULL) {
        errno = ENOMEM;
        return false;
    }
    file->standard = path != NULL && (strcmp(path, "stderr") == 0 || strcmp(path, "stdout") == 0);
    return true;
}

bool log_file_open(struct log_file *file, const char *path, uint64_t now_ms)
{
    if (!log_file_name(file, path)) {
        return false;
    }
    if (path == NULL) {
        return true;
    }
    if (file->standard) {
        log_file_open_standard(file, path[3] == 'e' ? STDERR_FILENO : STDOUT_FILENO, now_ms);
        return true;
    }
    if (log_file_open_path(file, now_ms)) {
        return true;
    }
    int why = errno;
    log_file_close(file);
    errno = why;
    return false;
}

static void close_fd(int fd, enum log_file_kind kind)
{
    if (fd < 0) {
        return;
    }
    if (kind == LOG_FILE_REGULAR) {
        /* what is written is not read again soon, so it need not stay in the page cache */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    close(fd);
}

void log_file_close(struct log_file *file)
{
    bool shared = file->standard && file->fd <= STDERR_FILENO;
    if (!shared) {
        close_fd(file->fd, file->kind);
    }
    free(file->path);
    *file = (struct log_file){.fd = -1};
}

void log_file_inherit(struct log_file *file, struct log_file *from)
{
    bool named_only = file->path != NULL && file->kind == LOG_FILE_OFF;
    if (named_only) {
        file->fd = from->fd;
        file->id = from->id;
        file->kind = from->kind;
        file->bytes = from->bytes;
        file->opened_ms = from->opened_ms;
        from->fd = -1;
    }
}

bool log_file_reopen(struct log_file *file, uint64_t now_ms)
{
    if (file->path == NULL || file->standard) {
        return true;
    }
    int old_fd = file->fd;
    enum log_file_kind old_kind = file->kind;
    file->fd = -1;
    if (!log_file_open_path(file, now_ms)) {
        file->fd = old_fd;
        return false;
    }
    close_fd(old_fd, old_kind);
    return true;
}

/* Another user who can write to the directory could have put a link to some other file under this name. */
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
    if (file->kind != LOG_FILE_REGULAR || file->standard || fstat(file->fd, &opened) != 0 ||
        opened.st_uid == user) {
        return true;
    }
    return log_file_is_own(file, &opened) && fchown(file->fd, user, (gid_t)-1) == 0;
}

/* ---- writing ---- */

/* As many whole lines as fit into one atomic write of a pipe, so that lines of several processes do not mix. A longer
   line is written in parts. */
static size_t piece_of(const char *bytes, size_t length)
{
    if (length <= PIPE_BUF) {
        return length;
    }
    const char *end = memrchr(bytes, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - bytes) + 1 : PIPE_BUF;
}

static bool takes_now(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, 0) != 0;
}

static ssize_t write_once(const struct log_file *file, const char *bytes, size_t length)
{
    if (file->kind == LOG_FILE_REGULAR) {
        return write(file->fd, bytes, length);
    }
    if (!takes_now(file->fd)) {
        errno = EAGAIN;
        return -1;
    }
    length = piece_of(bytes, length);
    return file->kind == LOG_FILE_SOCKET
               ? send(file->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)
               : write(file->fd, bytes, length);
}

/* A FIFO whose reader is gone, or has not come yet. */
static bool log_file_connect(struct log_file *file, uint64_t now_ms)
{
    if (file->fd < 0 && !log_file_open_path(file, now_ms)) {
        return false;
    }
    if (file->fd < 0) {
        errno = EPIPE;
        return false;
    }
    return true;
}

enum log_file_result log_file_write(struct log_file *file, const char *bytes, size_t length,
                                    uint64_t now_ms, size_t *ret_written)
{
    ssize_t written;
    if (file->kind == LOG_FILE_OFF) {
        *ret_written = length;
        return LOG_FILE_OK;
    }
    if (!log_file_connect(file, now_ms)) {
        return LOG_FILE_FAILED;
    }
    do {
        written = write_once(file, bytes, length);
    } while (written < 0 && errno == EINTR);
    if (written >= 0) {
        file->bytes += (uint64_t)written;
        *ret_written = (size_t)written;
        return LOG_FILE_OK;
    }
    if (errno == EAGAIN) {
        return LOG_FILE_BUSY;
    }
    if (errno == EPIPE && !file->standard) {
        close_fd(file->fd, file->kind);
        file->fd = -1;
        errno = EPIPE;
    }
    return LOG_FILE_FAILED;
}

/* ---- rotation ---- */

bool log_file_rotates(const struct log_file *file)
{
    return file->kind == LOG_FILE_REGULAR && !file->standard && file->rotation.size_bytes > 0;
}

bool log_file_due(const struct log_file *file, size_t bytes, uint64_t now_ms)
{
    return log_file_rotates(file) && file->bytes > 0 &&
           (file->bytes + bytes > file->rotation.size_bytes ||
            now_ms - file->opened_ms > file->rotation.age_ms);
}

/* Whether the path still names the open file, so that no other program has renamed it. */
static bool log_file_in_place(const struct log_file *file)
{
    struct stat at_path;
    return stat(file->path, &at_path) == 0 && file->id.device == at_path.st_dev &&
           file->id.inode == at_path.st_ino;
}

/* The name of the rotated file of that number; 0 is the file itself. It fits into `space`: see rename_files(). */
static void rotated_name(const struct log_file *file, uint64_t number, char *name, size_t space)
{
    if (number == 0) {
        snprintf(name, space, "%s", file->path);
    } else {
        snprintf(name, space, "%s.%" PRIu64, file->path, number);
    }
}

/* Each file takes the name of the next older one, down to the first name that is free: path.1 is the youngest, the one beyond keep_count is
   overwritten. */
static bool shift_files(const struct log_file *file, char *from, char *to, size_t space)
{
    uint64_t last = 0;
    do {
        rotated_name(file, ++last, to, space);
    } while (last < file->rotation.keep_count && access(to, F_OK) == 0);
    for (uint64_t i = last; i > 0; i--) {
        rotated_name(file, i - 1, from, space);
        rotated_name(file, i, to, space);
        if (rename(from, to) != 0) {
            return false;
        }
    }
    return true;
}

static bool rename_files(const struct log_file *file)
{
    size_t space = strlen(file->path) + SUFFIX_BYTES;
    char *names = malloc(2 * space);
    bool renamed = names != NULL && shift_files(file, names, names + space, space);
    int why = errno;
    free(names);
    errno = why;
    return renamed;
}

bool log_file_rotate(struct log_file *file, uint64_t now_ms, bool *ret_rotated)
{
    bool ours = log_file_in_place(file);
    if ((ours && !rename_files(file)) || !log_file_reopen(file, now_ms)) {
        int why = errno;
        file->opened_ms = now_ms;
        file->bytes = 0;
        errno = why;
        return false;
    }
    *ret_rotated = ours;
    return true;
}
