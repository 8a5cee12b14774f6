/* Writes and removes the pid file. */
#include "proxy/control/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steady/file_replace.h"

bool pid_file_write(const char *path)
{
    char next[PATH_MAX], text[24];
    if ((size_t)snprintf(next, sizeof next, "%s.new", path) >= sizeof next) {
        errno = ENAMETOOLONG;
        return false;
    }
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return file_replace(path, next, 0644, text, (size_t)length, false);
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
