/* Asks every worker for a sign of life. */
#include "proxy/control/heartbeat.h"

#include <stdlib.h>

#include "proxy/control/control_state.h"
#include "steady/leak.h"

/* How often workers are asked; more often if the watchdog's time is short. */
#define HEARTBEAT_MS 1000
#define HEARTBEAT_MIN_MS 10
/* Questions in the watchdog's time, and the part of it after which an answer is too old. */
#define WATCHDOG_ASKS 4
#define WATCHDOG_FRESH_PART 2

static void heartbeat_on_timer(evutil_socket_t fd, short what, void *arg);
static void heartbeat_on_answer(struct message *message, void *receiver);

static void heartbeat_ask(struct control *control)
{
    for (unsigned i = 0; i < control->workers.count; i++) {
        if (!control->heartbeat.workers[i].asked) {
            control->heartbeat.workers[i].asked = true;
            worker_thread_ask(control->workers.threads[i], WORKER_BEAT, heartbeat_on_answer);
        }
    }
}

bool heartbeat_start(struct control *control)
{
    uint64_t watchdog_ms = control->notifier.watchdog_ms, period_ms = HEARTBEAT_MS;
    if (watchdog_ms > 0 && watchdog_ms / WATCHDOG_ASKS < period_ms) {
        period_ms = watchdog_ms / WATCHDOG_ASKS;
        period_ms = period_ms > HEARTBEAT_MIN_MS ? period_ms : HEARTBEAT_MIN_MS;
    }
    const struct timeval period = {(time_t)(period_ms / 1000),
                                   (suseconds_t)(period_ms % 1000) * 1000};
    struct heartbeat *heartbeat = &control->heartbeat;
    heartbeat->workers = calloc(control->workers.count, sizeof *heartbeat->workers);
    heartbeat->timer = event_new(control->loop.base, -1, EV_PERSIST, heartbeat_on_timer, control);
    if (heartbeat->workers == NULL || heartbeat->timer == NULL ||
        event_add(heartbeat->timer, &period) != 0) {
        return false;
    }
    for (unsigned i = 0; i < control->workers.count; i++) {
        heartbeat->workers[i].answered_ms = control_now_ms();
    }
    heartbeat_ask(control);
    return true;
}

void heartbeat_free(struct control *control)
{
    if (control->heartbeat.timer != NULL) {
        event_free(control->heartbeat.timer);
        control->heartbeat.timer = NULL;
    }
    free(control->heartbeat.workers);
    control->heartbeat.workers = NULL;
}

uint64_t heartbeat_silence_ms(const struct control *control)
{
    uint64_t now_ms = control_now_ms(), oldest_ms = now_ms;
    for (unsigned i = 0; control->heartbeat.workers != NULL && i < control->workers.count; i++) {
        uint64_t answered_ms = control->heartbeat.workers[i].answered_ms;
        oldest_ms = answered_ms < oldest_ms ? answered_ms : oldest_ms;
    }
    return now_ms - oldest_ms;
}

static void heartbeat_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    uint64_t watchdog_ms = control->notifier.watchdog_ms;
    if (watchdog_ms > 0 && heartbeat_silence_ms(control) <= watchdog_ms / WATCHDOG_FRESH_PART) {
        notify_alive(&control->notifier);
    }
    heartbeat_ask(control);
    leak_of_places(&control->limits.shared.file_tasks,
                   control_now_ms() - control->program.started_ms);
}

static void heartbeat_on_answer(struct message *message, void *receiver)
{
    struct control *control = receiver;
    unsigned index = worker_thread_of(message)->worker->env.index;
    struct heartbeat_worker *beat = &control->heartbeat.workers[index];
    beat->answered_ms = control_now_ms();
    beat->asked = false;
}
