/* The floor of the benchmark: an edge-triggered relay that parses nothing and decides nothing, four system calls a request.
   usage: relay LISTEN_PORT ORIGIN_PORT. Each client gets a connection of its own to the origin. What a socket does not take at once
   ends the program: it is for small messages only. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS 65536
#define EVENTS 64

static int others[FDS]; /* [descriptor]: the other end */

static void give_up(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in local(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(int loop, int fd, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.fd = fd};
    if (fd >= FDS || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0) {
        give_up("watch");
    }
}

static void join(int loop, int client, const struct sockaddr_in *origin)
{
    int on = 1;
    int far = socket(AF_INET, SOCK_STREAM, 0);
    if (far < 0 || connect(far, (const struct sockaddr *)origin, sizeof *origin) != 0) {
        give_up("connect");
    }
    setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(loop, client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    watch(loop, far, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    others[client] = far;
    others[far] = client;
}

/* False: this end is over. */
static bool pass_on(int fd)
{
    static char bytes[65536];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    if (send(others[fd], bytes, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT) != got) {
        give_up("a message too large for this relay");
    }
    return true;
}

static void part(int fd)
{
    int far = others[fd];
    others[fd] = others[far] = -1;
    close(fd);
    close(far);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    int on = 1, loop = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = local(argv[1]), origin = local(argv[2]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (loop < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 4096) != 0) {
        give_up("listen");
    }
    watch(loop, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd, client;
            if (fd == listener) {
                while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    join(loop, client, &origin);
                }
            } else if (others[fd] >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT) != 0 &&
                       !pass_on(fd)) {
                part(fd);
            }
        }
    }
}
