/* Waits for the connections of a generation's new upstreams. */
#include "proxy/control/prewarm.h"

#include <event2/event.h>
#include <inttypes.h>

#include "pool/upstream.h"
#include "proxy/control/control_state.h"
#include "proxy/control/reload.h"
#include "proxy/control/takeover.h"
#include "proxy/log/log.h"
#include "proxy/worker/generation.h"
#include "proxy/worker/worker.h"

#define PREWARM_LOOK_MS 20

static void prewarm_arm(struct control *control)
{
    const struct timeval wait = {0, 1000 * PREWARM_LOOK_MS};
    event_add(control->generations.prewarm.timer, &wait);
}

static void prewarm_over(struct control *control, const struct set_warmth *warmth)
{
    struct prewarm *prewarm = &control->generations.prewarm;
    struct generation *generation = prewarm->generation;
    bool whole = warmth->ready_count == warmth->wanted_count;
    log_event(control->log, EVENT_RELOAD, whole ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              "generation %" PRIu64 ": its new upstreams have %" PRIu64 " of %" PRIu64
              " connections after %" PRIu64 " ms%s",
              generation->number, warmth->ready_count, warmth->wanted_count,
              control_now_ms() - prewarm->started_ms,
              whole ? "" : "; it gets traffic all the same");
    prewarm->generation = NULL;
    reload_swap(control, generation, prewarm->settings);
}

/* During an upgrade nothing changes, because the sockets have been counted. A process that drains needs no other
   generation. */
static void prewarm_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    const struct prewarm *prewarm = &control->generations.prewarm;
    (void)fd;
    (void)what;
    if (control->drain.stage != DRAIN_SERVING) {
        return;
    }
    const struct set_warmth warmth = upstream_set_warmth(prewarm->generation->upstreams);
    uint64_t give_up_ms = prewarm->started_ms + prewarm->settings->readiness.give_up_after_ms;
    bool enough = warmth.ready_count + warmth.failing_count >= warmth.wanted_count;
    bool upgrading = control->upgrade.figures.pid != 0 || takeover_pending(control);
    if (upgrading || (!enough && control_now_ms() < give_up_ms)) {
        prewarm_arm(control);
        return;
    }
    prewarm_over(control, &warmth);
}

bool prewarm_begin(struct control *control, struct generation *generation,
                   struct settings *settings)
{
    struct prewarm *prewarm = &control->generations.prewarm;
    const struct set_warmth warmth = upstream_set_warmth(generation->upstreams);
    if (warmth.wanted_count == 0) {
        return false;
    }
    if (prewarm->timer == NULL) {
        prewarm->timer = event_new(control->loop.base, -1, 0, prewarm_on_timer, control);
    }
    if (prewarm->timer == NULL) {
        return false;
    }
    log_event(control->log, EVENT_RELOAD, LOG_LEVEL_INFO,
              "generation %" PRIu64 " waits for new upstreams (%zu): %" PRIu64 " connections",
              generation->number, warmth.upstream_count, warmth.wanted_count);
    prewarm->generation = generation;
    prewarm->settings = settings;
    prewarm->started_ms = control_now_ms();
    for (unsigned i = 0; i < control->workers.count; i++) {
        worker_thread_prewarm(control->workers.threads[i], generation->upstreams);
    }
    prewarm_arm(control);
    return true;
}

void prewarm_stop(struct control *control)
{
    if (control->generations.prewarm.timer != NULL) {
        event_free(control->generations.prewarm.timer);
        control->generations.prewarm.timer = NULL;
    }
}
