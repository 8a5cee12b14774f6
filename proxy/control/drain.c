/* The stages of a drain and what each of them does. */
#include "proxy/control/drain.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/reload.h"
#include "proxy/control/warm_save.h"
#include "steady/check.h"
#include "steady/enum_names.h"

/* How long before the end of the grace the rest is cut, and the process is ended by force. A short grace is divided in
   proportion. */
#define CUT_MARGIN_MS 1000
#define EXIT_MARGIN_MS 250
/* A worker accepts waiting connections, for LISTENERS_LEAVE_MS at most, and then leaves its listeners. */
#define CLOSING_MS (LISTENERS_LEAVE_MS + 200)
/* After a second signal: longest time of the end itself. */
#define HURRY_MS 1000
#define PROGRESS_MS 5000
/* Interval of the checks. */
#define STEP_MS 20

static void drain_on_timer(evutil_socket_t fd, short what, void *arg);
static void drain_on_closed(struct message *message, void *receiver);
static void drain_on_drained(struct message *message, void *receiver);

ENUM_NAME_FUNCTION(drain_stage_name, enum drain_stage, DRAIN_STAGES)

/* ---- decisions ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct drain_plan drain_plan(const struct drain_settings *settings, bool handed_over)
{
    uint64_t grace_ms = settings->grace_ms;
    struct drain_plan plan;
    plan.exit_ms = grace_ms - least(EXIT_MARGIN_MS, grace_ms / 4);
    plan.cut_ms = grace_ms > CUT_MARGIN_MS * 2 ? grace_ms - CUT_MARGIN_MS : grace_ms / 2;
    plan.unready_ms = handed_over ? 0 : least(settings->pause_ms, plan.cut_ms);
    plan.closing_ms = least(plan.unready_ms + CLOSING_MS, plan.cut_ms);
    plan.tunnels_ms = least(plan.unready_ms + settings->tunnels_ms, plan.cut_ms);
    return plan;
}

enum drain_stage drain_next(const struct drain_plan *plan, enum drain_stage stage,
                            uint64_t elapsed_ms, bool listeners_closed)
{
    if (elapsed_ms >= plan->cut_ms) {
        return DRAIN_CUTTING;
    }
    switch (stage) {
    case DRAIN_UNREADY: return elapsed_ms >= plan->unready_ms ? DRAIN_CLOSING : stage;
    case DRAIN_CLOSING:
        return listeners_closed || elapsed_ms >= plan->closing_ms ? DRAIN_FINISHING : stage;
    case DRAIN_FINISHING: return elapsed_ms >= plan->tunnels_ms ? DRAIN_RUSHING : stage;
    case DRAIN_SERVING:
    case DRAIN_RUSHING:
    case DRAIN_CUTTING: break;
    }
    return stage;
}

/* ---- the last resort ---- */

/* A worker does not end, or the disk does not take the log: the process ends within the grace all the same. */
static void drain_on_alarm(int number)
{
    static const char words[] = "evenkeel: drain.grace is over: the process is ended by force\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
    _exit(CONTROL_EXIT_CUT);
}

static void drain_set_alarm(struct drain *drain, uint64_t after_ms)
{
    drain->forced_at_ms = control_now_ms() + after_ms;
    struct sigaction action = {.sa_handler = drain_on_alarm};
    const struct itimerval when = {
        .it_value = {(time_t)(after_ms / 1000), (suseconds_t)(after_ms % 1000) * 1000 + 1}};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &when, NULL);
}

/* ---- stages ---- */

static uint64_t drain_elapsed_ms(const struct control *control)
{
    return control_now_ms() - control->drain.since_ms;
}

static void drain_end(struct control *control, bool cut)
{
    control->drain.cut = control->drain.cut || cut;
    event_base_loopbreak(control->loop.base);
}

static uint64_t drain_clients(const struct control *control, uint64_t *ret_tunnels)
{
    uint64_t clients = 0, tunnels = 0;
    for (unsigned i = 0; i < control->workers.count; i++) {
        clients += stat_read(&control->workers.stats[i]->clients_open);
        tunnels += stat_read(&control->workers.stats[i]->tunnels_open);
    }
    *ret_tunnels = tunnels;
    return clients;
}

/* Whether a client is left that is neither between requests nor waiting for its first, and has not got all that it gets. Those are
   counted first, and a client that closes leaves them last: it never seems to be busy. */
static bool drain_busy(const struct control *control)
{
    uint64_t tunnels, served = 0;
    for (unsigned i = 0; i < control->workers.count; i++) {
        const struct worker_stats *stats = control->workers.stats[i];
        served += stat_read(&stats->clients_idle) + stat_read(&stats->clients_lingering);
    }
    return drain_clients(control, &tunnels) > served;
}

static void drain_log(struct control *control)
{
    uint64_t tunnels, clients = drain_clients(control, &tunnels);
    control->drain.told_ms = control_now_ms();
    log_info(control->log,
             "drain: %s; %" PRIu64 " clients left, %" PRIu64 " of them tunnels; %" PRIu64
             " ms of the grace left",
             drain_stage_name(control->drain.stage), clients, tunnels, drain_left_ms(control));
    notify_status(&control->notifier, "draining (%s): %" PRIu64 " clients left",
                  drain_stage_name(control->drain.stage), clients);
}

static void drain_close(struct control *control)
{
    if (!control->drain.handed_over && !takeover_pending(control)) {
        reload_hush_listeners(control);
    }
    control->drain.listening_count = control->drain.undrained_count = control->workers.count;
    for (unsigned i = 0; i < control->workers.count; i++) {
        worker_thread_drain(control->workers.threads[i], drain_on_closed, drain_on_drained);
    }
}

static void drain_end_tunnels(struct control *control)
{
    for (unsigned i = 0; i < control->workers.count; i++) {
        worker_thread_ask(control->workers.threads[i], WORKER_END_TUNNELS, NULL);
    }
}

static void drain_enter(struct control *control, enum drain_stage stage)
{
    struct drain *drain = &control->drain;
    if (stage == drain->stage) {
        return;
    }
    if (drain->stage == DRAIN_CLOSING && drain->listening_count > 0) {
        log_error(control->log, "drain: %u workers do not answer", drain->listening_count);
    }
    drain->stage = stage;
    drain_log(control);
    switch (stage) {
    case DRAIN_CLOSING:
        fleet_leave(control->replica.fleet);
        drain_close(control);
        break;
    case DRAIN_RUSHING: drain_end_tunnels(control); break;
    case DRAIN_CUTTING:
        if (drain_busy(control)) {
            log_event(control->log, EVENT_DRAIN, LOG_LEVEL_WARN,
                      "drain: drain.grace is over: the remaining exchanges are cut off");
        }
        drain_end(control, drain_busy(control));
        break;
    case DRAIN_SERVING:
    case DRAIN_UNREADY:
    case DRAIN_FINISHING: break;
    }
}

/* Several stages may be due at once. */
static void drain_step(struct control *control)
{
    struct drain *drain = &control->drain;
    enum drain_stage before;
    do {
        before = drain->stage;
        drain_enter(control, drain_next(&drain->plan, before, drain_elapsed_ms(control),
                                        drain->listening_count == 0));
    } while (drain->stage != before);
    if (control_now_ms() - drain->told_ms >= PROGRESS_MS) {
        drain_log(control);
    }
}

static void drain_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    drain_step(arg);
}

/* The sockets are closed when no worker watches them any more. */
static void drain_on_closed(struct message *message, void *receiver)
{
    struct control *control = receiver;
    (void)message;
    control->drain.listening_count--;
    if (control->drain.listening_count == 0) {
        reload_close_listeners(control);
        drain_step(control);
    }
}

static void drain_on_drained(struct message *message, void *receiver)
{
    struct control *control = receiver;
    (void)message;
    control->drain.undrained_count--;
    if (control->drain.undrained_count == 0) {
        log_info(control->log, "drained");
        drain_end(control, false);
    }
}

/* ---- for control ---- */

bool drain_init(struct control *control)
{
    control->drain.timer = event_new(control->loop.base, -1, EV_PERSIST, drain_on_timer, control);
    return control->drain.timer != NULL;
}

void drain_free(struct control *control)
{
    if (control->drain.timer != NULL) {
        event_free(control->drain.timer);
        control->drain.timer = NULL;
    }
}

void drain_begin(struct control *control, const char *why, bool handed_over)
{
    struct drain *drain = &control->drain;
    const struct timeval period = {0, STEP_MS * 1000};
    if (drain->stage != DRAIN_SERVING) {
        return;
    }
    bool was_ready = readiness_is_ready(&control->readiness.readiness);
    drain->handed_over = handed_over;
    drain->plan = drain_plan(&control->generations.settings->drain, handed_over);
    drain->since_ms = drain->told_ms = control_now_ms();
    drain_set_alarm(drain, drain->plan.exit_ms);
    log_event(control->log, EVENT_DRAIN, LOG_LEVEL_INFO,
              "draining: %s; exchanges in flight may take %" PRIu64 " ms", why, drain->plan.cut_ms);
    notify_stopping(&control->notifier);
    drain_enter(control, DRAIN_UNREADY);
    if (control->generations.present == NULL) { /* it has not begun to serve */
        drain_end(control, false);
        return;
    }
    readiness_watch_look(control);
    admin_reloads_refuse(admin_reloads(control->admin), "draining");
    upgrade_abort(control, "this process drains");
    if (was_ready && !handed_over) {
        warm_save_now(control);
    }
    event_add(drain->timer, &period);
    drain_step(control);
}

void drain_cut(struct control *control, const char *why)
{
    log_warn(control->log, "%s: ending at once", why);
    drain_set_alarm(&control->drain, HURRY_MS);
    drain_end(control, drain_busy(control));
}

uint64_t drain_left_ms(const struct control *control)
{
    uint64_t elapsed_ms;
    if (control->drain.stage == DRAIN_SERVING) {
        return 0;
    }
    elapsed_ms = drain_elapsed_ms(control);
    return elapsed_ms < control->generations.settings->drain.grace_ms
               ? control->generations.settings->drain.grace_ms - elapsed_ms
               : 0;
}

uint64_t drain_forced_ms(const struct control *control)
{
    uint64_t at_ms = control->drain.forced_at_ms, now_ms = control_now_ms();
    return at_ms == 0 ? UINT64_MAX : at_ms > now_ms ? at_ms - now_ms : 0;
}
