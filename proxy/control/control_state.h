/*
 * The state of the control thread, shared by the files of control/.
 *
 * Owns: everything of the process that is not a worker's or the log's. Private to control/. Thread: main only. Time
 * base: CLOCK_MONOTONIC, ms, except what says wall.
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
#include "proxy/control/drift_watch.h"
#include "proxy/control/heartbeat.h"
#include "proxy/control/memory_watch.h"
#include "proxy/control/notify.h"
#include "proxy/control/prewarm.h"
#include "proxy/control/readiness_watch.h"
#include "proxy/control/signals.h"
#include "proxy/control/takeover.h"
#include "proxy/control/trouble.h"
#include "proxy/control/upgrade.h"
#include "proxy/control/warm.h"
#include "proxy/control/worker_thread.h"
#include "proxy/edge/file_pace.h"
#include "proxy/fleet/fleet.h"
#include "proxy/log/log.h"
#include "proxy/policy/maintenance.h"
#include "proxy/policy/operator_book.h"
#include "proxy/policy/policy.h"
#include "proxy/worker/generation.h"
#include "steady/mailbox.h"
#include "steady/text_index.h"

/* What wakes the control thread. */
struct control_loop {
    struct event_base *base;
    struct mailbox *mailbox;
    struct event *mail_event, *housekeeping;
};

/* How the program was started. */
struct control_program {
    char *const *argv;       /* NULL: the demo */
    char path[PATH_MAX];     /* the file it was started from; "": unknown */
    const char *config_path; /* NULL: the demo */
    char *pid_path;          /* the file that names this process; NULL: none */
    uint64_t started_ms, started_wall_ms;
};

struct task_pool;

struct control_workers {
    struct worker_thread **threads;
    const struct worker_stats **stats;
    struct task_pool *files; /* their threads for what waits for disks */
    struct file_crowd file_crowd;
    unsigned count;
    struct task_pool *hashing;   /* of passwords */
    bool hangs;                  /* one of those did not come back at the end */
    struct snapshots *snapshots; /* NULL: nobody has asked for one */
    struct shared_words shared;
};

/* Limits of the whole process. */
struct control_limits {
    struct bound_registry registry;
    struct shared_bounds shared;
    struct bound generations;
    struct trouble trouble;   /* where they refuse */
    struct drift_watch drift; /* where they are approached */
    struct memory_watch memory;
    uint64_t memory_budget_bytes;
};

/* What the operator has closed, and the files that close something. */
struct control_maintenance {
    struct maintenance *words;
    struct watched_files *files; /* of the present generation; NULL: none, or no memory */
    uint64_t looked_ms;
};

/* The configurations that are live, or about to be. */
struct control_generations {
    struct settings *settings; /* of the current generation */
    struct generation *present;
    /* the previous generation, until every worker has adopted the current one */
    struct generation *leaving;
    struct settings *coming; /* of a reload that waits for its names; NULL: none */
    struct prewarm prewarm;
    struct tls_watch *watch;        /* of the files of `settings`; NULL: nothing serves yet */
    struct tls_watch *coming_watch; /* of those of `coming`; NULL: none */
    struct tls_watch
        *hung_watch; /* of a reload that was rejected because a disk hangs; NULL: none */
    struct control_maintenance maintenance;
};

/* All routes that were ever named, with their counters: kept over reloads so that counters continue, bounded by
   ROUTE_BOOK_MAX. */
struct route_book {
    struct route_figures *items;
    struct text_index by_name;
    size_t count;
    struct admission_leftovers *leftovers; /* replaced shards that exchanges still hold */
};

/* What proxy/control/names.c keeps here. */
struct control_names {
    struct resolver *resolver;
    struct event *timer;
    bool changed; /* names have changed since the last adoption */
    uint64_t adopted_ms, adoptions;
    uint64_t until_ms;  /* end of a wait */
    uint64_t usable_ms; /* since when each name has an address; 0: not yet */
};

struct config_read;

struct control_reloads {
    uint64_t ok_count, failed_count, last_wall_ms;
    const char *last_error;            /* "" or heap */
    struct config_read *reading;       /* the file of a reload; NULL: none is being read */
    struct settings_messages messages; /* about the file of a reload that is not over */
    struct tls_files_figures tls_files;
    bool last_ok;
    bool wanted;
};

/* TLS of health probes, which run on this thread. */
struct control_probe {
    struct buf_pool *bufs;
    struct loop_clock clock;
    struct tls_scratch *scratch;
};

/* What replicas may have in common. */
/* Whether the store is asked for a warm state at the start. */
enum fleet_first { FLEET_FIRST_UNASKED, FLEET_FIRST_ASKED, FLEET_FIRST_UNWANTED };

struct control_replica {
    struct fleet *fleet;
    enum fleet_first first;
    struct tls_tickets *tickets; /* for all listeners with TLS */
    struct operator_book said;   /* by the operator, here or at another replica */
    struct rng rng;
};

struct control {
    struct control_loop loop;
    struct signals signals;
    struct control_program program;
    struct control_workers workers;
    struct control_limits limits;
    struct control_generations generations;
    struct control_names names;
    struct control_reloads reloads;
    struct control_probe probe;
    struct log *log;
    struct admin *admin;
    struct pools *pools;
    struct policy_env policy;
    struct control_replica replica;
    struct listener_list listeners;
    struct route_book routes;
    struct inherited inherited;
    struct notifier notifier;
    struct heartbeat heartbeat;
    struct drain drain;
    struct readiness_watch readiness;
    struct warm warm;
    struct upgrade upgrade;
    struct takeover takeover;
    struct tracing *tracing;
};

uint64_t control_now_ms(void); /* CLOCK_MONOTONIC */
uint64_t control_wall_ms(void);

/* A client of HTTP/1 has one exchange, one of HTTP/2 up to `http2.streams`. So many exchanges are allowed although all that all clients
   may have would be more. */
#define EXCHANGES_LEAST 65536
static inline uint64_t exchanges_limit(const struct settings *settings, uint64_t refusals_count)
{
    uint64_t clients_count = settings->limits.clients_count;
    return (clients_count > EXCHANGES_LEAST ? clients_count : EXCHANGES_LEAST) + refusals_count;
}

#endif
