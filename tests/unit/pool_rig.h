/* What the tests of pool/ stand on: workers with a loop of their own, settings from text, and origins to connect to. */
#ifndef EVENKEEL_TESTS_UNIT_POOL_RIG_H
#define EVENKEEL_TESTS_UNIT_POOL_RIG_H

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "conf/settings.h"
#include "pool/balance.h"
#include "pool/lease.h"
#include "pool/pools.h"
#include "pool/upstream.h"
#include "steady/buf.h"
#include "steady/loop.h"
#include "tls/scratch.h"

/* Only what will never come true is waited for so long. */
#define RIG_PATIENCE_MS 60000
/* The most that a turn of the loop takes here: two ticks and what there is to do. */
#define RIG_TURN_MS 10

static inline uint64_t rig_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- settings ---- */

/* Nothing is kept warm unless the text says so: only what a test asks for dials. */
__attribute__((format(printf, 1, 2))) static inline struct settings *rig_settings(
    const char *format, ...)
{
    char upstreams[4096], first[64], text[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(upstreams, sizeof upstreams, format, arguments);
    va_end(arguments);
    assert_int_equal(sscanf(upstreams, "upstreams = { %63[a-z0-9]", first), 1);
    snprintf(text, sizeof text,
             "listeners = { web = { listen = \"127.0.0.1:8080\"; }; };\n"
             "routes = ( { upstream = \"%s\"; } );\n%s",
             first, upstreams);
    struct settings *settings = NULL;
    struct settings_messages messages;
    enum settings_result result = settings_parse(text, "test", &settings, &messages);
    for (size_t i = 0; result != SETTINGS_OK && i < messages.count; i++) {
        print_message("%s\n", messages.items[i].text);
    }
    assert_int_equal(result, SETTINGS_OK);
    settings_messages_free(&messages);
    for (size_t i = 0; i < settings->upstream_count && strstr(upstreams, "warm_min") == NULL; i++) {
        settings->upstreams[i].pool.warm_min_count = 0;
        settings->upstreams[i].pool.warm_auto = false;
    }
    return settings;
}

/* ---- workers ---- */

struct rig_worker {
    struct pool_worker *pool;
    struct event_base *base;
    struct loop loop;
    struct bound buffers;
    struct buf_pool *bufs;
    struct tls_scratch *tls_scratch;
    struct event mail, tick;
    pthread_t thread;
    bool stop; /* atomic */
    void *owner;
};

struct rig {
    struct bound_registry registry;
    struct bound fds;
    struct pools *pools;
    struct upstream_set *set;
    struct rig_worker *workers;
    unsigned worker_count;
    uint64_t lag_ms; /* what turns took beyond RIG_TURN_MS, all together */
};

static inline void rig_on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct rig_worker *worker = arg;
    (void)fd;
    (void)what;
    mailbox_drain(worker->loop.mailbox, worker);
}

static inline void rig_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct rig_worker *worker = arg;
    (void)fd;
    (void)what;
    wheel_advance(&worker->loop.wheel, loop_clock_ms(&worker->loop.clock));
}

static inline void rig_worker_start(struct rig *rig, struct rig_worker *worker, unsigned index)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    assert_non_null(worker->base);
    assert_int_equal(loop_init(&worker->loop), MAILBOX_OK);
    rng_init(&worker->loop.rng, index + 1);
    bound_init(&worker->buffers, "buffers_bytes", NULL, 16u << 20);
    worker->bufs = buf_pool_create(&worker->buffers);
    worker->tls_scratch = tls_scratch_create(worker->bufs, &worker->loop.clock);
    event_assign(&worker->mail, worker->base, mailbox_fd(worker->loop.mailbox),
                 EV_READ | EV_PERSIST, rig_on_mail, worker);
    event_assign(&worker->tick, worker->base, -1, EV_PERSIST, rig_on_tick, worker);
    event_add(&worker->mail, NULL);
    struct timeval often = {0, 4000};
    event_add(&worker->tick, &often);
    worker->pool =
        pool_worker_create(rig->pools, &(struct pool_worker_env){.index = index,
                                                                 .base = worker->base,
                                                                 .loop = &worker->loop,
                                                                 .tls_scratch = worker->tls_scratch,
                                                                 .owner = worker});
    assert_non_null(worker->pool);
}

/* Every name is 127.0.0.1, unless a test says otherwise. */
static inline size_t rig_names(void *owner, const struct endpoint_settings *settings,
                               struct named_address *addresses, size_t room)
{
    (void)owner;
    assert_true(room > 0);
    assert_true(address_from_host("127.0.0.1", 9, settings->port, &addresses[0].address));
    addresses[0].hostname = settings->host;
    addresses[0].weight = 1;
    return 1;
}

/* Workers without threads: the test turns their loops. */
static inline void rig_init(struct rig *rig, unsigned worker_count, uint64_t fds)
{
    memset(rig, 0, sizeof *rig);
    bound_registry_init(&rig->registry);
    bound_init(&rig->fds, "fds", NULL, fds);
    rig->pools = pools_create(worker_count, &rig->registry, &rig->fds);
    assert_non_null(rig->pools);
    pools_set_names(rig->pools, rig_names, NULL);
    rig->worker_count = worker_count;
    rig->workers = calloc(worker_count, sizeof *rig->workers);
    for (unsigned i = 0; i < worker_count; i++) {
        rig_worker_start(rig, &rig->workers[i], i);
    }
}

/* Builds the set and leaves it to the caller to have it adopted. Consumes the settings. */
static inline struct upstream_set *rig_build(struct rig *rig, struct settings *settings)
{
    struct upstream_set *set = NULL;
    char why[256] = "";
    enum upstream_result result = upstream_set_build(rig->pools, settings, &set, why, sizeof why);
    if (result != UPSTREAM_OK) {
        fail_msg("%d: %s", result, why);
    }
    upstream_set_use(rig->pools, set);
    settings_put(&settings);
    return set;
}

/* A reload as seen by workers whose loops the test turns. */
static inline void rig_adopt(struct rig *rig, struct settings *settings)
{
    struct upstream_set *previous = rig->set;
    rig->set = rig_build(rig, settings);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        pool_worker_adopt(rig->workers[i].pool, rig->set);
    }
    upstream_set_retire(rig->pools, &previous);
}

static inline struct endpoint *rig_endpoint(const struct rig *rig, size_t upstream, size_t i)
{
    assert_true(upstream < rig->set->count && i < rig->set->views[upstream].endpoint_count);
    return rig->set->views[upstream].endpoints[i];
}

static inline void rig_pass(struct rig_worker *worker, bool wait)
{
    loop_clock_expire(&worker->loop.clock);
    event_base_loop(worker->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
    loop_run_deferred(&worker->loop);
    loop_free_deferred(&worker->loop, worker);
}

static inline void rig_turn(struct rig *rig)
{
    uint64_t since_ms = rig_now_ms();
    for (unsigned i = 0; i < rig->worker_count; i++) {
        rig_pass(&rig->workers[i], rig->worker_count == 1);
    }
    uint64_t took_ms = rig_now_ms() - since_ms;
    rig->lag_ms += took_ms > RIG_TURN_MS ? took_ms - RIG_TURN_MS : 0;
}

/* A clock that stands while the machine is busy with others: how soon something comes is measured with it. */
static inline uint64_t rig_own_ms(const struct rig *rig)
{
    return rig_now_ms() - rig->lag_ms;
}

/* Turns the loops until the condition holds. */
#define rig_await(rig, condition)                                                          \
    do {                                                                                   \
        uint64_t rig_until_ms = rig_now_ms() + RIG_PATIENCE_MS;                            \
        while (!(condition)) {                                                             \
            if (rig_now_ms() > rig_until_ms)                                               \
                fail_msg("%s:%d: waited in vain for: %s", __FILE__, __LINE__, #condition); \
            rig_turn(rig);                                                                 \
        }                                                                                  \
    } while (0)

/* A few turns in which something must not happen. */
static inline void rig_settle(struct rig *rig)
{
    for (int i = 0; i < 10; i++) {
        rig_turn(rig);
    }
}

/* Turns the loops for so long: where the time itself is what the test is about. */
static inline void rig_sleep(struct rig *rig, uint64_t wait_ms)
{
    uint64_t until_ms = rig_now_ms() + wait_ms;
    rig_await(rig, rig_now_ms() >= until_ms);
}

static inline void rig_end(struct rig *rig)
{
    uint64_t done_count;
    do {
        done_count = 0;
        for (unsigned i = 0; i < rig->worker_count; i++) {
            done_count += mailbox_drain(rig->workers[i].loop.mailbox, &rig->workers[i]);
            done_count += loop_run_deferred(&rig->workers[i].loop);
        }
    } while (done_count > 0);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        struct rig_worker *worker = &rig->workers[i];
        pool_worker_free(&worker->pool);
        loop_free_deferred(&worker->loop, worker);
    }
    for (unsigned i = 0; i < rig->worker_count; i++) {
        struct rig_worker *worker = &rig->workers[i];
        event_del(&worker->mail);
        event_del(&worker->tick);
        event_base_free(worker->base);
        assert_int_equal(worker->loop.wheel.armed_count, 0);
        loop_release(&worker->loop);
        tls_scratch_free(&worker->tls_scratch);
        buf_pool_free(worker->bufs);
    }
    struct bound *bound;
    TAILQ_FOREACH (bound, &rig->registry.bounds, link) {
        if (strcmp(bound->name, "upstreams") != 0 && strcmp(bound->name, "endpoints") != 0 &&
            strncmp(bound->name, "tls_session", 11) != 0 &&
            strcmp(bound->name, "idle_connections") != 0 && bound_used(bound) != 0) {
            fail_msg("%s %s: %" PRIu64 " still used", bound->name,
                     bound->detail == NULL ? "" : bound->detail, bound_used(bound));
        }
    }
    pools_free(&rig->pools);
    assert_int_equal(bound_used(&rig->fds), 0);
    assert_int_equal(rig->registry.count, 0);
    free(rig->workers);
}

/* ---- attempts ---- */

/* A request for a lease, and what came of it. */
struct rig_attempt {
    struct lease_request request; /* first */
    struct lease *lease;
    bool failed;
    enum dial_result failure;
    unsigned order; /* in which it was served, from 1 */
    unsigned *counter;
};

static inline void rig_on_ready(struct lease_request *request, struct lease *lease)
{
    struct rig_attempt *attempt = (struct rig_attempt *)request;
    attempt->lease = lease;
    if (attempt->counter != NULL) {
        attempt->order = ++*attempt->counter;
    }
}

static inline void rig_on_failed(struct lease_request *request, enum dial_result result)
{
    struct rig_attempt *attempt = (struct rig_attempt *)request;
    attempt->failed = true;
    attempt->failure = result;
}

#define RIG_HEADER "somebody"

static inline size_t rig_proxy_header(struct lease_request *request, char *room)
{
    (void)request;
    memcpy(room, RIG_HEADER, sizeof RIG_HEADER);
    return sizeof RIG_HEADER;
}

/* Leases out, idle connections, dials and pending requests of a worker. */
static inline uint64_t rig_busy_count(const struct pool_worker *worker)
{
    return worker->connection_count + worker->request_count;
}

static inline enum lease_result rig_lease(struct rig *rig, unsigned worker,
                                          struct endpoint *endpoint, struct rig_attempt *attempt)
{
    attempt->request.on_ready = rig_on_ready;
    attempt->request.on_failed = rig_on_failed;
    attempt->request.proxy_header = rig_proxy_header;
    attempt->request.endpoint = NULL;
    return pool_lease(rig->workers[worker].pool, endpoint, &attempt->request, &attempt->lease);
}

/* A lease, dialled if need be. */
static inline struct lease *rig_leased(struct rig *rig, unsigned worker, struct endpoint *endpoint)
{
    struct rig_attempt attempt = {.failed = false};
    enum lease_result result = rig_lease(rig, worker, endpoint, &attempt);
    if (result == LEASE_PENDING) {
        rig_await(rig, attempt.lease != NULL || attempt.failed);
    }
    if (attempt.lease == NULL) {
        fail_msg("no lease: %d, %s", result, dial_result_name(attempt.failure));
    }
    return attempt.lease;
}

static inline struct endpoint_figures rig_figures(struct rig *rig, const struct endpoint *endpoint);

struct rig_wanted {
    const char *text;
    struct endpoint_figures figures;
};

static inline void rig_take_figures(const struct endpoint_figures *figures, void *owner)
{
    struct rig_wanted *wanted = owner;
    if (strcmp(figures->text, wanted->text) == 0) {
        wanted->figures = *figures;
    }
}

static inline void rig_each_endpoint(const struct upstream *upstream, void *owner)
{
    upstream_each_endpoint(upstream, rig_take_figures, owner);
}

static inline struct endpoint_figures rig_figures(struct rig *rig, const struct endpoint *endpoint)
{
    struct rig_wanted wanted = {.text = endpoint_text(endpoint)};
    pools_each_upstream(rig->pools, rig_each_endpoint, &wanted);
    assert_non_null(wanted.figures.text);
    return wanted.figures;
}

/* ---- origins ---- */

/* A listening socket on a free port of 127.0.0.1. */
static inline int rig_listen(int backlog, uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline bool rig_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

/* The other end of a connection that was dialled. */
static inline int rig_accept(int listener)
{
    struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, RIG_PATIENCE_MS), 1);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* ---- one worker, one endpoint ---- */

struct one {
    struct rig rig;
    int listener;
    uint16_t port;
    struct endpoint *endpoint;
};

/* One worker, one upstream "app" with one endpoint; `more` are further keys of it. */
static inline void one_init(struct one *one, const char *more)
{
    rig_init(&one->rig, 1, 100);
    one->listener = rig_listen(64, &one->port);
    rig_adopt(&one->rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; %s }; };",
                           one->port, more));
    one->endpoint = rig_endpoint(&one->rig, 0, 0);
}

static inline void one_end(struct one *one)
{
    rig_end(&one->rig);
    close(one->listener);
}

static inline struct pool_worker *pool_of(struct one *one)
{
    return one->rig.workers[0].pool;
}

/* A listener whose queue is full: what is dialled now hangs, what was accepted lives. */
static inline void hang_further_dials(struct one *one, struct lease **ret_lease)
{
    assert_int_equal(listen(one->listener, 0), 0);
    *ret_lease = rig_leased(&one->rig, 0, one->endpoint);
}

#endif
