/* Listening sockets from outside. */
#include "proxy/client/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START */
#define LISTEN_FDS_FIRST 3

static bool listens(int fd)
{
    int value = 0, type = 0;
    socklen_t bytes = sizeof value, type_bytes = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &bytes) == 0 && value == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) == 0 && type == SOCK_STREAM;
}

static bool bound_to(int fd, struct address *ret_address)
{
    struct address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.local;
    if (getsockname(fd, &address.any, &address.length) != 0) {
        return false;
    }
    int family = address.any.sa_family;
    *ret_address = address;
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

bool inherited_add(struct inherited *inherited, int fd, bool shared)
{
    struct inherited_socket *added = &inherited->sockets[inherited->count];
    if (inherited->count == INHERITED_MAX || !listens(fd) || !bound_to(fd, &added->address) ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        close(fd);
        return false;
    }
    added->fd = fd;
    added->shared = shared;
    inherited->count++;
    return true;
}

void inherited_from_environment(struct inherited *inherited)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    bool ours = pid != NULL && fds != NULL && strtol(pid, NULL, 10) == (long)getpid();
    long count = ours ? strtol(fds, NULL, 10) : 0;
    for (long i = 0; i < count && i < INHERITED_MAX; i++) {
        (void)inherited_add(inherited, LISTEN_FDS_FIRST + (int)i, true);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static bool matches(const struct inherited_socket *socket, const struct address *address)
{
    return socket->fd >= 0 && address_equal(&socket->address, address);
}

size_t inherited_count(const struct inherited *inherited, const struct address *address)
{
    size_t count = 0;
    for (size_t i = 0; i < inherited->count; i++) {
        count += matches(&inherited->sockets[i], address);
    }
    return count;
}

bool inherited_shared(const struct inherited *inherited, const struct address *address)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (matches(&inherited->sockets[i], address) && inherited->sockets[i].shared) {
            return true;
        }
    }
    return false;
}

int inherited_take(struct inherited *inherited, const struct address *address)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (matches(&inherited->sockets[i], address)) {
            int fd = inherited->sockets[i].fd;
            inherited->sockets[i].fd = -1;
            return fd;
        }
    }
    return -1;
}

void inherited_close(struct inherited *inherited,
                     void (*each)(const struct address *address, void *owner), void *owner)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->sockets[i].fd >= 0) {
            each(&inherited->sockets[i].address, owner);
            close(inherited->sockets[i].fd);
        }
    }
    inherited->count = 0;
}
