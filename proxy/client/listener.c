/* Listening sockets, and accepting: never more clients than there are places and descriptors for. */
#include "proxy/client/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/client/client.h"
#include "steady/deadline.h"
#include "steady/descriptor.h"
#include "steady/enum_names.h"
#include "steady/fds.h"
#include "tls/server.h"

#define LISTENER_BACKLOG 4096
/* Number of accepts in a row before other events are handled. */
#define LISTENER_TURN_ACCEPTS 64
/* How long a listener rests when descriptors have run out and none becomes free on this worker. */
#define LISTENER_REST_MS 100

/* However short memory is, so many clients for each worker are accepted. */
#define PRESSED_CLIENTS 64

enum accept_result {
    ACCEPT_TAKEN,
    ACCEPT_NOBODY, /* no connection waits */
    ACCEPT_GONE,   /* a connection waited, and is gone */
    /* the clients' share of the descriptors is used up, the kernel has none left, or memory is short */
    ACCEPT_SHORTAGE,
    ACCEPT_FAILED, /* the socket itself; it may last */
};

static void listener_on_readable(evutil_socket_t fd, short what, void *arg);
static void listener_on_again(struct wheel_timer *timer, uint64_t now_ms);
static void listener_enter(struct worker_listener *listener, enum worker_listener_state state);
static void listener_leave(struct worker_listener *listener);

ENUM_NAME_FUNCTION(listener_result_name, enum listener_result, LISTENER_RESULTS)

static enum listener_result listener_bind_one(const struct address *address, int *ret_fd)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return LISTENER_NO_FD;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    /* accepted sockets inherit this, which saves a system call for each client */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, &address->any, address->length) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        close_keeping_errno(fd);
        return LISTENER_CANNOT_BIND;
    }
    *ret_fd = fd;
    return LISTENER_OK;
}

int listener_probe(const struct address *address)
{
    if (address->any.sa_family == AF_UNIX) {
        return local_file_probe(address);
    }
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    int error = bind(fd, &address->any, address->length) != 0 ? errno : 0;
    close(fd);
    return error;
}

/* The next inherited socket, which is the listener's from now on. */
static enum listener_result listener_inherit_one(struct inherited *inherited,
                                                 const struct address *address, int *ret_fd)
{
    int on = 1, fd = inherited_take(inherited, address);
    if (fd < 0) {
        return LISTENER_NO_FD;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *ret_fd = fd;
    return LISTENER_OK;
}

static enum listener_result listener_duplicate_one(const struct listener *listener, int *ret_fd)
{
    *ret_fd = fcntl(listener->fds[listener->fd_count % listener->socket_count], F_DUPFD_CLOEXEC, 0);
    return *ret_fd >= 0 ? LISTENER_OK : LISTENER_NO_FD;
}

/* Workers share the socket of a file, and inherited ones if these are too few. */
static enum listener_result listener_fill(struct listener *listener,
                                          const struct listen_settings *listen,
                                          struct inherited *inherited)
{
    int *fd = &listener->fds[listener->fd_count];
    enum listener_result result;
    if (inherited_count(inherited, &listen->address) > 0) {
        result = listener_inherit_one(inherited, &listen->address, fd);
    } else if (listener->socket_count > 0 &&
               (listener->inherits || listen->address.any.sa_family == AF_UNIX)) {
        return listener_duplicate_one(listener, fd);
    } else if (listen->address.any.sa_family == AF_UNIX) {
        result = local_file_bind(listen, LISTENER_BACKLOG, fd) ? LISTENER_OK : LISTENER_CANNOT_BIND;
    } else {
        result = listener_bind_one(&listen->address, fd);
    }
    listener->socket_count += result == LISTENER_OK;
    return result;
}

unsigned listener_fd_count(const struct address *address, unsigned worker_count,
                           const struct inherited *inherited)
{
    unsigned inherited_fds = (unsigned)inherited_count(inherited, address);
    return inherited_fds > worker_count ? inherited_fds : worker_count;
}

enum listener_result listener_open(const struct listen_settings *listen, unsigned worker_count,
                                   struct inherited *inherited, struct listener **ret_listener)
{
    const struct address *address = &listen->address;
    bool inherits = inherited_count(inherited, address) > 0;
    /* If sockets of another program (or of a second copy of this one) are bound to the address the bind must fail, although
       SO_REUSEPORT would let a process of the same user share it. */
    int error = inherits ? 0 : listener_probe(address);
    if (error == EADDRINUSE || (error != 0 && address->any.sa_family == AF_UNIX)) {
        errno = error;
        return LISTENER_CANNOT_BIND;
    }
    unsigned fd_count = listener_fd_count(address, worker_count, inherited);
    struct listener *listener = calloc(1, sizeof *listener + fd_count * sizeof listener->fds[0]);
    if (listener == NULL) {
        return LISTENER_NO_MEMORY;
    }
    listener->address = *address;
    listener->inherits = inherits;
    listener->shared = inherits && inherited_shared(inherited, address);
    address_format(&address->any, listener->text);
    for (unsigned i = 0; i < fd_count; i++) {
        enum listener_result result = listener_fill(listener, listen, inherited);
        if (result != LISTENER_OK) {
            error = errno;
            listener_close(&listener);
            errno = error;
            return result;
        }
        listener->fd_count++;
    }
    if (!listener->shared) {
        listener->file = local_file_of(address);
    }
    *ret_listener = listener;
    return LISTENER_OK;
}

void listener_remove_file(struct listener *listener)
{
    local_file_remove(&listener->file, &listener->address);
}

void listener_close(struct listener **listener_pointer)
{
    struct listener *listener = *listener_pointer;
    if (listener == NULL) {
        return;
    }
    for (unsigned i = 0; i < listener->fd_count; i++) {
        close(listener->fds[i]);
    }
    free(listener);
    *listener_pointer = NULL;
}

void listener_hush(const struct listener *listener)
{
    /* drops segments with SYN and passes all others */
    static struct sock_filter no_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = {sizeof no_syn / sizeof no_syn[0], no_syn};
    if (listener->address.any.sa_family == AF_UNIX) {
        if (!listener->shared) {
            (void)shutdown(listener->fds[0],
                           SHUT_RD); /* who connects is refused, who waits is accepted */
        }
        return;
    }
    for (unsigned i = 0; !listener->shared && i < listener->fd_count; i++) {
        /* without the filter, a connection that arrives between the last accept and the close would be reset */
        (void)setsockopt(listener->fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    }
}

static struct worker_listener *worker_listener_find(struct worker *worker,
                                                    const struct listener *listener,
                                                    unsigned waiter)
{
    struct worker_listener *found;
    TAILQ_FOREACH (found, &worker->listeners, link) {
        if (found->listener == listener && found->waiter == waiter) {
            return found;
        }
    }
    return NULL;
}

static struct worker_listener *worker_listener_add(struct worker *worker,
                                                   const struct listener *listener, unsigned waiter)
{
    struct worker_listener *added = calloc(1, sizeof *added);
    if (added == NULL) {
        return NULL;
    }
    added->worker = worker;
    added->listener = listener;
    added->waiter = waiter;
    wheel_timer_init(&added->again, listener_on_again);
    event_assign(&added->event, worker->base, listener->fds[waiter], EV_READ | EV_PERSIST,
                 listener_on_readable, added);
    TAILQ_INSERT_TAIL(&worker->listeners, added, link);
    event_add(&added->event, NULL);
    return added;
}

/* The addresses of a listener share the bucket of its first. */
static void listener_adopt(struct worker *worker, const struct listener_settings *settings,
                           const struct listener *listener, struct token_bucket *bucket,
                           struct tls_server *tls)
{
    for (unsigned waiter = worker->env.index; waiter < listener->fd_count;
         waiter += worker->env.worker_count) {
        struct worker_listener *own = worker_listener_find(worker, listener, waiter);
        if (own == NULL) {
            own = worker_listener_add(worker, listener, waiter);
        }
        if (own == NULL) {
            log_error(worker->env.log, "listener %s: no memory, this worker does not serve it",
                      settings->name);
            continue;
        }
        own->view.timeouts = settings->timeouts;
        own->view.admission = (struct listener_admission){bucket, token_rate(&settings->rate)};
        own->proxy_protocol = settings->proxy_protocol;
        own->http2 = settings->http2;
        own->view.abort_on_close = settings->abort_on_close;
        tls_server_put(&own->tls);
        own->tls = tls_server_get(tls);
        snprintf(own->view.name, sizeof own->view.name, "%s", settings->name);
        own->view.only_route = generation_only_route(worker->generation, settings->name);
        own->view.routed_in = worker->generation->number;
    }
}

/* The addresses of the listener of this number, which begin at `first`. Returns where those of the next begin. */
static size_t listener_adopt_all(struct worker *worker, size_t number, size_t first)
{
    const struct generation *generation = worker->generation;
    const struct listener_settings *settings = &generation->settings->listeners[number];
    struct token_bucket *bucket = NULL;
    for (size_t i = first; i < first + settings->listen_count; i++) {
        struct listener *listener = generation->listeners[i];
        if (listener == NULL) {
            continue;
        }
        bucket = bucket != NULL ? bucket : &listener->bucket;
        listener_adopt(worker, settings, listener, bucket, generation->tls[number]);
    }
    return first + settings->listen_count;
}

static bool listener_kept(const struct generation *generation, const struct listener *listener)
{
    size_t i = 0;
    while (i < generation->address_count && generation->listeners[i] != listener) {
        i++;
    }
    return i < generation->address_count;
}

void listeners_adopt(struct worker *worker)
{
    const struct generation *generation = worker->generation;
    size_t first = 0;
    for (size_t i = 0; i < generation->settings->listener_count; i++) {
        first = listener_adopt_all(worker, i, first);
    }
    struct worker_listener *own, *next;
    bool gone = false;
    for (own = TAILQ_FIRST(&worker->listeners); own != NULL; own = next) {
        next = TAILQ_NEXT(own, link);
        if (own->state < LISTENER_LEAVES && !listener_kept(generation, own->listener)) {
            listener_leave(own);
            gone = true;
        }
    }
    if (gone) {
        clients_close_idle(worker);
    }
}

void listeners_leave(struct worker *worker)
{
    struct worker_listener *own, *next;
    for (own = TAILQ_FIRST(&worker->listeners); own != NULL; own = next) {
        next = TAILQ_NEXT(own, link);
        if (own->state < LISTENER_LEAVES) {
            listener_leave(own);
        }
    }
}

bool listeners_leaving(const struct worker *worker)
{
    const struct worker_listener *own;
    TAILQ_FOREACH (own, &worker->listeners, link) {
        if (own->state == LISTENER_LEAVES) {
            return true;
        }
    }
    return false;
}

void listeners_close(struct worker *worker)
{
    struct worker_listener *own, *next;
    for (own = TAILQ_FIRST(&worker->listeners); own != NULL; own = next) {
        next = TAILQ_NEXT(own, link);
        if (own->state != LISTENER_LEFT) {
            listener_enter(own, LISTENER_LEFT);
        }
    }
}

void listeners_resume(struct worker *worker)
{
    struct worker_listener *own;
    TAILQ_FOREACH (own, &worker->listeners, link) {
        if (own->state == LISTENER_RESTS) {
            listener_enter(own, LISTENER_ACCEPTS);
        } else if (own->state == LISTENER_LEAVES) {
            event_add(&own->event, NULL);
        }
    }
}

void worker_listener_put(struct worker_listener *listener)
{
    listener->client_count--;
    if (listener->client_count == 0 && listener->state == LISTENER_LEFT) {
        TAILQ_REMOVE(&listener->worker->listeners, listener, link);
        tls_server_put(&listener->tls);
        free(listener);
    }
}

/* In LISTENER_LEAVES the timer ends the wait, or tries again before. */
static void listener_arm(struct worker_listener *listener)
{
    struct worker *worker = listener->worker;
    uint64_t again_ms = deadline_after(worker_now_ms(worker), LISTENER_REST_MS);
    bool last = listener->state == LISTENER_LEAVES && listener->leave_until_ms < again_ms;
    wheel_arm(&worker->loop.wheel, &listener->again, last ? listener->leave_until_ms : again_ms);
}

/* Memory is short, and not because of a few clients. */
static bool is_pressed(const struct worker *worker)
{
    return __builtin_expect(worker->pressure >= PRESSURE_PAUSE, 0) &&
           bound_used(&worker->env.bounds->clients) >
               (uint64_t)PRESSED_CLIENTS * worker->env.worker_count;
}

static void listener_enter(struct worker_listener *listener, enum worker_listener_state state)
{
    struct worker *worker = listener->worker;
    listener->state = state;
    switch (state) {
    case LISTENER_ACCEPTS:
        wheel_disarm(&worker->loop.wheel, &listener->again);
        event_add(&listener->event, NULL);
        break;
    case LISTENER_RESTS:
        event_del(&listener->event);
        stat_add(is_pressed(worker) ? &worker->stats.memory_pauses : &worker->stats.accept_pauses,
                 1);
        pool_ask_for_fds(worker->pool);
        listener_arm(listener);
        break;
    case LISTENER_LEAVES:
        listener->view.admission.bucket = NULL;
        listener->leave_until_ms = deadline_after(worker_now_ms(worker), LISTENERS_LEAVE_MS);
        event_add(&listener->event, NULL);
        listener_arm(listener);
        break;
    case LISTENER_LEFT:
        event_del(&listener->event);
        wheel_disarm(&worker->loop.wheel, &listener->again);
        listener->view.admission.bucket = NULL;
        listener->listener = NULL;
        listener->client_count++; /* so that it is freed in one place */
        worker_listener_put(listener);
        break;
    }
}

static void listener_leave(struct worker_listener *listener)
{
    listener_enter(listener, LISTENER_LEAVES);
    /* usually no connection waits */
    listener_on_readable(listener->listener->fds[listener->waiter], EV_READ, listener);
}

static void listener_on_again(struct wheel_timer *timer, uint64_t now_ms)
{
    struct worker_listener *listener = container_of(timer, struct worker_listener, again);
    if (listener->state == LISTENER_RESTS) {
        listener_enter(listener, LISTENER_ACCEPTS);
    } else if (deadline_passed(listener->leave_until_ms, now_ms)) {
        listener_enter(listener, LISTENER_LEFT);
    } else {
        event_add(&listener->event, NULL);
        listener_arm(listener);
    }
}

/* No connection waits to be accepted. */
static void listener_on_nobody(struct worker_listener *listener)
{
    if (listener->state == LISTENER_LEAVES) {
        listener_enter(listener, LISTENER_LEFT);
    }
}

static void listener_on_shortage(struct worker_listener *listener)
{
    if (listener->state == LISTENER_LEAVES) {
        event_del(&listener->event); /* until the timer fires, or a descriptor becomes free */
    } else {
        listener_enter(listener, LISTENER_RESTS);
    }
}

static enum accept_result accept_result_of_errno(int error)
{
    switch (error) {
    case EAGAIN: return ACCEPT_NOBODY;
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a firewall's word, and accept(2): errors of the connection that waited */
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return ACCEPT_GONE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return ACCEPT_SHORTAGE;
    default: return ACCEPT_FAILED;
    }
}

static bool take_client_fd(struct worker *worker)
{
    struct bound *fds = &worker->env.bounds->fds;
    return fds_take(fds, FD_FOR_CLIENT, 1) ||
           (clients_make_room(worker) && fds_take(fds, FD_FOR_CLIENT, 1));
}

/* A UNIX socket that listener_hush() has shut fails when nobody waits any more. */
static bool listener_is_shut(const struct worker_listener *listener)
{
    return listener->state == LISTENER_LEAVES &&
           listener->listener->address.any.sa_family == AF_UNIX;
}

/* Accepts one client, with a descriptor from the clients' share, which leaves enough to serve them. */
static enum accept_result accept_one(struct worker_listener *listener, int fd)
{
    struct worker *worker = listener->worker;
    if (is_pressed(worker) || !take_client_fd(worker)) {
        return ACCEPT_SHORTAGE;
    }
    struct ip_address address;
    memset(&address, 0, sizeof address);
    socklen_t length = sizeof address;
    int client_fd = accept4(fd, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client_fd >= 0 && __builtin_expect(address.any.sa_family == AF_UNIX, 0)) {
        address = (struct ip_address){.any.sa_family = AF_UNIX}; /* a path would not fit */
    }
    if (client_fd >= 0) {
        client_accept(listener, client_fd, &address);
        return ACCEPT_TAKEN;
    }
    enum accept_result result = accept_result_of_errno(errno);
    if (result == ACCEPT_FAILED && listener_is_shut(listener)) {
        result = ACCEPT_NOBODY;
    }
    if (result == ACCEPT_SHORTAGE || result == ACCEPT_FAILED) {
        stat_add(&worker->stats.accept_errors, 1);
    }
    worker_give_fds(worker, 1);
    return result;
}

static void listener_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct worker_listener *listener = arg;
    (void)what;
    for (int i = 0; i < LISTENER_TURN_ACCEPTS; i++) {
        switch (accept_one(listener, fd)) {
        case ACCEPT_TAKEN:
        case ACCEPT_GONE: break;
        case ACCEPT_NOBODY: listener_on_nobody(listener); return;
        case ACCEPT_FAILED:
        case ACCEPT_SHORTAGE: listener_on_shortage(listener); return;
        }
    }
}
