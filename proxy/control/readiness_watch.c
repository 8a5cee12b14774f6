/* Collects the figures for readiness, and reports the result. */
#include "proxy/control/readiness_watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "pool/endpoint_memory.h"
#include "pool/health.h"
#include "proxy/control/control_state.h"
#include "tls/session_cache.h"

/* How often figures are collected: while something waits for readiness, and later. */
#define WARMING_LOOK_MS 20
#define LATER_LOOK_MS 250

static void readiness_on_timer(evutil_socket_t fd, short what, void *arg);

/* ---- figures ---- */

static void count_name(const struct session_name_figures *figures, void *owner)
{
    uint64_t *count = owner;
    *count += figures->entries > 0;
}

/* Server names for TLS that will have a session as soon as there is a connection, which is not so if TLS waits for a
   client. */
static uint64_t tls_names_count(const struct upstream_settings *settings)
{
    bool one = settings->tls.server_name[0] != '\0';
    bool kept = settings->tls.enabled && settings->pool.warm_min_count > 0 &&
                settings->proxy_protocol != PROXY_HEADER_CLIENT;
    return !kept ? 0 : one ? 1 : settings->endpoint_count;
}

/* The usual number of sessions is what an earlier process had, else one for each name. */
static void gather_sessions(const struct control *control, struct readiness_figures *figures)
{
    struct session_cache *sessions = pools_sessions(control->pools);
    struct session_figures kept;
    uint64_t restored_count = control->warm.sessions_restored_count;
    if (restored_count > 0) {
        session_cache_figures(sessions, &kept);
        figures->sessions_usual_count = restored_count;
        figures->sessions_count = kept.entries;
    } else if (figures->sessions_usual_count > 0) {
        session_cache_each_name(sessions, count_name, &figures->sessions_count);
    }
}

static void gather(struct control *control, struct readiness_figures *ret_figures)
{
    const struct upstream_set *set = control->generations.present->upstreams;
    struct readiness_figures figures = {
        .settings_live = control->generations.present->number > 1 ||
                         control->generations.present->waiting_count == 0,
        .memory_spent = control->limits.memory.share > 1,
        .draining = control->drain.stage != DRAIN_SERVING,
    };
    for (size_t i = 0; i < set->count; i++) {
        if (!set->views[i].settings->required) {
            continue;
        }
        const struct upstream_health health = upstream_health(set->views[i].upstream);
        const struct upstream_warmth warmth = upstream_warmth(set->views[i].upstream);
        figures.required_count++;
        figures.sessions_usual_count += tls_names_count(set->views[i].settings);
        figures.warm_level_count += warmth.wanted_count;
        figures.connections_count += warmth.ready_count;
        figures.resolved_count += set->views[i].endpoint_count > 0;
        figures.usable_count += health.usable_count > 0;
    }
    gather_sessions(control, &figures);
    *ret_figures = figures;
}

/* ---- telling ---- */

static void tell_log(const struct control *control)
{
    const struct readiness *readiness = &control->readiness.readiness;
    char reasons[256] = "";
    size_t used = 0;
    for (unsigned i = 0; i < READINESS_REASON_COUNT; i++) {
        if ((readiness->missing >> i & 1) != 0 && used < sizeof reasons) {
            used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s",
                                     used == 0 ? ": " : ", ",
                                     readiness_reason_name((enum readiness_reason)i));
        }
    }
    bool good = readiness->state == READINESS_WARM || readiness->state == READINESS_DRAINING;
    log_event(control->log, EVENT_READINESS, good ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              "%s: %s after %" PRIu64 " ms%s",
              readiness_is_ready(readiness) ? "ready" : "not ready",
              readiness_state_name(readiness->state), readiness->since_ms - readiness->started_ms,
              reasons);
}

static void tell_status(const struct control *control)
{
    const struct readiness *readiness = &control->readiness.readiness;
    if (control->drain.stage == DRAIN_SERVING) {
        notify_status(&control->notifier, "%s (%s)",
                      readiness_is_ready(readiness) ? "ready" : "not ready",
                      readiness_state_name(readiness->state));
    }
}

static void tell(struct control *control)
{
    struct readiness_watch *watch = &control->readiness;
    bool ready = readiness_is_ready(&watch->readiness);
    __atomic_store_n(&control->workers.shared.ready, ready, __ATOMIC_RELAXED);
    tell_log(control);
    bool first = !watch->told && readiness_settled(&watch->readiness);
    watch->told = watch->told || first;
    tell_status(control);
    if (first) {
        pools_forget_needs(control->pools);
        notify_ready(&control->notifier);
        takeover_on_readiness(control);
    }
}

void readiness_watch_log(struct control *control)
{
    tell_status(control);
    if (control->readiness.told) {
        notify_ready(&control->notifier);
    }
}

void readiness_watch_look(struct control *control)
{
    struct readiness_watch *watch = &control->readiness;
    struct readiness_figures figures;
    gather(control, &figures);
    if (readiness_step(&watch->readiness, &control->generations.settings->readiness, &figures,
                       control_now_ms())) {
        tell(control);
    }
}

static void readiness_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    readiness_watch_look(control);
    const struct timeval next = {0, 1000 * (readiness_settled(&control->readiness.readiness)
                                                ? LATER_LOOK_MS
                                                : WARMING_LOOK_MS)};
    event_add(control->readiness.timer, &next);
}

bool readiness_watch_start(struct control *control)
{
    readiness_init(&control->readiness.readiness, control->program.started_ms);
    control->readiness.timer = event_new(control->loop.base, -1, 0, readiness_on_timer, control);
    if (control->readiness.timer == NULL) {
        return false;
    }
    event_active(control->readiness.timer, EV_TIMEOUT, 0);
    return true;
}

void readiness_watch_free(struct control *control)
{
    if (control->readiness.timer != NULL) {
        event_free(control->readiness.timer);
        control->readiness.timer = NULL;
    }
}
