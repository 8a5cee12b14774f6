/*
 * Listening sockets that were open before this program started: from a service manager (LISTEN_FDS) or from the
 * process that this one replaces. A listener takes those that are bound to its address.
 *
 * Owns: the sockets that no listener has taken. Thread: control. Spec: sd_listen_fds(3).
 */
#ifndef EVENKEEL_PROXY_CLIENT_INHERITED_H
#define EVENKEEL_PROXY_CLIENT_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

#include "steady/address.h"

#define INHERITED_MAX 1024

struct inherited {
    struct inherited_socket {
        int fd;      /* -1: taken */
        bool shared; /* a service manager also keeps it open */
        struct address address;
    } sockets[INHERITED_MAX];
    size_t count;
};

/* Reads and removes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES. Descriptors that do not listen on a stream are closed. */
void inherited_from_environment(struct inherited *inherited);
/* Adds a socket. It is closed if it does not listen on a stream, or if there are too many. True: it was added. */
bool inherited_add(struct inherited *inherited, int fd, bool shared);
/* Number of sockets that are bound to the address and not taken. */
size_t inherited_count(const struct inherited *inherited, const struct address *address);
/* Whether another process also keeps one of them open. */
bool inherited_shared(const struct inherited *inherited, const struct address *address);
/* Takes one of them: non-blocking, closed on exec. -1: there is none. */
int inherited_take(struct inherited *inherited, const struct address *address);
/* Closes the sockets that no listener took; calls back for each before. */
void inherited_close(struct inherited *inherited,
                     void (*each)(const struct address *address, void *owner), void *owner);

#endif
