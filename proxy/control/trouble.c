/* What is looked at, and the lines. */
#include "proxy/control/trouble.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/admin/resources.h"
#include "proxy/control/control_state.h"
#include "steady/counter.h"

#define LOOK_EVERY_MS 1000
/* So long without a refusal: it is over. */
#define REST_MS 5000
/* At most so many lines in so long a time. */
#define WINDOW_MS 10000
#define LINES_COUNT 20

void trouble_say(struct control *control, const char *format, ...)
{
    struct trouble *trouble = &control->limits.trouble;
    char text[1024];
    va_list args;
    if (trouble->said_count >= LINES_COUNT) {
        trouble->unsaid_count++;
        return;
    }
    trouble->said_count++;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_event(control->log, EVENT_LIMIT, LOG_LEVEL_WARN, "%s", text);
}

/* A new window tells what the last one kept back. */
static void turn_window(struct control *control, uint64_t now_ms)
{
    struct trouble *trouble = &control->limits.trouble;
    if (now_ms - trouble->window_ms < WINDOW_MS) {
        return;
    }
    if (trouble->unsaid_count > 0) {
        log_warn(control->log, "%" PRIu64 " more limits began or stopped refusing: see /resources",
                 trouble->unsaid_count);
    }
    trouble->window_ms = now_ms;
    trouble->said_count = trouble->unsaid_count = 0;
}

/* ---- bounds ---- */

static void say_of_bound(struct control *control, const struct bound *bound,
                         enum episode_event event)
{
    const struct bound_words *words = bound_words_of(bound->name);
    char name[256];
    if (words == NULL || words->cause[0] == '\0') {
        return;
    }
    snprintf(name, sizeof name, bound->detail != NULL ? "%s (%s)" : "%s", bound->name,
             bound->detail);
    if (event == EPISODE_BEGINS) {
        trouble_say(control,
                    "bound %s refuses: %" PRIu64 " of %" PRIu64 " in use, %" PRIu64
                    " refused: %s; %s",
                    name, bound_used(bound), bound_limit(bound), episode_count(&bound->refusals),
                    words->cause, words->remedy);
    } else {
        trouble_say(control, "bound %s refuses no more: %" PRIu64 " refused in %" PRIu64 " ms",
                    name, episode_count(&bound->refusals), episode_length_ms(&bound->refusals));
    }
}

static void look_at_bounds(struct control *control, uint64_t now_ms)
{
    struct bound *bound;
    TAILQ_FOREACH (bound, &control->limits.registry.bounds, link) {
        enum episode_event event =
            episode_note(&bound->refusals, bound_refused(bound), REST_MS, now_ms);
        if (event != EPISODE_NO_EVENT) {
            say_of_bound(control, bound, event);
        }
    }
}

/* ---- what is no bound ---- */

static uint64_t count_accept_pauses(const struct control *control)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < control->workers.count; i++) {
        count += stat_read(&control->workers.stats[i]->accept_pauses);
    }
    return count;
}

static void look_at_accepting(struct control *control, uint64_t now_ms)
{
    struct episode *episode = &control->limits.trouble.accept_pauses;
    const struct bound *fds = &control->limits.shared.fds;
    switch (episode_note(episode, count_accept_pauses(control), REST_MS, now_ms)) {
    case EPISODE_BEGINS:
        trouble_say(
            control,
            "accepting pauses: no descriptors are left for clients: %" PRIu64 " of %" PRIu64
            " are in use, and nothing has been idle for long; raise the limit of the process "
            "(LimitNOFILE, ulimit -n), or lower limits.clients or timeouts.idle",
            bound_used(fds), bound_limit(fds));
        break;
    case EPISODE_ENDS:
        trouble_say(control, "accepting goes on: %" PRIu64 " pauses in %" PRIu64 " ms",
                    episode_count(episode), episode_length_ms(episode));
        break;
    case EPISODE_NO_EVENT: break;
    }
}

/* Of all routes, and of requests that had none yet. */
static uint64_t count_no_memory(const struct control *control)
{
    uint64_t count = 0;
    for (unsigned w = 0; w < control->workers.count; w++) {
        count += stat_read(&control->workers.stats[w]->no_route.by_reason[REASON_NO_MEMORY]);
        for (size_t r = 0; r < control->routes.count; r++) {
            count += stat_read(&control->routes.items[r].by_worker[w].by_reason[REASON_NO_MEMORY]);
        }
    }
    return count;
}

static void look_at_memory(struct control *control, uint64_t now_ms)
{
    struct episode *episode = &control->limits.trouble.no_memory;
    const struct bound *buffers = &control->limits.shared.buffers_bytes;
    switch (episode_note(episode, count_no_memory(control), REST_MS, now_ms)) {
    case EPISODE_BEGINS:
        trouble_say(control,
                    "no memory: %" PRIu64 " exchanges failed; buffers take %" PRIu64 " of %" PRIu64
                    " bytes; raise limits.memory, or the limit of the service or container",
                    episode_count(episode), bound_used(buffers), bound_limit(buffers));
        break;
    case EPISODE_ENDS:
        trouble_say(control,
                    "memory suffices again: %" PRIu64 " exchanges failed in %" PRIu64 " ms",
                    episode_count(episode), episode_length_ms(episode));
        break;
    case EPISODE_NO_EVENT: break;
    }
}

/* Pools that have lost many idle connections at once. */
static void look_at_pools(struct control *control, uint64_t now_ms)
{
    struct episode *episode = &control->limits.trouble.pool_losses;
    const struct pool_losses losses = pools_losses(control->pools);
    switch (episode_note(episode, losses.count, REST_MS, now_ms)) {
    case EPISODE_BEGINS:
        trouble_say(
            control,
            "warm connections died at rest, most of them of upstream %s: endpoint %s: it was restarted, or something "
            "between closes idle connections; they are dialled again; if this repeats, lower "
            "pool.idle below the time after which they are closed",
            losses.upstream, losses.endpoint);
        break;
    case EPISODE_ENDS:
        trouble_say(control, "warm connections die no more: %" PRIu64 " losses in %" PRIu64 " ms",
                    episode_count(episode), episode_length_ms(episode));
        break;
    case EPISODE_NO_EVENT: break;
    }
}

void trouble_look(struct control *control)
{
    struct trouble *trouble = &control->limits.trouble;
    uint64_t now_ms = control_now_ms();
    if (now_ms - trouble->looked_ms < LOOK_EVERY_MS) {
        return;
    }
    trouble->looked_ms = now_ms;
    turn_window(control, now_ms);
    look_at_bounds(control, now_ms);
    look_at_accepting(control, now_ms);
    look_at_memory(control, now_ms);
    look_at_pools(control, now_ms);
}
