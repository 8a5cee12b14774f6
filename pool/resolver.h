/*
 * The resolver: asks DNS (and the hosts file) for every name of the configuration, again and again, and never waits for an answer.
 *
 * Owns: the names, their timers, the channel to the servers, the cached hosts file. Thread: control, on its event base. Time base:
 * CLOCK_MONOTONIC, ms. What is kept for how long: name_state.h. Hooks are called from frames of the resolver's own only, never
 * from within a call into it; there they may call it.
 */
#ifndef EVENKEEL_POOL_RESOLVER_H
#define EVENKEEL_POOL_RESOLVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/dns_answer.h"
#include "pool/upstream.h"
#include "steady/bound.h"
#include "steady/pack.h"

struct resolver;

struct resolver_env {
    struct event_base *base;
    struct bound_registry *registry; /* dns_names, dns_queries */
    const char *resolv_conf, *hosts; /* paths; pointed to */
    /* A lookup has ended; `changed`: a name stands for other addresses than before. */
    void (*on_news)(bool changed, void *owner);
    /* Something that belongs into the log. */
    void (*say)(enum log_level level, const char *text, void *owner);
    void *owner;
};

/* NULL when memory is exhausted. */
struct resolver *resolver_create(const struct resolver_env *env);
/* NULL is fine. */
void resolver_free(struct resolver **resolver);

/* From now on these settings' rules and servers hold, and all of their names are kept and asked for; names known before keep
   what is known. Names that only other settings have stay until resolver_forget_others(). Returns how many endpoints name
   something there was no room or memory for. */
size_t resolver_use(struct resolver *resolver, struct settings *settings);
void resolver_forget_others(struct resolver *resolver);

enum names_state {
    NAMES_ASKED,  /* each lookup has ended once: there is nothing to wait for */
    NAMES_USABLE, /* each name has an address, or its lookups have ended */
    NAMES_ASKING,
};
/* Of all names that settings given to resolver_use() have and that are not forgotten. */
enum names_state resolver_state(const struct resolver *resolver);

/* pools_names_fn; owner: the resolver. */
size_t resolver_addresses(void *owner, const struct endpoint_settings *settings,
                          struct named_address *addresses, size_t space);

/* What the hosts' names stand for now, for a process to come; and from one that was, as old answers, for names given to
   resolver_use() that have no address yet. Returns how many answers were of use. */
void resolver_save(const struct resolver *resolver, struct pack *pack);
size_t resolver_restore(struct resolver *resolver, struct unpack *unpack);

/* One name of the configuration. */
struct name_figures {
    const char *name;   /* "app.internal", "_http._tcp.app.internal" */
    const char *source; /* "dns", "hosts" */
    bool service;       /* of SRV records */
    bool stale;         /* an answer that is used is older than its TTL */
    size_t addresses_count;
    uint64_t age_ms;                  /* of the oldest answer that is used; 0: none is */
    uint64_t next_ms;                 /* until it is asked for again */
    uint64_t failures_row;            /* lookups that failed, the last of them just now */
    const char *last[DNS_TYPE_COUNT]; /* how the last lookup of each type ended; NULL: none yet */
};
typedef void name_figures_fn(const struct name_figures *figures, void *owner);
void resolver_each_name(const struct resolver *resolver, name_figures_fn *each, void *owner);

struct resolver_figures {
    uint64_t queries[DNS_TYPE_COUNT];
    uint64_t results[LOOKUP_RESULT_COUNT];
    uint64_t reopened; /* times the channel to the servers was opened anew */
};
void resolver_figures(const struct resolver *resolver, struct resolver_figures *ret_figures);

#endif
