/*
 * The control thread's state, shared by control.c (start, signals, drain) and reload.c (generations).
 *
 * Thread: main only.
 */
#ifndef EVENKEEL_PROXY_CONTROL_CONTROL_STATE_H
#define EVENKEEL_PROXY_CONTROL_CONTROL_STATE_H

#include <event2/event.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/admin/admin.h"
#include "proxy/admin/overview.h"
#include "proxy/client/inherited.h"
#include "proxy/client/listener.h"
#include "proxy/control/control.h"
#include "proxy/control/drain.h"
#include "proxy/control/heartbeat.h"
#include "proxy/control/notify.h"
#include "proxy/control/prewarm.h"
#include "proxy/control/readiness_watch.h"
#include "proxy/control/takeover.h"
#include "proxy/control/upgrade.h"
#include "proxy/control/warm.h"
#include "proxy/control/worker_thread.h"
#include "proxy/log/log.h"
#include "proxy/policy/policy.h"
#include "proxy/worker/generation.h"
#include "steady/mailbox.h"

#define CONTROL_SIGNALS 5

/* Routes ever named, with their counters: kept over reloads so that counters go on, bounded by the largest configuration. */
struct route_book {
    struct route_figures *items;
    size_t count;
};

/* What proxy/control/names.c keeps here. */
struct control_names {
    struct event *timer;
    bool changed; /* since the last adoption */
    uint64_t adopted_ms, adoptions;
    uint64_t until_ms;  /* the end of a wait */
    uint64_t usable_ms; /* since when each name has an address; 0: not yet */
};

struct control {
    struct event_base *base;
    struct mailbox *mailbox;
    struct event *mail_event, *housekeeping;
    struct event *signals[CONTROL_SIGNALS];
    struct settings *settings; /* of the present generation */
    struct log *log;
    struct admin *admin;
    struct pools *pools;
    struct policy_env policy;
    struct tls_tickets *tickets; /* of all listeners with TLS */
    struct buf_pool *probe_bufs; /* for TLS of health probes */
    struct loop_clock probe_clock;
    struct tls_scratch *probe_scratch;
    struct notifier notifier;
    struct inherited inherited;
    struct heartbeat heartbeat;
    struct drain drain;
    struct readiness_watch readiness;
    struct warm warm;
    struct upgrade upgrade;
    struct takeover takeover;
    char *const *argv;           /* how the program was started; NULL: the demo */
    char program_path[PATH_MAX]; /* the file it was started from; "": unknown */
    uint32_t ready;              /* the verdict, for every thread; atomic */
    struct worker_thread **workers;
    const struct worker_stats **worker_stats;
    unsigned worker_count;
    struct bound_registry registry;
    struct shared_bounds bounds;
    struct bound generations;
    struct generation *generation; /* the present one */
    struct resolver *resolver;
    struct control_names names;
    struct settings *coming; /* of a reload that waits for its names; NULL: none */
    struct prewarm prewarm;
    struct generation *leaving; /* the one before, until every worker has adopted the present one */
    struct listener_list listeners;
    struct route_book routes;
    struct admission_leftovers *leftovers; /* shards that routes have no more */
    const char *config_path;
    uint64_t memory_budget_bytes;
    uint64_t started_ms, started_wall_ms;
    uint64_t reloads_ok, reloads_failed, last_reload_wall_ms;
    const char *last_reload_error; /* "" or heap */
    bool last_reload_ok;
    bool reload_wanted;
    char *pid_path; /* the file that names this process; NULL: none */
};

uint64_t control_now_ms(void); /* CLOCK_MONOTONIC */
uint64_t control_wall_ms(void);

#endif
