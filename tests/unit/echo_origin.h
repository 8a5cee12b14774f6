/* An origin that echoes each byte, on a thread of its own. */
#ifndef EVENKEEL_TESTS_UNIT_ECHO_ORIGIN_H
#define EVENKEEL_TESTS_UNIT_ECHO_ORIGIN_H

#include "tests/unit/pool_rig.h"

#include <sys/epoll.h>

struct origin {
    pthread_t thread;
    int listener, epoll;
    uint16_t port;
    bool stop;             /* atomic */
    unsigned close_one_in; /* instead of an echo; 0: never */
    struct rng rng;
};

static inline void origin_accept(struct origin *origin)
{
    int fd;
    while ((fd = accept4(origin->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        assert_int_equal(epoll_ctl(origin->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    }
}

static inline void origin_echo(struct origin *origin, int fd)
{
    char room[64];
    ssize_t n = read(fd, room, sizeof room);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    bool ends = origin->close_one_in > 0 && rng_below(&origin->rng, origin->close_one_in) == 0;
    if (n <= 0 || ends || send(fd, room, (size_t)n, MSG_NOSIGNAL) != n) {
        close(fd);
    }
}

static inline void *origin_main(void *arg)
{
    struct origin *origin = arg;
    struct epoll_event events[64];
    while (!__atomic_load_n(&origin->stop, __ATOMIC_ACQUIRE)) {
        int count = epoll_wait(origin->epoll, events, 64, 10);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == origin->listener) {
                origin_accept(origin);
            } else {
                origin_echo(origin, events[i].data.fd);
            }
        }
    }
    return NULL;
}

static inline void origin_start(struct origin *origin, uint64_t seed, unsigned close_one_in)
{
    *origin = (struct origin){.close_one_in = close_one_in};
    rng_init(&origin->rng, seed);
    origin->listener = rig_listen(1024, &origin->port);
    fcntl(origin->listener, F_SETFL, O_NONBLOCK);
    origin->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = origin->listener};
    epoll_ctl(origin->epoll, EPOLL_CTL_ADD, origin->listener, &event);
    assert_int_equal(pthread_create(&origin->thread, NULL, origin_main, origin), 0);
}

/* Its own ends of connections are found by asking all descriptors: those of the pool are closed by then. */
static inline void origin_stop(struct origin *origin)
{
    __atomic_store_n(&origin->stop, true, __ATOMIC_RELEASE);
    pthread_join(origin->thread, NULL);
    close(origin->listener);
    for (int fd = 3; fd < 4096; fd++) {
        struct sockaddr_in own = {.sin_port = 0};
        socklen_t length = sizeof own;
        if (getsockname(fd, (struct sockaddr *)&own, &length) == 0 &&
            ntohs(own.sin_port) == origin->port) {
            close(fd);
        }
    }
    close(origin->epoll);
}

#endif
