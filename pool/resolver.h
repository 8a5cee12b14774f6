/*
 * The resolver: looks up every name of the configuration in the hosts file and DNS, again and again, without blocking.
 *
 * Owns: the names, their timers, the channel to the servers, the cached hosts file. Thread: control, on its event
 * base. Time base: CLOCK_MONOTONIC, ms. name_state.h says how long answers are kept. Hooks are called only from frames
 * of the event loop, never from within a call to the resolver, and may call it.
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
    const char *resolv_conf, *hosts; /* paths; the pointers are kept */
    /* A lookup has ended. `changed`: the addresses of a name have changed. */
    void (*on_news)(bool changed, void *owner);
    /* Writes a line to the log. */
    void (*say)(enum log_level level, const char *text, void *owner);
    void *owner;
};

/* NULL when memory is exhausted. */
struct resolver *resolver_create(const struct resolver_env *env);
/* NULL is fine. */
void resolver_free(struct resolver **resolver);

/* The rules and servers of these settings apply from now on, and all of their names are looked up. Known names keep
   what is known about them. Names that only other settings contain stay until resolver_forget_others(). Returns for how
   many endpoints there was no room or memory. */
size_t resolver_use(struct resolver *resolver, struct settings *settings);
void resolver_forget_others(struct resolver *resolver);

enum names_state {
    NAMES_ASKED,  /* each lookup has ended once, so there is nothing to wait for */
    NAMES_USABLE, /* each name has an address, or its lookups have ended */
    NAMES_ASKING,
};
/* State of all names in settings that were given to resolver_use() and not forgotten. */
enum names_state resolver_state(const struct resolver *resolver);

/* A pools_names_fn; owner: the resolver. */
size_t resolver_addresses(void *owner, const struct endpoint_settings *settings,
                          struct named_address *addresses, size_t space);

/* resolver_save() writes the addresses of host names for the next process. resolver_restore() reads those of an earlier
   process, as stale answers, for names given to resolver_use() that have no address yet, and returns how many answers
   it used. */
void resolver_save(const struct resolver *resolver, struct pack *pack);
size_t resolver_restore(struct resolver *resolver, struct unpack *unpack);

/* One name of the configuration. */
struct name_figures {
    const char *name;   /* "app.internal", "_http._tcp.app.internal" */
    const char *source; /* "dns", "hosts" */
    bool service;       /* a service (SRV records) */
    bool stale;         /* an answer in use is older than its TTL */
    size_t addresses_count;
    uint64_t age_ms;                  /* age of the oldest answer in use; 0: none */
    uint64_t next_ms;                 /* time until the name is looked up again */
    uint64_t failures_row;            /* failed lookups in a row, up to now */
    const char *last[DNS_TYPE_COUNT]; /* result of the last lookup of each type; NULL: none yet */
};
typedef void name_figures_fn(const struct name_figures *figures, void *owner);
void resolver_each_name(const struct resolver *resolver, name_figures_fn *each, void *owner);

struct resolver_figures {
    uint64_t queries[DNS_TYPE_COUNT];
    uint64_t results[LOOKUP_RESULT_COUNT];
    uint64_t reopened; /* times the channel to the servers was reopened */
};
void resolver_figures(const struct resolver *resolver, struct resolver_figures *ret_figures);

#endif
