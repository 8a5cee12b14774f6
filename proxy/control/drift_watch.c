/* What is sampled, and the lines. */
#include "proxy/control/drift_watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/policy/policy.h"
#include "steady/budget.h"
#include "steady/counter.h"

/* A part of the process that uses less of its limit than this share has no history. */
#define PART_SHARE_LEAST 0.02
#define MS_PER_HOUR 3600000.0

static void on_tick(evutil_socket_t fd, short what, void *arg);

/* ---- lines ---- */

static void describe(const struct drift_item *item, char *text, size_t bytes)
{
    snprintf(text, bytes, item->detail[0] != '\0' ? "%s (%s)" : "%s", item->name, item->detail);
}

/* "40 seconds", "12 minutes", "3.5 hours", "12 days". */
static void describe_time(double ms, char *text, size_t bytes)
{
    double minutes = ms / 60000;
    if (isinf(ms)) {
        snprintf(text, bytes, "it has no limit");
    } else if (minutes < 2) {
        snprintf(text, bytes, "about %.0f seconds are left", minutes * 60);
    } else if (minutes < 120) {
        snprintf(text, bytes, "about %.0f minutes are left", minutes);
    } else if (minutes < 72 * 60) {
        snprintf(text, bytes, "about %.1f hours are left", minutes / 60);
    } else {
        snprintf(text, bytes, "about %.0f days are left", minutes / 60 / 24);
    }
}

/* "12.5 MiB", "340 ms", "0.02", "340". */
static void describe_value(const struct drift_item *item, double value, char text[32])
{
    const char *unit = unit_of(item->name);
    if (!isfinite(value)) {
        snprintf(text, 32, "none");
    } else if (strcmp(unit, "bytes") == 0) {
        snprintf(text, 32, "%.1f MiB", value / 1048576);
    } else if (strcmp(unit, "seconds") == 0) {
        snprintf(text, 32, "%.1f ms", value * 1e3);
    } else {
        snprintf(text, 32, fabs(value) >= 100 ? "%.0f" : "%.3g", value);
    }
}

static void say_begin(struct control *control, const struct drift_item *item, const char *name)
{
    const struct drift_book *book = control->limits.drift.book;
    const struct drift_estimate estimate = drift_book_estimate(book, item);
    double tick_ms = (double)drift_book_interval_ms(book);
    char slope[32], now[32], limit[32], left[64];
    describe_value(item, estimate.slope * MS_PER_HOUR / tick_ms, slope);
    describe_value(item, estimate.level, now);
    describe_value(item, item->limit, limit);
    describe_time(estimate.left_ticks * tick_ms, left, sizeof left);
    log_event(
        control->log, EVENT_DRIFT, LOG_LEVEL_WARN,
        "drift: %s grows by %s an hour, and the load does not explain it: it is %s now, its limit is %s, and "
        "%s; see /drift and docs/runbooks/%s.md",
        name, slope, now, limit, left, resource_name(item->resource));
}

static void say(struct control *control, const struct drift_item *item, enum drift_event event)
{
    char name[160], now[32];
    describe(item, name, sizeof name);
    if (event == DRIFT_BEGINS) {
        say_begin(control, item, name);
    } else {
        describe_value(item, (double)item->history.last, now);
        log_event(control->log, EVENT_DRIFT, LOG_LEVEL_INFO,
                  "drift: %s grows no more: it is %s now", name, now);
    }
}

static void sample(struct control *control, struct drift_item *item, double value, double limit)
{
    struct drift_watch *watch = &control->limits.drift;
    if (item == NULL) {
        return;
    }
    enum drift_event event = drift_book_sample(watch->book, item, watch->tick, value, limit);
    if (event != DRIFT_NO_EVENT) {
        say(control, item, event);
    }
}

/* ---- the process ---- */

static void sample_process(struct control *control, enum process_figure figure, double value,
                           double limit)
{
    struct drift_book *book = control->limits.drift.book;
    const struct drift_key key = {DRIFT_OF_PROCESS, figure};
    struct drift_item *item = drift_book_find(book, key);
    if (item == NULL) {
        item = drift_book_add(book, key, process_figures[figure].name, NULL);
    }
    sample(control, item, value, limit);
}

struct counts {
    uint64_t begun, answered, failed;
    struct histogram responses_us;
};

static void count_route(const struct route_stats *stats, struct counts *counts)
{
    for (unsigned class = STATUS_CLASS_2XX; class <= STATUS_CLASS_5XX; class ++) {
        counts->answered += stat_read(&stats->by_class[class]);
    }
    counts->failed += stat_read(&stats->by_class[STATUS_CLASS_5XX]);
    histogram_add(&counts->responses_us, &stats->duration_us);
}

static struct counts count(const struct control *control)
{
    struct counts counts = {0};
    for (unsigned w = 0; w < control->workers.count; w++) {
        const struct worker_stats *stats = control->workers.stats[w];
        counts.begun += stat_read(&stats->exchanges_started);
        count_route(&stats->no_route, &counts);
        for (size_t r = 0; r < control->routes.count; r++) {
            count_route(&control->routes.items[r].by_worker[w], &counts);
        }
    }
    return counts;
}

/* Of the responses since the last sample. */
static void sample_responses(struct control *control, const struct histogram *now)
{
    struct drift_watch *watch = &control->limits.drift;
    struct histogram since = *now;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        since.counts[i] -= watch->responses_us.counts[i];
    }
    bool any = watch->sampled_ms != 0 && histogram_count(&since) > 0;
    sample_process(control, FIGURE_RESPONSE_MEDIAN,
                   any ? (double)histogram_quantile(&since, 0.5) / 1e6 : NAN, INFINITY);
    sample_process(control, FIGURE_RESPONSE_P99,
                   any ? (double)histogram_quantile(&since, 0.99) / 1e6 : NAN, INFINITY);
    watch->responses_us = *now;
}

/* The load comes first: all else is compared with it. */
static void sample_load(struct control *control, double elapsed_s)
{
    struct drift_watch *watch = &control->limits.drift;
    const struct counts now = count(control);
    uint64_t answered = now.answered - watch->answered_count;
    uint64_t failed = now.failed - watch->failed_count;
    double rate = (double)(now.begun - watch->begun_count) / elapsed_s;
    sample_process(control, FIGURE_REQUESTS, watch->sampled_ms != 0 ? rate : NAN, INFINITY);
    sample_process(control, FIGURE_ERROR_SHARE,
                   answered > 0 ? (double)failed / (double)answered : NAN, 1);
    sample_responses(control, &now.responses_us);
    watch->begun_count = now.begun;
    watch->answered_count = now.answered;
    watch->failed_count = now.failed;
}

static void sample_process_figures(struct control *control)
{
    const struct bound *fds = &control->limits.shared.fds;
    double open = (double)budget_open_fds(""), most = (double)sysconf(_SC_OPEN_MAX);
    double counted = (double)bound_used(fds);
    sample_process(control, FIGURE_RESIDENT_BYTES, (double)budget_resident_bytes(""),
                   (double)control->limits.memory_budget_bytes);
    sample_process(control, FIGURE_OPEN_DESCRIPTORS, open, most);
    sample_process(control, FIGURE_STRAY_DESCRIPTORS, fmax(open - counted, 0), most - counted);
    sample_process(control, FIGURE_THREADS, (double)budget_threads(""), INFINITY);
}

/* ---- upstreams ---- */

struct upstream_walk {
    struct control *control;
    double elapsed_s;
    double queued_count;
};

static struct drift_key upstream_key(const struct upstream *upstream, enum upstream_figure figure)
{
    return (struct drift_key){DRIFT_OF_UPSTREAM,
                              upstream_number(upstream) * UPSTREAM_FIGURE_COUNT + figure};
}

static void watch_upstream(struct drift_book *book, const struct upstream *upstream)
{
    for (unsigned i = 0; i < UPSTREAM_FIGURE_COUNT; i++) {
        (void)drift_book_add(book, upstream_key(upstream, (enum upstream_figure)i),
                             upstream_figures[i].name, upstream->name);
    }
}

static void forget_upstream(struct drift_book *book, uint64_t number)
{
    uint64_t first = number - number % UPSTREAM_FIGURE_COUNT;
    for (unsigned i = 0; i < UPSTREAM_FIGURE_COUNT; i++) {
        struct drift_item *item =
            drift_book_find(book, (struct drift_key){DRIFT_OF_UPSTREAM, first + i});
        if (item != NULL) {
            drift_book_remove(book, item);
        }
    }
}

/* Whether the upstream has a history, or gets one in place of one that is used much less. */
static bool upstream_is_watched(struct drift_book *book, const struct upstream *upstream,
                                double rate)
{
    const struct drift_key key = upstream_key(upstream, FIGURE_UPSTREAM_ANSWERS);
    if (drift_book_find(book, key) != NULL) {
        return true;
    }
    if (rate <= 0 && bound_used(&upstream->in_flight) == 0) {
        return false;
    }
    watch_upstream(book, upstream);
    if (drift_book_find(book, key) == NULL) {
        const struct drift_item *yielding = drift_book_yielding(book, DRIFT_OF_UPSTREAM, rate);
        if (yielding == NULL) {
            return false;
        }
        forget_upstream(book, yielding->key.number);
        watch_upstream(book, upstream);
    }
    return drift_book_find(book, key) != NULL;
}

static void sample_upstream_figure(const struct upstream_walk *walk,
                                   const struct upstream *upstream, enum upstream_figure figure,
                                   double value, double limit)
{
    struct drift_book *book = walk->control->limits.drift.book;
    struct drift_item *item = drift_book_find(book, upstream_key(upstream, figure));
    if (item != NULL) {
        item->weight = policy_of(upstream)->little.rate;
        sample(walk->control, item, value, limit);
    }
}

static void sample_upstream(const struct upstream *upstream, void *owner)
{
    struct upstream_walk *walk = owner;
    struct little *little = &policy_of(upstream)->little;
    const struct upstream_settings *settings = upstream_settings_shown(upstream);
    const struct service_figures service = policy_service(upstream);
    const struct little_sample figures = {
        .answers_count = service.answers_count,
        .refused_count = bound_refused(&upstream->queued),
        .queued_count = bound_used(&upstream->queued),
        .limit = bound_limit(&upstream->in_flight),
        .service_s = service.median_us / 1e6,
    };
    little_note(little, &figures, walk->elapsed_s);
    walk->queued_count += (double)figures.queued_count;
    if (settings == NULL ||
        !upstream_is_watched(walk->control->limits.drift.book, upstream, little->rate)) {
        return;
    }
    double most_s = (double)settings->timeouts.first_byte_ms / 1e3;
    bool any = little->rate > 0;
    sample_upstream_figure(walk, upstream, FIGURE_UPSTREAM_ANSWERS, little->rate, INFINITY);
    sample_upstream_figure(walk, upstream, FIGURE_UPSTREAM_MEDIAN,
                           any ? service.median_us / 1e6 : NAN, most_s);
    sample_upstream_figure(walk, upstream, FIGURE_UPSTREAM_P99, any ? service.most_us / 1e6 : NAN,
                           most_s);
}

/* ---- bounds ---- */

static double limit_of(const struct bound *bound)
{
    uint64_t limit = bound_limit(bound);
    return limit == UINT64_MAX ? INFINITY : (double)limit;
}

/* A part gets a history if it uses a share of its limit that is worth it: in a free place, or in that of one that uses much less. */
static struct drift_item *add_bound(struct drift_book *book, const struct bound *bound,
                                    struct drift_key key, double share)
{
    if (key.kind == DRIFT_OF_PART && share < PART_SHARE_LEAST) {
        return NULL;
    }
    struct drift_item *item = drift_book_add(book, key, bound->name, bound->detail);
    struct drift_item *yielding = item == NULL && key.kind == DRIFT_OF_PART
                                      ? drift_book_yielding(book, key.kind, share)
                                      : NULL;
    if (yielding != NULL) {
        drift_book_remove(book, yielding);
        item = drift_book_add(book, key, bound->name, bound->detail);
    }
    return item;
}

static void sample_bound(struct control *control, const struct bound *bound)
{
    struct drift_book *book = control->limits.drift.book;
    const struct drift_key key = drift_key_of_bound(bound);
    double used = (double)bound_used(bound), limit = limit_of(bound);
    double share = limit > 0 ? used / limit : 0;
    struct drift_item *item = drift_book_find(book, key);
    if (item == NULL) {
        item = add_bound(book, bound, key, share);
    }
    if (item != NULL) {
        item->weight = fmax(share, 0.99 * item->weight);
        sample(control, item, used, limit);
    }
}

/* ---- ticks ---- */

/* Series of what is gone. */
static void sweep(struct drift_watch *watch)
{
    for (size_t i = drift_book_count(watch->book); i-- > 0;) {
        struct drift_item *item = drift_book_at(watch->book, i);
        if (item->seen_tick != watch->tick) {
            drift_book_remove(watch->book, item);
        }
    }
}

static void take_samples(struct control *control, double elapsed_s)
{
    struct upstream_walk walk = {control, elapsed_s, 0};
    const struct bound *bound;
    drift_book_begin_round(control->limits.drift.book);
    pools_publish(control->pools);
    sample_load(control, elapsed_s);
    sample_process_figures(control);
    pools_each_upstream(control->pools, sample_upstream, &walk);
    sample_process(control, FIGURE_QUEUED, walk.queued_count, INFINITY);
    TAILQ_FOREACH (bound, &control->limits.registry.bounds, link) {
        sample_bound(control, bound);
    }
    sweep(&control->limits.drift);
}

static bool begin(struct control *control)
{
    struct drift_watch *watch = &control->limits.drift;
    uint64_t interval_ms = control->generations.settings->admin.drift_interval_ms;
    const struct timeval interval = {(time_t)(interval_ms / 1000),
                                     (suseconds_t)(interval_ms % 1000 * 1000)};
    drift_book_free(&watch->book);
    watch->book = drift_book_create(interval_ms);
    watch->sampled_ms = 0;
    if (watch->book == NULL || event_add(watch->timer, &interval) != 0) {
        log_error(control->log, "drift: no memory: nothing is watched");
        event_del(watch->timer);
        drift_book_free(&watch->book);
        return false;
    }
    return true;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    struct drift_watch *watch = &control->limits.drift;
    uint64_t now_ms = control_now_ms();
    (void)fd;
    (void)what;
    if (control->generations.settings->admin.drift_interval_ms !=
            drift_book_interval_ms(watch->book) &&
        !begin(control)) {
        return;
    }
    uint64_t tick = now_ms / drift_book_interval_ms(watch->book);
    if (tick == watch->tick) {
        return;
    }
    double elapsed_s = (double)(watch->sampled_ms != 0 ? now_ms - watch->sampled_ms : 1000) / 1e3;
    watch->tick = tick;
    take_samples(control, elapsed_s);
    watch->sampled_ms = now_ms;
}

bool drift_watch_start(struct control *control)
{
    struct drift_watch *watch = &control->limits.drift;
    watch->timer = event_new(control->loop.base, -1, EV_PERSIST, on_tick, control);
    return watch->timer != NULL && begin(control);
}

void drift_watch_free(struct control *control)
{
    struct drift_watch *watch = &control->limits.drift;
    if (watch->timer != NULL) {
        event_free(watch->timer);
        watch->timer = NULL;
    }
    drift_book_free(&watch->book);
}
