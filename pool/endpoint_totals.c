/* Adds up figures by the text of the endpoint. */
#include "pool/endpoint_totals.h"

#include <stdlib.h>
#include <string.h>

#include "pool/endpoint.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "pool/traffic.h"
#include "steady/fault.h"

/* Highest number of texts of an upstream that are remembered; more would take that many edits of its settings. */
#define DEPARTED_MOST 1024

struct departed {
    SLIST_ENTRY(departed) link;
    struct endpoint_figures counted;
    struct endpoint_traffic traffic;
    char text[];
};

static void add_counters(struct endpoint_figures *sum, const struct endpoint_figures *more)
{
#define X(id) sum->id += more->id;
    ENDPOINT_COUNTERS(X)
#undef X
    for (size_t i = 0; i < LEASE_CLOSE_REASON_COUNT; i++) {
        sum->closed[i] += more->closed[i];
    }
}

static void add_gauges(struct endpoint_figures *sum, const struct endpoint_figures *more)
{
#define X(id) sum->id += more->id;
    ENDPOINT_GAUGES(X)
#undef X
    if (more->latency_us > sum->latency_us) {
        sum->latency_us = more->latency_us;
    }
    if (more->failed_cause != NULL &&
        (sum->failed_cause == NULL || more->failed_ago_ms < sum->failed_ago_ms)) {
        sum->failed_cause = more->failed_cause;
        sum->failed_ago_ms = more->failed_ago_ms;
        sum->failed_status = more->failed_status;
    }
    if (more->certificate_expires_s != 0 &&
        (sum->certificate_expires_s == 0 ||
         more->certificate_expires_s < sum->certificate_expires_s)) {
        sum->certificate_expires_s = more->certificate_expires_s;
    }
    if (more->learned_idle_ms != 0 &&
        (sum->learned_idle_ms == 0 || more->learned_idle_ms < sum->learned_idle_ms)) {
        sum->learned_idle_ms = more->learned_idle_ms;
    }
}

/* NULL: there is none, and no room or memory for one. */
static struct departed *find_departed(struct upstream_private *own, const char *text, bool create)
{
    struct departed *departed;
    size_t count = 0, text_bytes = strlen(text) + 1;
    SLIST_FOREACH (departed, &own->departed, link) {
        if (strcmp(departed->text, text) == 0) {
            return departed;
        }
        count++;
    }
    if (!create || count == DEPARTED_MOST) {
        return NULL;
    }
    departed = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *departed + text_bytes);
    if (departed == NULL) {
        return NULL;
    }
    memcpy(departed->text, text, text_bytes);
    SLIST_INSERT_HEAD(&own->departed, departed, link);
    return departed;
}

void endpoint_totals_keep(struct upstream_private *own, const struct endpoint *endpoint)
{
    const struct endpoint_figures figures = endpoint_figures(endpoint);
    struct departed *departed = find_departed(own, endpoint->names.text, true);
    if (departed != NULL) {
        add_counters(&departed->counted, &figures);
        endpoint_traffic(endpoint, &departed->traffic);
    }
}

void endpoint_totals_forget(struct upstream_private *own)
{
    struct departed *departed;
    while ((departed = SLIST_FIRST(&own->departed)) != NULL) {
        SLIST_REMOVE_HEAD(&own->departed, link);
        free(departed);
    }
}

struct gathering {
    struct endpoint_figures *items;
    size_t count, space;
};

/* Without memory the remaining endpoints are left out. */
static void gather(struct gathering *gathering, const struct endpoint *endpoint)
{
    if (gathering->count == gathering->space) {
        size_t space = gathering->space == 0 ? 16 : 2 * gathering->space;
        struct endpoint_figures *items =
            fault_hits(FAULT_ALLOC) ? NULL : realloc(gathering->items, space * sizeof *items);
        if (items == NULL) {
            return;
        }
        gathering->items = items;
        gathering->space = space;
    }
    struct endpoint_figures *figures = &gathering->items[gathering->count++];
    *figures = endpoint_figures(endpoint);
    if (!endpoint->shown) {
        figures->address = NULL; /* it has left the settings, but is still in memory */
    }
}

/* Of one text, endpoints that are shown come first. */
static int by_text(const void *a, const void *b)
{
    const struct endpoint_figures *one = a, *other = b;
    int order = strcmp(one->text, other->text);
    return order != 0 ? order : (one->address == NULL) - (other->address == NULL);
}

static size_t merge(struct endpoint_figures *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool shown = items[i].address != NULL;
        if (kept > 0 && strcmp(items[kept - 1].text, items[i].text) == 0) {
            add_counters(&items[kept - 1], &items[i]);
            if (shown) {
                add_gauges(&items[kept - 1], &items[i]);
            }
        } else if (shown) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

size_t upstream_endpoint_totals(const struct upstream *upstream,
                                struct endpoint_figures **ret_entries)
{
    struct gathering gathering = {NULL, 0, 0};
    const struct endpoint *endpoint;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        gather(&gathering, endpoint);
    }
    if (gathering.count == 0) {
        return 0;
    }
    qsort(gathering.items, gathering.count, sizeof *gathering.items, by_text);
    gathering.count = merge(gathering.items, gathering.count);
    for (size_t i = 0; i < gathering.count; i++) {
        const struct departed *departed =
            find_departed(upstream->own, gathering.items[i].text, false);
        if (departed != NULL) {
            add_counters(&gathering.items[i], &departed->counted);
        }
    }
    *ret_entries = gathering.items;
    return gathering.count;
}

/* ---- traffic ---- */

static int endpoint_by_text(const void *a, const void *b)
{
    const struct endpoint *const *one = a, *const *other = b;
    return strcmp((*one)->names.text, (*other)->names.text);
}

/* The upstream's endpoints, in the order of their texts. NULL: none, or no memory. */
static const struct endpoint **endpoints_by_text(const struct upstream *upstream, size_t *ret_count)
{
    const struct endpoint *endpoint;
    size_t count = 0;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        count++;
    }
    const struct endpoint **sorted =
        count == 0 || fault_hits(FAULT_ALLOC) ? NULL : calloc(count, sizeof *sorted);
    if (sorted == NULL) {
        return NULL;
    }
    count = 0;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        sorted[count++] = endpoint;
    }
    qsort(sorted, count, sizeof *sorted, endpoint_by_text);
    *ret_count = count;
    return sorted;
}

void upstream_each_endpoint_traffic(const struct upstream *upstream,
                                    void (*each)(const char *text,
                                                 const struct endpoint_traffic *traffic,
                                                 void *owner),
                                    void *owner)
{
    size_t count = 0;
    const struct endpoint **sorted = endpoints_by_text(upstream, &count);
    for (size_t i = 0, end; sorted != NULL && i < count; i = end) {
        const char *text = sorted[i]->names.text;
        const struct departed *departed = find_departed(upstream->own, text, false);
        struct endpoint_traffic sum = {.by_class = {0}};
        bool shown = false;
        for (end = i; end < count && strcmp(sorted[end]->names.text, text) == 0; end++) {
            endpoint_traffic(sorted[end], &sum);
            shown = shown || sorted[end]->shown;
        }
        if (departed != NULL) {
            endpoint_traffic_add(&sum, &departed->traffic);
        }
        if (shown) {
            each(text, &sum, owner);
        }
    }
    free(sorted);
}
