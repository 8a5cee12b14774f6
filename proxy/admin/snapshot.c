/* The parts of a snapshot. */
#include "proxy/admin/snapshot.h"

#include "config.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/admin/drift_view.h"
#include "proxy/admin/status.h"
#include "proxy/admin/upstreams_view.h"
#include "proxy/client/client_census.h"
#include "steady/budget.h"
#include "steady/hash.h"

/* Users that are named for each bound. */
#define TOP_SHOWN 10

/* ---- workers ---- */

static const char *thread_state_words(char state)
{
    static const struct {
        char state;
        const char *words;
    } rows[] = {{'R', "running"},
                {'S', "sleeping"},
                {'D', "waiting for a disk"},
                {'T', "stopped"},
                {'t', "stopped"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].state == state) {
            return rows[i].words;
        }
    }
    return NULL;
}

static void write_census(struct json *json, const struct census *census)
{
    json_uint(json, "clients", census->clients_count);
    json_uint(json, "clients_idle", census->idle_count);
    json_uint(json, "clients_overlooked", census->overlooked_count);
    json_uint(json, "streams", census->streams_count);
    json_uint(json, "exchanges", census->exchanges_count);
    json_open(json, "stages", '{');
    for (unsigned i = 0; i < EXCHANGE_STAGES_COUNT; i++) {
        if (census->stages[i] > 0) {
            json_uint(json, exchange_stage_name((enum exchange_stage)i), census->stages[i]);
        }
    }
    json_close(json, '}');
    json_open(json, "waits", '{');
    for (unsigned i = 0; i < sizeof census->waits / sizeof census->waits[0]; i++) {
        if (census->waits[i] > 0) {
            json_uint(json, exchange_wait_name((enum exchange_wait)i), census->waits[i]);
        }
    }
    json_close(json, '}');
}

static void write_workers(struct json *json, const struct snapshot *snapshot)
{
    json_open(json, "workers", '[');
    for (unsigned i = 0; i < snapshot->worker_count; i++) {
        const struct snapshot_worker *worker = &snapshot->workers[i];
        json_open(json, NULL, '{');
        json_uint(json, "worker", i);
        json_bool(json, "stuck", worker->census == NULL);
        json_time(json, "last_heartbeat", worker->heartbeat_wall_ms);
        json_number(json, "silence_s", (double)worker->silence_ms / 1000);
        json_text(json, "thread", thread_state_words(worker->thread_state));
        if (worker->census != NULL) {
            write_census(json, worker->census);
        }
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* ---- the oldest exchanges ---- */

/* Of all workers the one that began first, of those at `next` in each; NULL: there is no further one. */
static const struct exchange_sample *take_oldest(const struct snapshot *snapshot, unsigned *next)
{
    const struct exchange_sample *oldest = NULL;
    unsigned whose = 0;
    for (unsigned i = 0; i < snapshot->worker_count; i++) {
        const struct census *census = snapshot->workers[i].census;
        if (census == NULL || next[i] == census->oldest_count) {
            continue;
        }
        const struct exchange_sample *first = &census->oldest[next[i]];
        if (oldest == NULL || first->started_us < oldest->started_us) {
            oldest = first;
            whose = i;
        }
    }
    next[whose] += oldest != NULL;
    return oldest;
}

static void write_name(struct json *json, const char *key, const char *name)
{
    json_text(json, key, name[0] != '\0' ? name : NULL);
}

static void write_sample(struct json *json, const struct exchange_sample *sample)
{
    json_open(json, NULL, '{');
    json_number(json, "age_s", (double)sample->age_ms / 1000);
    json_text(json, "stage", exchange_stage_name(sample->stage));
    json_text(json, "waits_for", exchange_wait_name(sample->wait));
    json_text(json, "words", exchange_wait_words(sample->wait));
    json_number(json, "waits_s", (double)sample->waits_ms / 1000);
    if (sample->deadline_left_ms >= 0) {
        json_number(json, "deadline_left_s", (double)sample->deadline_left_ms / 1000);
    }
    json_text(json, "client", sample->client);
    json_text(json, "protocol", sample->protocol);
    json_text(json, "method", sample->method);
    json_text(json, "path", sample->path);
    write_name(json, "request_id", sample->request_id);
    json_text(json, "listener", sample->listener);
    write_name(json, "route", sample->route);
    write_name(json, "upstream", sample->upstream);
    write_name(json, "endpoint", sample->endpoint);
    json_uint(json, "worker", sample->worker);
    json_uint(json, "attempts", sample->attempts_count);
    json_uint(json, "status", sample->status);
    json_uint(json, "request_bytes", sample->request_bytes);
    json_uint(json, "response_bytes", sample->response_bytes);
    json_close(json, '}');
}

static void write_oldest(struct json *json, const struct snapshot *snapshot)
{
    unsigned *next = calloc(snapshot->worker_count + 1U, sizeof *next);
    const struct exchange_sample *sample;
    json_open(json, "exchanges", '[');
    for (unsigned i = 0;
         next != NULL && i < CENSUS_EXCHANGES && (sample = take_oldest(snapshot, next)) != NULL;
         i++) {
        write_sample(json, sample);
    }
    json_close(json, ']');
    free(next);
}

/* ---- who uses most ---- */

static void write_top(struct json *json, const char *bound, const char *by, struct top_users *top)
{
    if (top->count == 0) {
        return;
    }
    top_users_sort(top);
    json_open(json, NULL, '{');
    json_text(json, "bound", bound);
    json_text(json, "by", by);
    json_open(json, "users", '[');
    for (unsigned i = 0; i < top->count && i < TOP_SHOWN; i++) {
        json_open(json, NULL, '{');
        json_text(json, "who", top->items[i].of);
        json_uint(json, "used", top->items[i].amount);
        json_uint(json, "error", top->items[i].error);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void write_census_tops(struct json *json, const struct snapshot *snapshot)
{
    static const struct {
        const char *bound, *by;
    } rows[CENSUS_TOP_COUNT] = {
#define X(id, bound, by, words) [id] = {bound, by},
        CENSUS_TOPS(X)
#undef X
    };
    for (unsigned which = 0; which < CENSUS_TOP_COUNT; which++) {
        struct top_users top = {.count = 0};
        for (unsigned i = 0; i < snapshot->worker_count; i++) {
            const struct census *census = snapshot->workers[i].census;
            for (unsigned j = 0; census != NULL && j < census->tops[which].count; j++) {
                const struct census_user *user = &census->tops[which].users[j];
                top_users_add(&top, hash_bytes(0, user->who, strlen(user->who)), user->who,
                              user->used);
            }
        }
        write_top(json, rows[which].bound, rows[which].by, &top);
    }
}

static bool is_first_of_its_name(const struct bound_registry *registry, const struct bound *bound)
{
    const struct bound *other;
    TAILQ_FOREACH (other, &registry->bounds, link) {
        if (strcmp(other->name, bound->name) == 0) {
            return other == bound;
        }
    }
    return false;
}

/* Bounds of one name that several upstreams or shards have, each its own. */
static void write_bound_tops(struct json *json, const struct bound_registry *registry)
{
    const struct bound *first, *bound;
    TAILQ_FOREACH (first, &registry->bounds, link) {
        struct top_users top = {.count = 0};
        if (first->detail == NULL || !is_first_of_its_name(registry, first)) {
            continue;
        }
        TAILQ_FOREACH (bound, &registry->bounds, link) {
            if (bound->detail != NULL && bound_used(bound) > 0 &&
                strcmp(bound->name, first->name) == 0) {
                top_users_add(&top, (uint64_t)(uintptr_t)bound, bound->detail, bound_used(bound));
            }
        }
        write_top(json, first->name, "detail", &top);
    }
}

/* ---- memory ---- */

static void write_memory(struct json *json, const struct overview *overview)
{
    json_open(json, "memory", '{');
    json_uint(json, "resident_bytes", budget_resident_bytes(""));
    json_uint(json, "budget_bytes", overview->memory_budget_bytes);
    json_open(json, "allocator", '{');
#if HAVE_MALLINFO2
    const struct mallinfo2 info = mallinfo2();
    json_uint(json, "arena_bytes", info.arena);
    json_uint(json, "mapped_bytes", info.hblkhd);
    json_uint(json, "mapped_count", info.hblks);
    json_uint(json, "used_bytes", info.uordblks);
    json_uint(json, "free_bytes", info.fordblks);
    json_uint(json, "free_chunks", info.ordblks);
    json_uint(json, "trimmable_bytes", info.keepcost);
#endif
    json_close(json, '}');
    json_close(json, '}');
}

/* ---- the page ---- */

void snapshot_write(struct evbuffer *out, const struct snapshot *snapshot,
                    const struct overview *overview)
{
    struct json json = {.out = out};
    bool complete = true;
    for (unsigned i = 0; i < snapshot->worker_count; i++) {
        complete = complete && snapshot->workers[i].census != NULL;
    }
    json_open(&json, NULL, '{');
    json_open(&json, "snapshot", '{');
    json_text(&json, "version", overview->version);
    json_uint(&json, "pid", (uint64_t)getpid());
    json_time(&json, "taken", snapshot->taken_wall_ms);
    json_uint(&json, "took_ms", snapshot->took_ms);
    json_bool(&json, "complete", complete);
    json_close(&json, '}');
    write_workers(&json, snapshot);
    write_oldest(&json, snapshot);
    json_open(&json, "top_users", '[');
    write_census_tops(&json, snapshot);
    write_bound_tops(&json, overview->registry);
    json_close(&json, ']');
    write_memory(&json, overview);
}

const struct page_member snapshot_members[] = {{"status", status_page},
                                               {"resources", resources_page},
                                               {"drift", drift_page},
                                               {"upstreams", upstreams_page},
                                               {NULL, NULL}};
