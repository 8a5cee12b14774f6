/* What is looked at, what workers are told, and the lines. */
#include "proxy/control/memory_watch.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>

#include "pool/upstream.h"
#include "proxy/control/control_state.h"
#include "steady/budget.h"
#include "steady/sanitize.h"

/* How often it is looked: from WAKEFUL_SHARE of the budget on, and below. */
#define PRESSED_LOOK_MS 50
#define LOOK_MS 250
#define WAKEFUL_SHARE 0.6
/* The part of its cgroup's limit that the process may use; the rest is for what comes between two looks. */
#define GROUP_SHARE 0.9
/* Giving free memory back to the kernel takes time, in which threads that allocate have to wait: at most such a part of all time. */
#define TRIM_PART 100
#define TRIM_EVERY_MS 500

static void memory_on_timer(evutil_socket_t fd, short what, void *arg);
static void memory_on_answer(struct message *message, void *receiver);

/* What sanitizers keep beside the program's memory is not to be judged. */
static double share_now(const struct control *control)
{
    struct budget_group group;
    if (SANITIZE_ADDRESS || SANITIZE_THREAD) {
        return 0;
    }
    double share = (double)budget_private_bytes("") / (double)control->limits.memory_budget_bytes;
    if (budget_group("", &group)) {
        share = fmax(share, (double)group.used_bytes / ((double)group.limit_bytes * GROUP_SHARE));
    }
    return share;
}

static void say_steps(struct control *control, enum pressure_step before, enum pressure_step after)
{
    const struct memory_watch *watch = &control->limits.memory;
    double budget_mib = (double)control->limits.memory_budget_bytes / 1048576;
    for (unsigned step = before + 1u; step <= after; step++) {
        trouble_say(control,
                    "memory: %.0f%% of %.0f MiB is in use: %s; see docs/runbooks/memory.md",
                    watch->share * 100, budget_mib, pressure_step_effect((enum pressure_step)step));
    }
    for (unsigned step = before; step > after; step--) {
        trouble_say(control, "memory: %.0f%% of %.0f MiB is in use: no longer: %s",
                    watch->share * 100, budget_mib, pressure_step_effect((enum pressure_step)step));
    }
}

static void ask_workers(struct control *control)
{
    for (unsigned i = 0; i < control->workers.count; i++) {
        if (!control->limits.memory.asked[i]) {
            control->limits.memory.asked[i] = true;
            worker_thread_ask(control->workers.threads[i], WORKER_PRESSURE, memory_on_answer);
        }
    }
}

/* A worker that was asked before the step changed has to be told again. */
static void memory_on_answer(struct message *message, void *receiver)
{
    struct control *control = receiver;
    const struct worker *worker = worker_thread_of(message)->worker;
    control->limits.memory.asked[worker->env.index] = false;
    if (worker->pressure != (uint8_t)control->limits.memory.pressure.step) {
        ask_workers(control);
    }
}

static void trim(struct memory_watch *watch)
{
    uint64_t now_ms = control_now_ms();
    if (now_ms < watch->trim_at_ms) {
        return;
    }
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
    uint64_t end_ms = control_now_ms();
    watch->trim_at_ms = end_ms + TRIM_EVERY_MS + (end_ms - now_ms) * TRIM_PART;
}

static void look(struct control *control)
{
    struct memory_watch *watch = &control->limits.memory;
    enum pressure_step before = watch->pressure.step;
    watch->share = share_now(control);
    enum pressure_step after = pressure_note(&watch->pressure, watch->share);
    if (after != before) {
        say_steps(control, before, after);
        __atomic_store_n(&control->workers.shared.pressure, (uint32_t)after, __ATOMIC_RELAXED);
        pools_set_lean(control->pools, after >= PRESSURE_SHRINK);
    }
    if (after != before || after != PRESSURE_NONE) {
        ask_workers(control);
    }
    if (after != PRESSURE_NONE) {
        trim(watch);
    }
}

static void memory_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    look(control);
    bool wakeful = control->limits.memory.share >= WAKEFUL_SHARE;
    const struct timeval next = {0, 1000 * (wakeful ? PRESSED_LOOK_MS : LOOK_MS)};
    event_add(control->limits.memory.timer, &next);
}

bool memory_watch_start(struct control *control)
{
    struct memory_watch *watch = &control->limits.memory;
    watch->asked = calloc(control->workers.count, sizeof *watch->asked);
    watch->timer = event_new(control->loop.base, -1, 0, memory_on_timer, control);
    if (watch->asked == NULL || watch->timer == NULL) {
        return false;
    }
    event_active(watch->timer, EV_TIMEOUT, 0);
    return true;
}

void memory_watch_free(struct control *control)
{
    struct memory_watch *watch = &control->limits.memory;
    if (watch->timer != NULL) {
        event_free(watch->timer);
        watch->timer = NULL;
    }
    free(watch->asked);
    watch->asked = NULL;
}
