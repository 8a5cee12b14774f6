/* The listening socket of the admin listener. */
#include "proxy/admin/admin_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/settings.h"
#include "proxy/client/local_file.h"
#include "steady/descriptor.h"

#define ADMIN_BACKLOG 256

static int listen_ip(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address->any, address->length) != 0 || listen(fd, ADMIN_BACKLOG) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

static int listen_on(const struct address *address)
{
    int fd = -1;
    if (address->any.sa_family != AF_UNIX) {
        return listen_ip(address);
    }
    const struct listen_settings wanted = {
        .address = *address, .mode = LISTEN_FILE_MODE, .user = UINT32_MAX, .group = UINT32_MAX};
    return local_file_bind(&wanted, ADMIN_BACKLOG, &fd) ? fd : -1;
}

int admin_socket_open(const struct address *address, struct inherited *inherited)
{
    int fd = inherited_take(inherited, address);
    return fd >= 0 ? fd : listen_on(address);
}
