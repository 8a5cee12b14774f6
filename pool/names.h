/*
 * Names and what is known about each: the resolver's memory.
 *
 * Owns: names, their questions and records, and the groups of targets in SRV records (each target is a name, too).
 * Private to pool/. Thread: control. No I/O and no clock: resolver.c asks, names.c remembers. A name is kept while the
 * configuration contains it (`wanted`) or a group contains it (`uses`).
 */
#ifndef EVENKEEL_POOL_NAMES_H
#define EVENKEEL_POOL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/dns_answer.h"
#include "pool/dns_channel.h"
#include "pool/name_state.h"
#include "pool/upstream.h"
#include "steady/bound.h"
#include "steady/wheel.h"

#define NAME_BUCKETS 1024

struct name;

/* A question about a name, and the records in its answer. */
struct question {
    struct name *name;
    enum dns_type type;
    struct name_state state;
    struct dns_ip *ips; /* A, AAAA */
    size_t ip_count;
    bool cut;
    bool routed;             /* this machine has a route to the addresses */
    bool waiting;            /* the question waits to be asked */
    struct dns_query *query; /* the query in progress; NULL: none */
    uint64_t asked_ms, deadline_ms;
    struct wheel_timer timer; /* the deadline of the query, else the time of the next check */
    TAILQ_ENTRY(question) link;
};

TAILQ_HEAD(question_list, question);

struct service_target {
    struct name *name;
    uint16_t port,
        /* the weights of a group are the smallest integers in the same proportion, at most 100 */
        weight;
};

struct service_group {
    size_t count;
    bool cut;
    struct service_target targets[];
};

enum name_source { NAME_FROM_DNS, NAME_FROM_HOSTS };

struct name {
    LIST_ENTRY(name) chain;
    TAILQ_ENTRY(name) link;
    struct names *names; /* the table that contains the name */
    bool service;        /* a service (SRV records) */
    bool wanted;
    bool aside; /* no upstream has it: nothing waits for it, and no generation is built for it */
    bool cut_told;
    unsigned uses;
    enum name_source source;
    uint64_t resolve_ms; /* for each query */
    struct question questions[2];
    unsigned question_count;
    struct service_group *group; /* in use; NULL: none */
    /* the next group, which waits until its targets have been asked for; NULL: none */
    struct service_group *coming;
    char host[]; /* in lower case */
};

TAILQ_HEAD(name_list, name);

struct names {
    struct bound bound;
    struct name_list list;
    LIST_HEAD(, name) buckets[NAME_BUCKETS];
    uint64_t seed;
    wheel_fire_fn *fire; /* called by the timers of questions */
};

void names_init(struct names *names, uint64_t limit, uint64_t seed, wheel_fire_fn *fire);
struct name *names_find(const struct names *names, const char *host, bool service);
/* Finds a name or adds it. NULL: no memory, or too many names. A new name has resolve_ms 0. */
struct name *names_obtain(struct names *names, const char *host, bool service, uint64_t now_ms);
/* Frees a name whose lookups are over. */
void names_free(struct name **name);

enum keep_result { KEEP_SAME, KEEP_CHANGED, KEEP_NO_MEMORY };

/* Stores the addresses of the question, at least one. */
__attribute__((warn_unused_result)) enum keep_result question_keep_ips(
    struct question *question, const struct dns_records *records);
struct named_address question_address(const struct question *question, size_t i, uint16_t port);
/* Drops the addresses of the question. True: it had some. */
bool question_drop_ips(struct question *question);

/* Stores the services of the name: as the coming group, unless they are the same as those in use. New targets get the
   name's resolve_ms. Targets for which there is no room are left out. */
__attribute__((warn_unused_result)) enum keep_result name_keep_services(
    struct name *name, const struct dns_records *records, uint64_t now_ms);
/* Takes the coming group into use when each target has been asked for, and one has an address or the old group had
   none. */
bool name_settle_services(struct name *name);
bool name_drop_services(struct name *name);

/* True: each lookup of the name has ended at least once, and each of its targets has an address or was asked for. */
bool name_asked(const struct name *name);
/* Writes up to `room` addresses, never more than POOL_NAME_ADDRESSES; if there are more, both families keep a part. A
   family without a route from this machine is left out unless there is nothing else. `port`: of the addresses of a
   host. */
size_t name_addresses(const struct name *name, uint16_t port, struct named_address *addresses,
                      size_t space);
/* True: more addresses are known than name_addresses() gives. */
bool name_cut(const struct name *name);

#endif
