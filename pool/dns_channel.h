/*
 * Questions to DNS servers: c-ares on an event base.
 *
 * Owns: the c-ares channel, the events and the timer of its sockets, the queries in flight. No other file calls
 * c-ares. Private to pool/. Thread: its base's. c-ares retransmits, changes servers, uses TCP after truncation,
 * applies search domains and matches answers to questions; dns_answer.h parses the answers. A cancelled query counts
 * until c-ares ends it.
 */
#ifndef EVENKEEL_POOL_DNS_CHANNEL_H
#define EVENKEEL_POOL_DNS_CHANNEL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/dns_answer.h"
#include "steady/address.h"
#include "steady/bound.h"

struct dns_channel;
struct dns_query;

/* The query is over. `records` is set with FOUND, EMPTY and UNKNOWN. May be called from within dns_channel_ask(). */
typedef void dns_done_fn(void *owner, enum lookup_result result, const struct dns_records *records);

struct dns_channel_settings {
    const struct address *servers; /* none: the servers in resolv_conf */
    size_t server_count;
    const char *resolv_conf;
    /* time until the first retransmission; doubled in each round over the servers */
    uint64_t try_ms;
};

enum dns_ask_result {
    DNS_ASK_SENT, /* the query is sent, or over already */
    DNS_ASK_FULL, /* the bound is reached */
    DNS_ASK_NO_MEMORY,
};

/* `queries` bounds the queries in flight. NULL: no memory. */
struct dns_channel *dns_channel_create(struct event_base *base, struct bound *queries);
/* Forgets all queries without calling back. NULL is fine. */
void dns_channel_free(struct dns_channel **channel);
/* Reads resolv_conf and reopens the channel; queries in flight are sent again. False: no memory, and the old channel
   stays. */
__attribute__((warn_unused_result)) bool dns_channel_open(
    struct dns_channel *channel, const struct dns_channel_settings *settings);
/* Sets *ret_query before `done` can be called. */
__attribute__((warn_unused_result)) enum dns_ask_result dns_channel_ask(
    struct dns_channel *channel, const char *host, enum dns_type type, dns_done_fn *done,
    void *owner, struct dns_query **ret_query);
/* `done` is not called any more. NULL is fine. */
void dns_query_cancel(struct dns_query **query);

#endif
