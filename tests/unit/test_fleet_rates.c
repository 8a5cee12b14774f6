/* What a replica says to the store of a rate over the fleet, and when. The store is this test: it keeps the questions until they are
   answered, in a time of its own. */
#include "tests/unit/conf_rig.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/rate_lease.h"
#include "proxy/fleet/store_access.h"
#include "steady/loop_clock.h"
#include "tls/tickets.h"

#define PER_SECOND 100.0
#define REPLICAS 2
#define ASKED_MOST 16
#define MS_US UINT64_C(1000)
#define ROUTE RATE_LEASES_NUMBER(0)

/* A question about one key. */
struct question {
    store_answer_fn *answer;
    void *owner;
    bool by_name;            /* the script is named, not sent */
    long long spent, wanted; /* spent below 0: more is given back than was used */
};

struct store {
    struct question asked[ASKED_MOST];
    size_t asked_count;
    bool away;
};

struct bench {
    struct settings *settings;
    struct event_base *base;
    struct rng rng;
    struct bound_registry registry;
    struct log *log;
    struct tls_tickets *tickets;
    struct rate_settings whole;
    struct rate_leases *leases;
    struct fleet *fleet;
    struct store *store; /* the fleet's */
};

/* ---- in the place of steady/loop_clock.c and proxy/fleet/store.c ---- */

static uint64_t present_us;

uint64_t loop_clock_read(struct loop_clock *clock)
{
    loop_clock_set(clock, present_us);
    return present_us;
}

struct store_access {
    char none;
};

struct store *store_create(const struct store_env *env)
{
    struct store *store = calloc(1, sizeof *store);
    (void)env;
    return store;
}

void store_free(struct store **store)
{
    free(*store);
    *store = NULL;
}

bool store_access_load(struct tls_clients *tls, const struct fleet_settings *fleet,
                       struct store_access **ret_access, char *why, size_t why_bytes)
{
    (void)tls, (void)fleet, (void)why, (void)why_bytes;
    *ret_access = NULL;
    return true;
}

void store_access_free(struct store_access **access)
{
    *access = NULL;
}

void store_follow(struct store *store, struct settings *settings, struct store_access **access)
{
    (void)store, (void)settings, (void)access;
}

void store_housekeeping(struct store *store)
{
    (void)store;
}

void store_figures(const struct store *store, struct store_figures *ret_figures)
{
    *ret_figures =
        (struct store_figures){.state = store->away ? STORE_PAUSING : STORE_READY, .error = ""};
}

bool store_ask(struct store *store, const struct store_word *words, size_t count,
               store_answer_fn *answer, void *owner)
{
    if (store->away) {
        return false;
    }
    if (strncmp(words[0].bytes, "EVAL", 4) == 0) { /* else it is no question about rates */
        assert_true(store->asked_count < ASKED_MOST);
        store->asked[store->asked_count++] =
            (struct question){.answer = answer,
                              .owner = owner,
                              .by_name = strcmp(words[0].bytes, "EVALSHA") == 0,
                              .spent = atoll(words[count - 2].bytes),
                              .wanted = atoll(words[count - 1].bytes)};
    }
    return true;
}

/* ---- the replica ---- */

static char *key_file(void)
{
    static char path[64];
    int fd = memfd_create("fleet.key", 0);
    assert_true(fd >= 0 && fchmod(fd, 0600) == 0);
    assert_int_equal(write(fd, (uint8_t[SEAL_KEY_BYTES]){7}, SEAL_KEY_BYTES), SEAL_KEY_BYTES);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static void add_rate(struct bench *bench)
{
    const struct fleet_rate rate = {
        .route = "all", .leases = bench->leases, .whole = &bench->whole};
    fleet_rates_begin(bench->fleet);
    assert_true(fleet_rates_add(bench->fleet, &rate));
    fleet_rates_end(bench->fleet);
}

static void begin(struct bench *bench)
{
    char text[512], why[256];
    struct fleet_access *access;
    *bench = (struct bench){.whole = {.per_second = PER_SECOND}};
    snprintf(text, sizeof text,
             MINIMAL "log = { path = \"/dev/null\"; };\n"
                     "fleet = { store = [ \"127.0.0.1:1\" ]; key_file = \"%s\"; };\n",
             key_file());
    bench->settings = good(text);
    bench->base = event_base_new();
    rng_init(&bench->rng, 7);
    bound_registry_init(&bench->registry);
    assert_int_equal(log_create(&bench->settings->log, 1, &bench->registry, &bench->log), LOG_OK);
    present_us = 1000000 * MS_US;
    bench->tickets = tls_tickets_create(present_us / MS_US);
    const struct token_rate whole = token_rate(&bench->whole);
    bench->leases = rate_leases_create(1, &whole);
    const struct fleet_env env = {.store = {.base = bench->base, .rng = &bench->rng},
                                  .log = bench->log,
                                  .tickets = bench->tickets};
    bench->fleet = fleet_create(&env);
    assert_non_null(bench->fleet);
    assert_true(fleet_access_load(NULL, &bench->settings->fleet, &access, why, sizeof why));
    fleet_follow(bench->fleet, bench->settings, &access);
    bench->store = bench->fleet->store;
    rates_note_replicas(bench->fleet, REPLICAS);
    add_rate(bench);
}

static void end(struct bench *bench)
{
    fleet_free(&bench->fleet);
    rate_leases_free(&bench->leases);
    tls_tickets_free(&bench->tickets);
    log_free(&bench->log);
    event_base_free(bench->base);
    settings_put(&bench->settings);
}

/* The timer has run so many milliseconds after the last time. */
static void tick(struct bench *bench, unsigned span_ms)
{
    present_us += span_ms * MS_US;
    event_active(bench->fleet->rates.timer, EV_TIMEOUT, 1);
    event_base_loop(bench->base, EVLOOP_NONBLOCK);
}

/* So many requests at once; how many were admitted. */
static unsigned request(struct bench *bench, unsigned count)
{
    unsigned admitted = 0;
    uint64_t wait_ms;
    while (count-- > 0) {
        admitted += rate_leases_take(bench->leases, ROUTE, false, present_us, &wait_ms);
    }
    return admitted;
}

static const struct question *last(const struct bench *bench)
{
    assert_true(bench->store->asked_count > 0);
    return &bench->store->asked[bench->store->asked_count - 1];
}

/* Answers the oldest question. */
static void answer(struct bench *bench, const struct store_reply *reply)
{
    struct store *store = bench->store;
    assert_true(store->asked_count > 0);
    const struct question first = store->asked[0];
    memmove(store->asked, store->asked + 1, --store->asked_count * sizeof *store->asked);
    first.answer(reply, first.owner);
}

static void lend(struct bench *bench, long long number)
{
    struct store_reply item = {.kind = STORE_REPLY_NUMBER, .number = number};
    answer(bench, &(struct store_reply){.kind = STORE_REPLY_LIST, .items = &item, .count = 1});
}

static struct fleet_rate_figures figures(const struct bench *bench)
{
    struct fleet_rate_figures figures;
    assert_true(fleet_rate_figures(bench->fleet, 0, &figures));
    return figures;
}

/* The share of 50 a second holds five tokens; what a demand beyond it is lent, and how many that are. */
static unsigned borrow(struct bench *bench)
{
    tick(bench, 100);
    assert_int_equal(request(bench, 30), 5);
    tick(bench, 100);
    long long wanted = last(bench)->wanted;
    assert_in_range(wanted, 10, 20);
    lend(bench, wanted);
    return (unsigned)wanted;
}

/* ---- what is held ---- */

static void what_was_lent_is_given_back_when_the_process_ends(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    unsigned lent = borrow(&bench);
    unsigned admitted = request(&bench, 5 + 4); /* what the share has again, and four of it */
    assert_int_equal(admitted, 9);
    fleet_leave(bench.fleet);
    assert_int_equal(bench.store->asked_count, 1);
    assert_int_equal(last(&bench)->wanted, 0);
    assert_int_equal(last(&bench)->spent, 5 - (long long)(lent - 4));
    assert_int_equal(figures(&bench).returned_count, lent - 4);
    assert_int_equal(request(&bench, 5), 0);
    end(&bench);
}

static void what_arrives_after_the_end_has_begun_is_given_back(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    tick(&bench, 100);
    request(&bench, 30);
    tick(&bench, 100);
    long long wanted = last(&bench)->wanted;
    fleet_leave(bench.fleet);
    assert_int_equal(bench.store->asked_count, 1);
    lend(&bench, wanted);
    tick(&bench, 100);
    assert_int_equal(last(&bench)->spent, -wanted);
    assert_int_equal(last(&bench)->wanted, 0);
    lend(&bench, 0);
    request(&bench, 30); /* of clients that are still there: nothing is borrowed for them */
    tick(&bench, 100);
    assert_int_equal(last(&bench)->wanted, 0);
    end(&bench);
}

static void what_is_not_needed_any_more_is_given_back_at_the_next_question(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    unsigned lent = borrow(&bench);
    tick(&bench, RATE_LEASE_FADES_MS);
    assert_int_equal(last(&bench)->spent, -(long long)lent);
    assert_int_equal(last(&bench)->wanted, 0);
    assert_int_equal(figures(&bench).returned_count, lent);
    end(&bench);
}

static void one_question_is_on_its_way(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    tick(&bench, 100);
    for (unsigned i = 0; i < 10; i++) {
        request(&bench, 30);
        tick(&bench, 100);
        assert_int_equal(bench.store->asked_count, 1);
    }
    lend(&bench, 0);
    tick(&bench, 100);
    assert_int_equal(bench.store->asked_count, 1);
    assert_int_equal(figures(&bench).asked_count, 2);
    end(&bench);
}

static void nothing_is_asked_again_within_a_period(void **state)
{
    (void)state;
    struct bench bench;
    struct timeval before, next;
    begin(&bench);
    for (unsigned i = 0; i < 20; i++) {
        evutil_gettimeofday(&before, NULL);
        tick(&bench, 100);
        assert_true(event_pending(bench.fleet->rates.timer, EV_TIMEOUT, &next));
        evutil_timersub(&next, &before, &next);
        /* the event loop's clock is set by the wall's now and then, to the millisecond */
        assert_true(next.tv_sec > 0 || next.tv_usec >= (RATE_LEASE_PERIOD_MS - 10) * 1000);
    }
    end(&bench);
}

static void a_key_that_nobody_uses_is_not_asked_for(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    for (unsigned i = 0; i < 10; i++) {
        tick(&bench, 100);
    }
    assert_int_equal(bench.store->asked_count, 0);
    end(&bench);
}

static void the_share_is_left_while_the_store_is_away(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    borrow(&bench);
    bench.store->away = true;
    request(&bench, 30); /* the rest of what was lent */
    unsigned admitted = 0;
    for (unsigned i = 0; i < 10; i++) {
        tick(&bench, 100);
        admitted += request(&bench, 30);
    }
    assert_int_equal(admitted, (unsigned)(PER_SECOND / REPLICAS));
    assert_int_equal(figures(&bench).state, FLEET_RATE_CUT_OFF);
    bench.store->away = false;
    tick(&bench, 100);
    lend(&bench, last(&bench)->wanted);
    assert_int_equal(figures(&bench).state, FLEET_RATE_LEASING);
    end(&bench);
}

/* The script is sent once, named from then on, and sent always if it may not be named. */
static void the_script_is_named_where_the_store_allows_it(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    borrow(&bench);
    request(&bench, 30);
    tick(&bench, 100);
    assert_true(last(&bench)->by_name);
    char gone[] = "NOSCRIPT No matching script", forbidden[] = "NOPERM no permissions";
    answer(&bench, &(struct store_reply){.kind = STORE_REPLY_ERROR, .text = gone});
    assert_false(last(&bench)->by_name); /* the same question */
    lend(&bench, 0);
    request(&bench, 30);
    tick(&bench, 100);
    assert_true(last(&bench)->by_name);
    answer(&bench, &(struct store_reply){.kind = STORE_REPLY_ERROR, .text = forbidden});
    for (unsigned i = 0; i < 3; i++) {
        assert_false(last(&bench)->by_name);
        lend(&bench, 0);
        request(&bench, 30);
        tick(&bench, 100);
    }
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_lent_is_given_back_when_the_process_ends),
        cmocka_unit_test(what_arrives_after_the_end_has_begun_is_given_back),
        cmocka_unit_test(what_is_not_needed_any_more_is_given_back_at_the_next_question),
        cmocka_unit_test(one_question_is_on_its_way),
        cmocka_unit_test(nothing_is_asked_again_within_a_period),
        cmocka_unit_test(a_key_that_nobody_uses_is_not_asked_for),
        cmocka_unit_test(the_share_is_left_while_the_store_is_away),
        cmocka_unit_test(the_script_is_named_where_the_store_allows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
