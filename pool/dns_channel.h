/*
 * Questions to DNS servers: c-ares on an event base.
 *
 * Owns: the c-ares channel, its sockets' events and timer, the queries in flight. Nothing else of the program speaks to c-ares.
 * Private to pool/. Thread: its base's. Retransmission, other servers, TCP after truncation, search domains and matching answers
 * to questions are c-ares's; what an answer says is dns_answer's. A query that is cancelled stays counted until c-ares is through
 * with it.
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

/* The query is gone; `records` with FOUND, EMPTY and UNKNOWN. May run from within dns_channel_ask(). */
typedef void dns_done_fn(void *owner, enum lookup_result result, const struct dns_records *records);

struct dns_channel_settings {
    const struct address *servers; /* none: those of resolv_conf */
    size_t server_count;
    const char *resolv_conf;
    uint64_t try_ms; /* the first wait for an answer; doubled in each round over the servers */
};

enum dns_ask_result {
    DNS_ASK_SENT, /* or over already */
    DNS_ASK_FULL, /* the bound is reached */
    DNS_ASK_NO_MEMORY,
};

/* queries: how many may be in flight. NULL when memory is exhausted. */
struct dns_channel *dns_channel_create(struct event_base *base, struct bound *queries);
/* Forgets all queries without a word. NULL is fine. */
void dns_channel_free(struct dns_channel **channel);
/* Reads resolv_conf and opens anew; what is in flight is asked again. False: no memory, what there was stays. */
__attribute__((warn_unused_result)) bool dns_channel_open(
    struct dns_channel *channel, const struct dns_channel_settings *settings);
/* Sets *ret_query before done can be called. */
__attribute__((warn_unused_result)) enum dns_ask_result dns_channel_ask(
    struct dns_channel *channel, const char *host, enum dns_type type, dns_done_fn *done,
    void *owner, struct dns_query **ret_query);
/* done is not called any more. NULL is fine. */
void dns_query_cancel(struct dns_query **query);

#endif
