/* The only file that includes c-ares. */
#include "pool/dns_channel.h"

#include <ares.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "steady/check.h"
#include "steady/fault.h"

#define CLASS_IN 1
/* Number of rounds over the servers. */
#define TRIES 3
/* Further configured servers are not used. */
#define SERVERS_MAX 16

/* A socket of c-ares that is watched. */
struct dns_socket {
    LIST_ENTRY(dns_socket) link;
    struct dns_channel *channel;
    ares_socket_t fd;
    struct event event;
};

struct dns_query {
    TAILQ_ENTRY(dns_query) link;
    struct dns_channel *channel;
    dns_done_fn *done; /* NULL: cancelled */
    void *owner;
    enum dns_type type;
    char host[];
};

TAILQ_HEAD(dns_query_list, dns_query);

struct dns_channel {
    struct event_base *base;
    struct bound *queries;
    ares_channel ares; /* NULL: not open */
    struct event timer;
    LIST_HEAD(, dns_socket) sockets;
    struct dns_query_list again; /* queries taken from a channel that closes, for its successor */
    bool closing;
};

/* ---- events ---- */

static void arm_timer(struct dns_channel *channel)
{
    struct timeval wait;
    if (channel->ares != NULL && ares_timeout(channel->ares, NULL, &wait) != NULL) {
        event_add(&channel->timer, &wait);
    } else {
        event_del(&channel->timer);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dns_channel *channel = arg;
    (void)fd;
    (void)what;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(channel);
}

/* The socket may be gone when c-ares returns. */
static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct dns_channel *channel = ((struct dns_socket *)arg)->channel;
    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    arm_timer(channel);
}

static struct dns_socket *find_socket(struct dns_channel *channel, ares_socket_t fd)
{
    struct dns_socket *found;
    LIST_FOREACH (found, &channel->sockets, link) {
        if (found->fd == fd) {
            break;
        }
    }
    return found;
}

/* c-ares opens, closes or waits for a socket. If there is no memory to remember a socket, its server seems silent. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *channel = arg;
    struct dns_socket *known = find_socket(channel, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    if (known != NULL) {
        event_del(&known->event);
    }
    if (what == 0) {
        if (known != NULL) {
            LIST_REMOVE(known, link);
        }
        free(known);
        return;
    }
    if (known == NULL) {
        known = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *known);
        if (known == NULL) {
            return;
        }
        known->channel = channel;
        known->fd = fd;
        LIST_INSERT_HEAD(&channel->sockets, known, link);
    }
    event_assign(&known->event, channel->base, fd, what | EV_PERSIST, on_socket, known);
    event_add(&known->event, NULL);
}

/* ---- queries ---- */

static void free_query(struct dns_query *query)
{
    bound_give(query->channel->queries, 1);
    free(query);
}

static enum lookup_result result_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS: return LOOKUP_FOUND;
    case ARES_ENODATA: return LOOKUP_EMPTY;
    case ARES_ENOTFOUND: return LOOKUP_UNKNOWN;
    case ARES_ETIMEOUT: return LOOKUP_TIMEOUT;
    case ARES_ENOMEM: return LOOKUP_NO_MEMORY;
    case ARES_EBADNAME:
    case ARES_EBADRESP:
    case ARES_EFORMERR: return LOOKUP_MALFORMED;
    default: return LOOKUP_FAILED;
    }
}

/* With several search domains, c-ares gives the message of the last one with the result of all together. Of a negative
   answer only its lifetime is read. */
static enum lookup_result read_answer(enum dns_type type, int status, const unsigned char *bytes,
                                      int length, struct dns_records *records)
{
    enum lookup_result result = result_of_status(status);
    bool yes = result == LOOKUP_FOUND;
    dns_records_init(records);
    records->ttl_ms = 0;
    if (!yes && result != LOOKUP_EMPTY && result != LOOKUP_UNKNOWN) {
        return result;
    }
    enum lookup_result parsed = LOOKUP_MALFORMED;
    if (bytes != NULL && length > 0) {
        parsed = dns_answer_parse(bytes, (size_t)length, type, records);
    }
    if (yes || (bytes != NULL && parsed == LOOKUP_MALFORMED)) {
        return parsed;
    }
    records->count = 0;
    return result;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int length)
{
    struct dns_query *query = arg;
    struct dns_channel *channel = query->channel;
    struct dns_records records;
    (void)timeouts;
    if (channel->closing && query->done != NULL) {
        TAILQ_INSERT_TAIL(&channel->again, query, link);
        return;
    }
    dns_done_fn *done = query->done;
    void *owner = query->owner;
    enum lookup_result result = read_answer(query->type, status, bytes, length, &records);
    free_query(query);
    if (done != NULL) {
        done(owner, result, &records);
    }
}

static void send_query(struct dns_channel *channel, struct dns_query *query)
{
    if (channel->ares == NULL) {
        on_answer(query, ARES_ENOMEM, 0, NULL, 0);
        return;
    }
    ares_search(channel->ares, query->host, CLASS_IN, dns_type_code(query->type), on_answer, query);
    arm_timer(channel);
}

enum dns_ask_result dns_channel_ask(struct dns_channel *channel, const char *host,
                                    enum dns_type type, dns_done_fn *done, void *owner,
                                    struct dns_query **ret_query)
{
    size_t host_bytes = strlen(host) + 1;
    if (!bound_try(channel->queries, 1)) {
        return DNS_ASK_FULL;
    }
    struct dns_query *query =
        fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *query + host_bytes);
    if (query == NULL) {
        bound_give(channel->queries, 1);
        return DNS_ASK_NO_MEMORY;
    }
    query->channel = channel;
    query->done = done;
    query->owner = owner;
    query->type = type;
    memcpy(query->host, host, host_bytes);
    *ret_query = query;
    send_query(channel, query);
    return DNS_ASK_SENT;
}

void dns_query_cancel(struct dns_query **query)
{
    if (*query != NULL) {
        (*query)->done = NULL;
    }
    *query = NULL;
}

/* ---- the channel ---- */

struct dns_channel *dns_channel_create(struct event_base *base, struct bound *queries)
{
    struct dns_channel *channel = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *channel);
    if (channel == NULL) {
        return NULL;
    }
    if (ares_library_init(ARES_LIB_INIT_NONE) != ARES_SUCCESS) {
        free(channel);
        return NULL;
    }
    channel->base = base;
    channel->queries = queries;
    LIST_INIT(&channel->sockets);
    TAILQ_INIT(&channel->again);
    event_assign(&channel->timer, base, -1, 0, on_timer, channel);
    return channel;
}

/* Every query comes back at once, to `again` or cancelled. Every socket is let go. */
static void close_ares(struct dns_channel *channel, ares_channel ares)
{
    channel->closing = true;
    if (ares != NULL) {
        ares_destroy(ares);
    }
    channel->closing = false;
}

void dns_channel_free(struct dns_channel **channel_pointer)
{
    struct dns_channel *channel = *channel_pointer;
    struct dns_query *query;
    if (channel == NULL) {
        return;
    }
    *channel_pointer = NULL;
    close_ares(channel, channel->ares);
    while ((query = TAILQ_FIRST(&channel->again)) != NULL) {
        TAILQ_REMOVE(&channel->again, query, link);
        free_query(query);
    }
    CHECK(LIST_EMPTY(&channel->sockets));
    event_del(&channel->timer);
    ares_library_cleanup();
    free(channel);
}

static bool use_servers(ares_channel ares, const struct dns_channel_settings *settings)
{
    struct ares_addr_port_node nodes[SERVERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < settings->server_count && count < SERVERS_MAX; i++) {
        const struct address *server = &settings->servers[i];
        struct ares_addr_port_node *node = &nodes[count];
        bool v4 = server->any.sa_family == AF_INET;
        memset(node, 0, sizeof *node);
        node->family = server->any.sa_family;
        node->udp_port = node->tcp_port = ntohs(v4 ? server->v4.sin_port : server->v6.sin6_port);
        if (v4) {
            memcpy(&node->addr, &server->v4.sin_addr, sizeof server->v4.sin_addr);
        } else {
            memcpy(&node->addr, &server->v6.sin6_addr, sizeof server->v6.sin6_addr);
        }
        if (count > 0) {
            nodes[count - 1].next = node;
        }
        count++;
    }
    return count == 0 || ares_set_servers_ports(ares, nodes) == ARES_SUCCESS;
}

bool dns_channel_open(struct dns_channel *channel, const struct dns_channel_settings *settings)
{
    struct ares_options options = {.timeout = (int)settings->try_ms, .tries = TRIES};
    int chosen = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE |
                 ARES_OPT_RESOLVCONF;
    ares_channel ares = NULL, before = channel->ares;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = channel;
    options.resolvconf_path = (char *)(uintptr_t)settings->resolv_conf;
#ifdef ARES_OPT_QUERY_CACHE
    chosen |= ARES_OPT_QUERY_CACHE;
    options.qcache_max_ttl = 0;
#endif
    if (fault_hits(FAULT_ALLOC) || ares_init_options(&ares, &options, chosen) != ARES_SUCCESS) {
        return false;
    }
    if (!use_servers(ares, settings)) {
        ares_destroy(ares);
        return false;
    }
    channel->ares = ares;
    close_ares(channel, before);
    struct dns_query_list again = TAILQ_HEAD_INITIALIZER(again);
    TAILQ_CONCAT(&again, &channel->again, link);
    struct dns_query *query;
    while ((query = TAILQ_FIRST(&again)) != NULL) {
        TAILQ_REMOVE(&again, query, link);
        send_query(channel, query);
    }
    arm_timer(channel);
    return true;
}
