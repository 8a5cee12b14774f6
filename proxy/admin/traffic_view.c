/* The traffic in JSON: routes are added up in slices, then written. */
#include "proxy/admin/traffic_view.h"

#include <stddef.h>

#include "proxy/admin/json.h"
#include "steady/loop_clock.h"

static void add_route(struct page_traffic *sum, const struct route_stats *stats)
{
    for (size_t class = 0; class < STATUS_CLASS_COUNT; class ++) {
        sum->by_class[class] += stat_read(&stats->by_class[class]);
    }
    histogram_add(&sum->duration_us, &stats->duration_us);
}

static bool add_unrouted(struct page *page)
{
    const struct overview *overview = page->overview;
    page->traffic = (struct page_traffic){.duration_us.sum = 0};
    for (unsigned i = 0; i < overview->worker_count; i++) {
        add_route(&page->traffic, &overview->workers[i]->no_route);
    }
    return true;
}

static bool add_routes(struct page *page)
{
    const struct overview *overview = page->overview;
    bool time = true;
    for (; page->cursor < overview->route_count && time; time = page_has_time(page)) {
        const struct route_figures *route = &overview->routes[page->cursor++];
        for (unsigned i = 0; i < overview->worker_count; i++) {
            add_route(&page->traffic, &route->by_worker[i]);
        }
    }
    return page->cursor >= overview->route_count;
}

static void write_responses(struct json *json, const uint64_t by_class[STATUS_CLASS_COUNT])
{
    static const char *const classes[] = {ENUM_NAMES(STATUS_CLASSES)};
    json_open(json, "responses", '{');
    for (size_t class = 0; class < STATUS_CLASS_COUNT; class ++) {
        json_uint(json, classes[class], by_class[class]);
    }
    json_close(json, '}');
}

/* Pairs of the last value of a bucket and its count; without buckets that are empty. */
static void write_durations(struct json *json, const struct histogram *histogram)
{
    json_open(json, "duration_us", '[');
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] > 0) {
            json_open(json, NULL, '[');
            json_uint(json, NULL, histogram_bucket_end(i));
            json_uint(json, NULL, histogram->counts[i]);
            json_close(json, ']');
        }
    }
    json_close(json, ']');
}

static const struct {
    const char *key;
    size_t at; /* in struct worker_stats */
} figures[] = {
    {"requests", offsetof(struct worker_stats, exchanges_started)},
    {"finished", offsetof(struct worker_stats, exchanges_finished)},
    {"attempts", offsetof(struct worker_stats, attempts)},
    {"clients_accepted", offsetof(struct worker_stats, clients_accepted)},
    {"clients_open", offsetof(struct worker_stats, clients_open)},
    {"clients_idle", offsetof(struct worker_stats, clients_idle)},
    {"tunnels_open", offsetof(struct worker_stats, tunnels_open)},
    {"client_received_bytes", offsetof(struct worker_stats, client_bytes_in)},
    {"client_sent_bytes", offsetof(struct worker_stats, client_bytes_out)},
};

static bool write_traffic(struct page *page)
{
    struct json *json = &page->json;
    json_open(json, NULL, '{');
    json_uint(json, "now_ms", loop_clock_ms(&(struct loop_clock){0}));
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        json_uint(json, figures[i].key, overview_sum(page->overview, figures[i].at));
    }
    write_responses(json, page->traffic.by_class);
    write_durations(json, &page->traffic.duration_us);
    json_close(json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const traffic_page[] = {add_unrouted, add_routes, write_traffic, NULL};
