/* Drift in JSON. */
#include "proxy/admin/drift_view.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "proxy/admin/drift_book.h"
#include "proxy/admin/json.h"

#define S_PER_HOUR 3600.0

static double tick_s(const struct drift_book *book)
{
    return (double)drift_book_interval_ms(book) / 1e3;
}

/* JSON has no infinity: null. */
static void write_finite(struct json *json, const char *key, double value)
{
    if (isfinite(value)) {
        json_number(json, key, value);
    } else {
        json_text(json, key, NULL);
    }
}

static void write_estimate(struct json *json, const struct drift_book *book,
                           const struct drift_item *item)
{
    const struct drift_estimate estimate = drift_book_estimate(book, item);
    write_finite(json, "slope_per_hour", estimate.slope * S_PER_HOUR / tick_s(book));
    write_finite(json, "left_s", estimate.left_ticks * tick_s(book));
}

void drift_write_bound(struct json *json, const struct drift_book *book, const struct bound *bound)
{
    const struct drift_item *item =
        book != NULL ? drift_book_find(book, drift_key_of_bound(bound)) : NULL;
    if (item == NULL) {
        json_text(json, "drift", NULL);
        json_text(json, "slope_per_hour", NULL);
        json_text(json, "left_s", NULL);
        return;
    }
    json_text(json, "drift", drift_state_name(item->drift.state));
    write_estimate(json, book, item);
}

/* ---- /drift ---- */

/* Seconds ago; null: never. */
static void write_ago(struct json *json, const char *key, uint64_t wall_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (wall_ms == 0) {
        json_text(json, key, NULL);
    } else {
        json_number(json, key, (double)now.tv_sec - (double)wall_ms / 1e3);
    }
}

/* Whether there was a change: the first question of every incident. */
static void write_changes(struct json *json, const struct overview *overview)
{
    json_open(json, "changes", '{');
    write_ago(json, "started_s_ago", overview->started_wall_ms);
    write_ago(json, "reloaded_s_ago", overview->last_reload_wall_ms);
    write_ago(json, "upgraded_s_ago", overview->upgrade->took_over ? overview->started_wall_ms : 0);
    json_uint(json, "generation", overview->generation);
    json_text(json, "version", overview->version);
    json_close(json, '}');
}

static void write_figure(struct json *json, const struct drift_book *book,
                         const struct drift_item *item)
{
    double window_s =
        (double)(HISTORY_POINTS * history_step_ticks(item->drift.window)) * tick_s(book);
    uint64_t last_tick = item->history.last_tick, since_tick = item->drift.since_tick;
    json_open(json, NULL, '{');
    json_text(json, "figure", item->name);
    json_text(json, "unit", unit_of(item->name));
    json_text(json, "detail", item->detail[0] != '\0' ? item->detail : NULL);
    json_text(json, "state",
              item->follows == FOLLOWS_FULL ? "not judged" : drift_state_name(item->drift.state));
    write_finite(json, "now", (double)item->history.last);
    write_finite(json, "limit", item->limit);
    write_estimate(json, book, item);
    if (item->drift.state == DRIFT_DRIFTING) {
        json_number(json, "seen_over_s", window_s);
        json_number(json, "since_s", (double)(last_tick - since_tick) * tick_s(book));
    }
    json_close(json, '}');
}

static bool has_drift(const struct drift_book *book, enum resource resource)
{
    for (size_t i = 0; i < drift_book_count(book); i++) {
        const struct drift_item *item = drift_book_at(book, i);
        if (item->resource == resource && item->drift.state == DRIFT_DRIFTING) {
            return true;
        }
    }
    return false;
}

static void write_resource(struct json *json, const struct drift_book *book, enum resource resource)
{
    char page[64];
    snprintf(page, sizeof page, "docs/runbooks/%s.md", resource_name(resource));
    json_open(json, NULL, '{');
    json_text(json, "resource", resource_name(resource));
    json_bool(json, "drifts", has_drift(book, resource));
    json_text(json, "runbook", page);
    json_open(json, "figures", '[');
    for (size_t i = 0; i < drift_book_count(book); i++) {
        const struct drift_item *item = drift_book_at(book, i);
        if (item->resource == resource) {
            write_figure(json, book, item);
        }
    }
    json_close(json, ']');
    json_close(json, '}');
}

static bool open_drift(struct page *page)
{
    struct json *json = &page->json;
    const struct overview *overview = page->overview;
    json_open(json, NULL, '{');
    if (overview->drift != NULL) {
        json_number(json, "interval_s", tick_s(overview->drift));
        json_uint(json, "figures", drift_book_count(overview->drift));
        json_uint(json, "figures_most", DRIFT_ITEMS);
    }
    write_changes(json, overview);
    json_open(json, "resources", '[');
    return true;
}

static bool write_resources(struct page *page)
{
    bool time = true;
    if (page->overview->drift == NULL) {
        return true;
    }
    for (; page->cursor < RESOURCE_COUNT && time; time = page_has_time(page)) {
        write_resource(&page->json, page->overview->drift, (enum resource)page->cursor++);
    }
    return page->cursor >= RESOURCE_COUNT;
}

static bool close_drift(struct page *page)
{
    json_close(&page->json, ']');
    json_close(&page->json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const drift_page[] = {open_drift, write_resources, close_drift, NULL};
