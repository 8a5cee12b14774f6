/* Writing aside, then renaming. */
#include "steady/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/descriptor.h"

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* The mode is not that of the umask. */
static bool write_new(const char *path, mode_t mode, const void *bytes, size_t length, bool durable)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return false;
    }
    if (fchmod(fd, mode) == 0 && write_all(fd, bytes, length) && (!durable || fsync(fd) == 0)) {
        return close(fd) == 0;
    }
    close_keeping_errno(fd);
    return false;
}

bool file_replace(const char *path, const char *next, mode_t mode, const void *bytes, size_t length,
                  bool durable)
{
    unlink(next);
    if (write_new(next, mode, bytes, length, durable) && rename(next, path) == 0) {
        return true;
    }
    int why = errno;
    unlink(next);
    errno = why;
    return false;
}
