/*
 * Replicas that share rates by a real store, in simulated time: the script, the decisions and the leases are the program's own, only the
 * clock is ours, so that the figures do not depend on how fast this machine is. tests/bench/fleet starts the store and prints the table.
 *
 * Usage: fleet_sim PORT REPLICAS KEYS SECONDS. Writes one JSON object.
 */
#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/rate_lease.h"
#include "proxy/fleet/rate_script.h"
#include "steady/hash.h"
#include "steady/rng.h"

#define STEP_MS 10
#define WINDOW_MS 500
#define WINDOWS_MOST 1000
/* Until then the requests are not judged by which each replica first meets a key, and what they are ahead of the rate. */
#define WARM_MS 6000
#define BATCH 256
#define MS_US UINT64_C(1000)

/* Of each key; some keys are in demand for more, at so many replicas. */
#define KEY_PER_SECOND 10.0
#define HOT_KEYS 200
#define HOT_REPLICAS 20
#define HOT_DEMAND (3 * KEY_PER_SECOND)
/* Of a route, for each replica, and how much more is asked for. */
#define ROUTE_PER_SECOND_EACH 10.0
#define ROUTE_DEMAND 3.0
/* When half of the replicas are cut off, in parts of the whole time. */
#define CUT_OFF_FROM 0.5
#define CUT_OFF_MS 3000

enum limit_kind { LIMIT_ROUTE, LIMIT_KEYS, LIMITS };

struct limit {
    struct rate_leases *leases;
    struct rate_entry entries[BATCH];
    size_t entry_count;
    uint64_t ask_ms;
};

struct replica {
    struct limit limits[LIMITS];
    double route_demand, route_owed;
};

struct sim {
    redisContext *store;
    struct rates_space *space;
    struct replica *replicas;
    size_t replica_count, key_count;
    uint64_t start_ms, now_ms, span_ms;
    struct rate_lease_terms terms[LIMITS];
    struct rng rng;
    char *script;
    double hot_owed[HOT_KEYS], cold_owed;
    unsigned route_windows[WINDOWS_MOST], hot_windows[HOT_KEYS][WINDOWS_MOST];
    uint64_t cold_offered, cold_admitted, questions, entries;
};

static void fail(const char *what)
{
    fprintf(stderr, "fleet_sim: %s\n", what);
    exit(1);
}

/* The text with `from` replaced by `to`, which must be in it. */
static char *replaced(char *text, const char *from, const char *to)
{
    char *at = strstr(text, from), *result;
    if (at == NULL ||
        asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) < 0) {
        fail("the script is another");
        abort();
    }
    free(text);
    return result;
}

/* The program's script with the time as its last argument; values live long enough for a simulation that is slower than the time. */
static char *script_of_ours(void)
{
    char *text = replaced(strdup(rate_script()), "redis.call('TIME')", "ARGV[#ARGV]");
    text = replaced(text, "t[1] * 1000000 + t[2]", "tonumber(t)");
    return replaced(text, "math.max(math.ceil((full - now) / 1000), 1)",
                    "1000 * math.max(math.ceil((full - now) / 1000), 1)");
}

static unsigned window_of(const struct sim *sim)
{
    return (unsigned)((sim->now_ms - sim->start_ms) / WINDOW_MS);
}

static bool is_cut_off(const struct sim *sim, size_t number)
{
    uint64_t from_ms = sim->start_ms + (uint64_t)(CUT_OFF_FROM * (double)sim->span_ms);
    return number % 2 == 1 && sim->now_ms >= from_ms && sim->now_ms < from_ms + CUT_OFF_MS;
}

/* ---- the talk with the store ---- */

struct visit {
    struct sim *sim;
    struct limit *limit;
    enum limit_kind kind;
    bool says;
};

static enum rate_lease_visit look_at(struct rate_lease *lease, void *owner)
{
    const struct visit *visit = owner;
    struct limit *limit = visit->limit;
    bool busy;
    if (limit->entry_count == BATCH) {
        return RATE_LEASE_LATER;
    }
    const struct rate_lease_seen seen =
        rate_lease_look(limit->leases, lease, visit->sim->now_ms * MS_US);
    struct rate_lease_word word = rate_lease_decide(&visit->sim->terms[visit->kind], &lease->memory,
                                                    &seen, (uint32_t)visit->sim->now_ms, &busy);
    word.back_count = visit->says ? rate_lease_take_back(lease, word.back_count) : 0;
    if (visit->says && word.used_count + word.back_count + word.want_count > 0) {
        limit->entries[limit->entry_count++] = (struct rate_entry){lease, lease->memory.key, word};
    }
    return busy ? RATE_LEASE_BUSY : RATE_LEASE_IDLE;
}

static void send_question(struct sim *sim, struct limit *limit, enum limit_kind kind)
{
    static const struct seal_key key = {{7}};
    const char *argv[8 + 3 * BATCH];
    size_t lengths[8 + 3 * BATCH], count;
    const struct store_word *words;
    char now_us[32];
    const struct rate_question question = {.command = "EVALSHA",
                                           .script = sim->script,
                                           .prefix = "evenkeel:1:{bench}:rate:",
                                           .limit_name = kind == LIMIT_ROUTE ? "route" : "keys",
                                           .key = &key,
                                           .terms = &sim->terms[kind],
                                           .entries = limit->entries,
                                           .entry_count = limit->entry_count};
    if (!rate_question_make(sim->space, &question, &words, &count)) {
        fail("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        argv[i] = words[i].bytes;
        lengths[i] = words[i].length;
    }
    snprintf(now_us, sizeof now_us, "%llu", (unsigned long long)sim->now_ms * MS_US);
    argv[count] = now_us;
    lengths[count] = strlen(now_us);
    redisAppendCommandArgv(sim->store, (int)count + 1, argv, lengths);
    sim->questions++;
    sim->entries += limit->entry_count;
}

static void take_answer(struct sim *sim, struct limit *limit)
{
    redisReply *reply;
    if (redisGetReply(sim->store, (void **)&reply) != REDIS_OK ||
        reply->type != REDIS_REPLY_ARRAY || reply->elements != limit->entry_count) {
        fail("the store does not answer");
        abort();
    }
    for (size_t i = 0; i < limit->entry_count; i++) {
        const struct rate_entry *entry = &limit->entries[i];
        if (entry->lease->memory.key == entry->key) {
            rate_lease_lend(entry->lease, entry->key,
                            rate_lease_answer(&entry->lease->memory, entry->word.want_count,
                                              reply->element[i]->integer, (uint32_t)sim->now_ms));
        }
    }
    limit->entry_count = 0;
    freeReplyObject(reply);
}

/* All whose turn it is in this step ask at once, in one pipeline. */
static void ask(struct sim *sim)
{
    for (size_t i = 0; i < sim->replica_count; i++) {
        for (enum limit_kind kind = 0; kind < LIMITS; kind++) {
            struct limit *limit = &sim->replicas[i].limits[kind];
            if (sim->now_ms < limit->ask_ms) {
                continue;
            }
            struct visit visit = {sim, limit, kind, !is_cut_off(sim, i)};
            limit->ask_ms = sim->now_ms + RATE_LEASE_PERIOD_MS + rng_below(&sim->rng, 21);
            (void)rate_leases_visit(limit->leases, look_at, &visit);
            if (limit->entry_count > 0) {
                send_question(sim, limit, kind);
            }
        }
    }
    for (size_t i = 0; i < sim->replica_count; i++) {
        for (enum limit_kind kind = 0; kind < LIMITS; kind++) {
            if (sim->replicas[i].limits[kind].entry_count > 0) {
                take_answer(sim, &sim->replicas[i].limits[kind]);
            }
        }
    }
}

/* ---- requests ---- */

static bool request(struct sim *sim, size_t replica, enum limit_kind kind, uint64_t key)
{
    uint64_t wait_ms;
    return rate_leases_take(sim->replicas[replica].limits[kind].leases, key, false,
                            sim->now_ms * MS_US, &wait_ms);
}

static uint64_t hash_of(uint64_t key)
{
    return hash_bytes(7, &key, sizeof key);
}

/* One request of those that are owed, if that is a whole one. */
static bool take_whole(double *owed)
{
    bool whole = *owed >= 1;
    *owed -= whole ? 1 : 0;
    return whole;
}

static void offer(struct sim *sim)
{
    double step_s = STEP_MS / 1e3;
    unsigned window = window_of(sim);
    for (size_t i = 0; i < sim->replica_count; i++) {
        struct replica *replica = &sim->replicas[i];
        replica->route_owed += replica->route_demand * step_s;
        while (take_whole(&replica->route_owed)) {
            sim->route_windows[window] += request(sim, i, LIMIT_ROUTE, RATE_LEASES_NUMBER(0));
        }
    }
    for (uint64_t key = 0; key < HOT_KEYS; key++) {
        sim->hot_owed[key] += HOT_DEMAND * step_s;
        while (take_whole(&sim->hot_owed[key])) {
            /* the first of its replicas gets half of it */
            uint64_t at = rng_below(&sim->rng, 2) * rng_below(&sim->rng, HOT_REPLICAS);
            size_t replica = (size_t)((key * HOT_REPLICAS + at) % sim->replica_count);
            sim->hot_windows[key][window] += request(sim, replica, LIMIT_KEYS, hash_of(key));
        }
    }
    double cold_per_second = (double)sim->key_count * 1e3 / (double)sim->span_ms;
    sim->cold_owed += cold_per_second * step_s;
    while (take_whole(&sim->cold_owed)) {
        uint64_t key = HOT_KEYS + sim->cold_offered++;
        sim->cold_admitted += request(sim, (size_t)rng_below(&sim->rng, sim->replica_count),
                                      LIMIT_KEYS, hash_of(key));
    }
}

/* ---- its life ---- */

static void begin_replica(struct sim *sim, struct replica *replica, double route_demand)
{
    static const size_t rooms[LIMITS] = {[LIMIT_ROUTE] = 1, [LIMIT_KEYS] = 2048};
    replica->route_demand = route_demand;
    for (enum limit_kind kind = 0; kind < LIMITS; kind++) {
        const struct rate_settings whole = {.per_second = sim->terms[kind].per_second};
        const struct rate_settings share = rate_lease_share(&whole, sim->terms[kind].replica_count);
        const struct token_rate rate = token_rate(&share);
        replica->limits[kind].leases = rate_leases_create(rooms[kind], &rate);
        replica->limits[kind].ask_ms = sim->now_ms + rng_below(&sim->rng, RATE_LEASE_PERIOD_MS);
        if (replica->limits[kind].leases == NULL) {
            fail("no memory");
        }
    }
}

static void begin(struct sim *sim)
{
    double route = ROUTE_PER_SECOND_EACH * (double)sim->replica_count;
    redisReply *reply;
    sim->terms[LIMIT_ROUTE] = (struct rate_lease_terms){route, 0, (unsigned)sim->replica_count};
    sim->terms[LIMIT_KEYS] =
        (struct rate_lease_terms){KEY_PER_SECOND, 0, (unsigned)sim->replica_count};
    sim->start_ms = sim->now_ms = 1000000;
    rng_init(&sim->rng, 7);
    sim->space = rates_space_create(BATCH);
    sim->replicas = calloc(sim->replica_count, sizeof *sim->replicas);
    char *text = script_of_ours();
    reply = redisCommand(sim->store, "SCRIPT LOAD %s", text);
    free(text);
    if (sim->space == NULL || sim->replicas == NULL || reply == NULL ||
        reply->type != REDIS_REPLY_STRING) {
        fail("the script is refused");
        abort();
    }
    sim->script = strdup(reply->str);
    freeReplyObject(reply);
    /* the demand of a route falls with the number of the replica: the first has twice the mean, the last nothing */
    for (size_t i = 0; i < sim->replica_count; i++) {
        double part = 2.0 * (double)(sim->replica_count - i) / (double)(sim->replica_count + 1);
        begin_replica(sim, &sim->replicas[i], ROUTE_DEMAND * ROUTE_PER_SECOND_EACH * part);
    }
}

static void end(struct sim *sim)
{
    for (size_t i = 0; i < sim->replica_count; i++) {
        for (enum limit_kind kind = 0; kind < LIMITS; kind++) {
            rate_leases_free(&sim->replicas[i].limits[kind].leases);
        }
    }
    rates_space_free(&sim->space);
    redisFree(sim->store);
    free(sim->replicas);
    free(sim->script);
}

/* ---- figures ---- */

static double mean_of(const unsigned *windows, unsigned from, unsigned until)
{
    double sum = 0;
    for (unsigned i = from; i < until; i++) {
        sum += windows[i];
    }
    return sum * 1e3 / ((until - from) * (double)WINDOW_MS);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Milliseconds after the partition until the route's rate stays within a twentieth. */
static unsigned converged_ms(const struct sim *sim, unsigned back, unsigned until)
{
    unsigned last = back;
    for (unsigned i = back; i < until; i++) {
        double error = mean_of(sim->route_windows, i, i + 1) / sim->terms[LIMIT_ROUTE].per_second;
        last = fabs(error - 1) > 0.05 ? i + 1 : last;
    }
    return (last - back) * WINDOW_MS;
}

static void write_figures(const struct sim *sim)
{
    unsigned windows = window_of(sim), warm = WARM_MS / WINDOW_MS;
    unsigned cut = (unsigned)(CUT_OFF_FROM * windows), back = cut + CUT_OFF_MS / WINDOW_MS;
    double errors[HOT_KEYS], route = sim->terms[LIMIT_ROUTE].per_second, worst = 0;
    double seconds = (double)sim->span_ms / 1e3;
    for (size_t key = 0; key < HOT_KEYS; key++) {
        errors[key] = fabs(mean_of(sim->hot_windows[key], warm, cut) / KEY_PER_SECOND - 1);
    }
    qsort(errors, HOT_KEYS, sizeof errors[0], by_size);
    for (unsigned i = warm; i < cut; i++) {
        double error = fabs(mean_of(sim->route_windows, i, i + 1) / route - 1);
        worst = error > worst ? error : worst;
    }
    printf("{\"route_error\": %.4f, \"route_error_worst_window\": %.4f, \"key_error_p50\": %.4f, "
           "\"key_error_p99\": %.4f, \"cut_off_route\": %.4f, \"converged_ms\": %u, "
           "\"cold_refused\": %llu, \"cold\": %llu, \"questions_per_s\": %.0f, "
           "\"keys_per_s\": %.0f}\n",
           mean_of(sim->route_windows, warm, cut) / route - 1, worst, errors[HOT_KEYS / 2],
           errors[HOT_KEYS * 99 / 100], mean_of(sim->route_windows, cut, back) / route,
           converged_ms(sim, back, windows),
           (unsigned long long)(sim->cold_offered - sim->cold_admitted),
           (unsigned long long)sim->cold_offered, (double)sim->questions / seconds,
           (double)sim->entries / seconds);
}

int main(int argc, char **argv)
{
    static struct sim sim;
    if (argc != 5) {
        fail("usage: fleet_sim PORT REPLICAS KEYS SECONDS");
    }
    sim.store = redisConnect("127.0.0.1", (int)strtol(argv[1], NULL, 10));
    sim.replica_count = strtoul(argv[2], NULL, 10);
    sim.key_count = strtoul(argv[3], NULL, 10);
    sim.span_ms = 1000 * strtoull(argv[4], NULL, 10);
    if (sim.store == NULL || sim.store->err != 0 || sim.replica_count == 0 || sim.span_ms == 0 ||
        sim.span_ms / WINDOW_MS >= WINDOWS_MOST) {
        fail("no store, or a number that is no good");
    }
    begin(&sim);
    for (; sim.now_ms < sim.start_ms + sim.span_ms; sim.now_ms += STEP_MS) {
        offer(&sim);
        ask(&sim);
    }
    write_figures(&sim);
    end(&sim);
    return 0;
}
