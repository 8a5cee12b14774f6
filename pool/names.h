/*
 * Names and what is known of each: the resolver's memory.
 *
 * Owns: names, their questions and records, and the groups of targets that SRV records name (each target is a name, too).
 * Private to pool/. Thread: control. No I/O and no time of its own: resolver.c asks, names.c remembers. A name is kept as long as
 * the configuration has it (`wanted`) or a group has it (`uses`).
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

/* What is asked of a name, and the records that came. */
struct question {
    struct name *name;
    enum dns_type type;
    struct name_state state;
    struct dns_ip *ips; /* A, AAAA */
    size_t ip_count;
    bool cut;
    bool routed;             /* this machine has a way to the addresses */
    bool waiting;            /* to be asked */
    struct dns_query *query; /* asked; NULL: not */
    uint64_t asked_ms, deadline_ms;
    struct wheel_timer timer; /* the query's deadline, else when to look again */
    TAILQ_ENTRY(question) link;
};

TAILQ_HEAD(question_list, question);

struct service_target {
    struct name *name;
    uint16_t port,
        weight; /* the weights of a group are the smallest that stand in their proportion, at most 100 */
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
    struct names *names; /* where it stands */
    bool service;        /* of SRV records */
    bool wanted;
    bool cut_told;
    unsigned uses;
    enum name_source source;
    uint64_t resolve_ms; /* for each query */
    struct question questions[2];
    unsigned question_count;
    struct service_group *group;  /* in use; NULL: none */
    struct service_group *coming; /* waits until its targets have been asked for; NULL: none */
    char host[];                  /* in lower case */
};

TAILQ_HEAD(name_list, name);

struct names {
    struct bound bound;
    struct name_list list;
    LIST_HEAD(, name) buckets[NAME_BUCKETS];
    uint64_t seed;
    wheel_fire_fn *fire; /* of questions' timers */
};

void names_init(struct names *names, uint64_t limit, uint64_t seed, wheel_fire_fn *fire);
struct name *names_find(const struct names *names, const char *host, bool service);
/* Known or new; NULL: no memory or too many. A new one has resolve_ms 0. */
struct name *names_obtain(struct names *names, const char *host, bool service, uint64_t now_ms);
/* Its lookups are over. */
void names_free(struct name **name);

enum keep_result { KEEP_SAME, KEEP_CHANGED, KEEP_NO_MEMORY };

/* The question's addresses are these from now on: at least one. */
__attribute__((warn_unused_result)) enum keep_result question_keep_ips(
    struct question *question, const struct dns_records *records);
struct named_address question_address(const struct question *question, size_t i, uint16_t port);
/* It has none; whether it had. */
bool question_drop_ips(struct question *question);

/* The name's services are these: a group that is coming, unless the one in use is the same. New targets get the name's
   resolve_ms; those there is no room for are left out. */
__attribute__((warn_unused_result)) enum keep_result name_keep_services(
    struct name *name, const struct dns_records *records, uint64_t now_ms);
/* Takes the coming group into use when each target has been asked for and any has an address, or none had before. */
bool name_settle_services(struct name *name);
bool name_drop_services(struct name *name);

/* Every lookup of it has ended at least once, and each of its targets has an address or was asked for. */
bool name_asked(const struct name *name);
/* Up to `room`, never more than POOL_NAME_ADDRESSES; both families keep a part when there are more. Without those of a
   family this machine has no way to, unless there is nothing else. `port`: of a host's
   addresses. */
size_t name_addresses(const struct name *name, uint16_t port, struct named_address *addresses,
                      size_t space);
/* More are known than name_addresses() gives. */
bool name_cut(const struct name *name);

#endif
