/* Connecting a datagram socket looks up the route and sends nothing. */
#include "pool/route.h"

#include <errno.h>
#include <unistd.h>

static bool says_none(int error)
{
    return error == EAFNOSUPPORT || error == ENETUNREACH || error == EHOSTUNREACH ||
           error == EADDRNOTAVAIL;
}

bool route_exists(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return !says_none(errno);
    }
    bool exists = connect(fd, &address->any, address->length) == 0 || !says_none(errno);
    close(fd);
    return exists;
}

int route_errno(const struct address *address, int error)
{
    return error == EADDRNOTAVAIL && !route_exists(address) ? ENETUNREACH : error;
}
