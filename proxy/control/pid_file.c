/* Writes and removes the pid file. */
#include "proxy/control/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_new(const char *path)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    bool good = write(fd, text, (size_t)length) == length && fchmod(fd, 0644) == 0;
    int why = errno;
    if (good) {
        return close(fd) == 0;
    }
    close(fd);
    errno = why;
    return false;
}

bool pid_file_write(const char *path)
{
    char next[PATH_MAX];
    if ((size_t)snprintf(next, sizeof next, "%s.new", path) >= sizeof next) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(next);
    if (write_new(next) && rename(next, path) == 0) {
        return true;
    }
    int why = errno;
    unlink(next);
    errno = why;
    return false;
}

void pid_file_remove(const char *path)
{
    char text[24] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length > 0 && strtol(text, NULL, 10) == (long)getpid()) {
        unlink(path);
    }
}
