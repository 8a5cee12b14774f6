/* Binding, permissions and removal. */
#include "proxy/client/local_file.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/descriptor.h"

static bool answers(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* EACCES: it may not be asked, so it may be in use */
    bool answered = fd >= 0 && (connect(fd, &address->any, address->length) == 0 ||
                                errno == EAGAIN || errno == EACCES || errno == EPERM);
    if (fd >= 0) {
        close(fd);
    }
    return answered;
}

static int probe_folder(const struct address *address)
{
    char copy[sizeof address->local.sun_path + 1];
    snprintf(copy, sizeof copy, "%s", address->local.sun_path);
    return access(dirname(copy), W_OK | X_OK) == 0 ? 0 : errno;
}

int local_file_probe(const struct address *address)
{
    struct stat info;
    if (lstat(address->local.sun_path, &info) != 0) {
        return errno == ENOENT ? probe_folder(address) : errno;
    }
    if (!S_ISSOCK(info.st_mode)) {
        return EEXIST;
    }
    return answers(address) ? EADDRINUSE : probe_folder(address);
}

/* Nobody can connect until the file has its owner and its mode. */
static bool publish(const struct listen_settings *listen)
{
    const char *path = listen->address.local.sun_path;
    bool owned = listen->user == UINT32_MAX && listen->group == UINT32_MAX;
    return (owned || chown(path, listen->user, listen->group) == 0) &&
           chmod(path, listen->mode) == 0;
}

static bool bind_and_listen(int fd, const struct listen_settings *wanted, int backlog)
{
    const struct address *address = &wanted->address;
    /* the file gets the mode that the socket has */
    if (fchmod(fd, S_IRUSR) != 0 || bind(fd, &address->any, address->length) != 0) {
        return false;
    }
    if (listen(fd, backlog) == 0 && publish(wanted)) {
        return true;
    }
    int error = errno;
    unlink(address->local.sun_path);
    errno = error;
    return false;
}

bool local_file_bind(const struct listen_settings *wanted, int backlog, int *ret_fd)
{
    int error = local_file_probe(&wanted->address);
    if (error != 0) {
        errno = error;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    unlink(wanted->address.local.sun_path);
    if (!bind_and_listen(fd, wanted, backlog)) {
        close_keeping_errno(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

struct local_file local_file_of(const struct address *address)
{
    struct stat info;
    if (address->any.sa_family != AF_UNIX || lstat(address->local.sun_path, &info) != 0 ||
        !S_ISSOCK(info.st_mode)) {
        return (struct local_file){0};
    }
    return (struct local_file){info.st_dev, info.st_ino};
}

void local_file_remove(struct local_file *file, const struct address *address)
{
    const struct local_file now = local_file_of(address);
    if (file->inode != 0 && now.inode == file->inode && now.device == file->device) {
        unlink(address->local.sun_path);
    }
    *file = (struct local_file){0};
}
