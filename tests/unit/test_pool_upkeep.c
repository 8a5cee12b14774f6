/* The warm level is there without traffic, and again after whatever takes it away. */
#include "tests/unit/pool_rig.h"

#include "pool/connection.h"
#include "pool/upkeep.h"

#define FIGURES(one) rig_figures(&(one)->rig, (one)->endpoint)

static void the_warm_level_is_dialled_without_a_request_and_no_more(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 5; workers++) {
        struct rig rig;
        uint16_t port;
        int listener = rig_listen(64, &port);
        rig_init(&rig, workers, 100);
        rig_adopt(&rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                     "pool = { warm_min = 7; }; }; };",
                                     port));
        struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
        rig_await(&rig, rig_figures(&rig, endpoint).idle == 7);
        rig_settle(&rig);
        struct endpoint_figures figures = rig_figures(&rig, endpoint);
        assert_int_equal(figures.dials, 7);
        assert_int_equal(figures.ready, 7);
        assert_int_equal(figures.warm, 7);
        for (unsigned w = 0; w < workers; w++) {
            assert_in_range(endpoint->locals[w].idle_count, 7 / workers, 7 / workers + 1);
        }
        struct upstream_warmth warmth = upstream_warmth(rig.set->views[0].upstream);
        assert_int_equal(warmth.wanted_count, 7);
        assert_int_equal(warmth.ready_count, 7);
        rig_end(&rig);
        close(listener);
    }
}

static void a_warm_connection_serves_without_a_dial(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 3; };");
    rig_await(&one.rig, FIGURES(&one).ready == 3);
    for (int i = 0; i < 50; i++) {
        struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
        lease_return(pool_of(&one), &lease);
    }
    assert_int_equal(FIGURES(&one).dials, 3);
    assert_int_equal(FIGURES(&one).fresh, 0);
    one_end(&one);
}

static void the_warm_level_stays_within_max(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 4; max = 4; };");
    rig_await(&one.rig, FIGURES(&one).ready == 4);
    rig_settle(&one.rig);
    assert_int_equal(FIGURES(&one).dials, 4);
    one_end(&one);
}

static void a_reload_raises_the_level_and_keeps_what_is_there(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 2; };");
    rig_await(&one.rig, FIGURES(&one).ready == 2);
    for (unsigned level = 3; level <= 5; level++) {
        rig_adopt(&one.rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                         "pool = { warm_min = %u; }; }; };",
                                         one.port, level));
        rig_await(&one.rig, FIGURES(&one).ready == level);
    }
    assert_int_equal(FIGURES(&one).dials, 5);
    one_end(&one);
}

static void a_warm_connection_that_dies_is_replaced(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 2; };");
    rig_await(&one.rig, FIGURES(&one).ready == 2);
    int first = rig_accept(one.listener), second = rig_accept(one.listener);
    close(first);
    rig_await(&one.rig, FIGURES(&one).dials == 3 && FIGURES(&one).ready == 2);
    close(second);
    rig_await(&one.rig, FIGURES(&one).dials >= 4 && FIGURES(&one).ready == 2);
    one_end(&one);
}

/* The least that was ready at any moment, from now on. */
static void watch_ready(struct one *one, uint64_t *least_count)
{
    uint64_t count = FIGURES(one).ready;
    *least_count = count < *least_count ? count : *least_count;
}

static void what_is_past_its_lifetime_goes_after_its_replacement_came(void **state)
{
    struct one one;
    uint64_t least_count = UINT64_MAX;
    (void)state;
    one_init(&one, "pool = { warm_min = 8; lifetime = \"1s\"; jitter = 0.5; };");
    rig_await(&one.rig, FIGURES(&one).ready == 8);
    rig_await(&one.rig,
              (watch_ready(&one, &least_count), FIGURES(&one).closed[LEASE_CLOSED_LIFETIME] >= 16));
    assert_int_equal(least_count, 8);
    assert_true(bound_peak(&one.endpoint->connections) <= 10);
    one_end(&one);
}

static void a_shorter_lifetime_holds_for_what_is_open(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 3; };");
    rig_await(&one.rig, FIGURES(&one).ready == 3);
    rig_adopt(&one.rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                     "pool = { warm_min = 3; lifetime = \"1s\"; }; }; };",
                                     one.port));
    rig_await(&one.rig, FIGURES(&one).closed[LEASE_CLOSED_LIFETIME] >= 3);
    assert_int_equal(FIGURES(&one).ready, 3);
    one_end(&one);
}

/* What was dialled over an hour must not end in one moment, an hour's replacements at once. */
static void a_shorter_lifetime_spreads_the_ends_of_what_is_open(void **state)
{
    enum { COUNT = 16, LIFETIME_MS = 60000 };
    struct one one;
    const struct connection *connection;
    uint64_t first_ms = UINT64_MAX, last_ms = 0;
    (void)state;
    one_init(&one, "pool = { warm_min = 16; lifetime = \"1h\"; };");
    rig_await(&one.rig, FIGURES(&one).ready == COUNT);
    rig_adopt(&one.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; pool = "
                           "{ warm_min = 16; lifetime = \"60s\"; jitter = 0.5; }; }; };",
                           one.port));
    TAILQ_FOREACH (connection, &one.endpoint->locals[0].idle, spare_link) {
        uint64_t at_ms = connection->retire.at_ms;
        first_ms = at_ms < first_ms ? at_ms : first_ms;
        last_ms = at_ms > last_ms ? at_ms : last_ms;
    }
    /* That 16 draws lie within a quarter of the window is one case in tens of millions. */
    assert_in_range(last_ms - first_ms, LIFETIME_MS / 2 / 4, LIFETIME_MS / 2);
    one_end(&one);
}

static void a_lent_connection_past_its_lifetime_ends_when_it_comes_back(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 1; lifetime = \"1s\"; jitter = 0.0; };");
    rig_await(&one.rig, FIGURES(&one).ready == 1);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    rig_await(&one.rig, FIGURES(&one).dials == 2);
    rig_settle(&one.rig);
    assert_int_equal(FIGURES(&one).closed[LEASE_CLOSED_LIFETIME], 0);
    lease_return(pool_of(&one), &lease);
    assert_int_equal(FIGURES(&one).closed[LEASE_CLOSED_LIFETIME], 1);
    assert_int_equal(FIGURES(&one).ready, 1);
    one_end(&one);
}

static void without_room_for_a_replacement_it_is_closed_first(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 2; max = 2; lifetime = \"1s\"; jitter = 0.1; };");
    rig_await(&one.rig, FIGURES(&one).ready == 2);
    rig_await(&one.rig, FIGURES(&one).closed[LEASE_CLOSED_LIFETIME] == 2);
    rig_await(&one.rig, FIGURES(&one).ready == 2);
    assert_int_equal(bound_peak(&one.endpoint->connections), 2);
    one_end(&one);
}

static void the_idle_limit_takes_what_is_above_the_level_only(void **state)
{
    struct one one;
    struct lease *leases[5];
    uint64_t least_count = UINT64_MAX;
    (void)state;
    one_init(&one, "pool = { warm_min = 2; idle = \"100ms\"; };");
    for (int i = 0; i < 5; i++) {
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    }
    for (int i = 0; i < 5; i++) {
        lease_return(pool_of(&one), &leases[i]);
    }
    rig_await(&one.rig,
              (watch_ready(&one, &least_count), FIGURES(&one).closed[LEASE_CLOSED_IDLE] >= 7));
    assert_int_equal(least_count, 2);
    one_end(&one);
}

static void reset_all(int *far, int count)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < count; i++) {
        setsockopt(far[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(far[i]);
    }
}

static void what_was_needed_before_a_loss_is_dialled_at_once(void **state)
{
    enum { COUNT = 25 };
    struct one one;
    struct lease *leases[COUNT];
    int far[COUNT];
    (void)state;
    one_init(&one, "pool = { warm_min = 2; };");
    for (int i = 0; i < COUNT; i++) {
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    }
    for (int i = 0; i < COUNT; i++) {
        far[i] = rig_accept(one.listener);
    }
    for (int i = 0; i < COUNT; i++) {
        lease_return(pool_of(&one), &leases[i]);
    }
    uint64_t dials_count = FIGURES(&one).dials;
    reset_all(far, COUNT);
    rig_await(&one.rig, FIGURES(&one).dials >= dials_count + COUNT && FIGURES(&one).ready == COUNT);
    rig_settle(&one.rig);
    struct endpoint_figures figures = FIGURES(&one);
    assert_int_equal(figures.dials, dials_count + COUNT);
    assert_int_equal(figures.target, 0);
    assert_true(figures.losses >= 1);
    one_end(&one);
}

static void an_endpoint_that_refuses_is_asked_less_and_less_and_full_when_it_is_back(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 6; };");
    rig_await(&one.rig, FIGURES(&one).ready == 6);
    int far[6];
    for (int i = 0; i < 6; i++) {
        far[i] = rig_accept(one.listener);
    }
    close(one.listener);
    reset_all(far, 6);
    uint64_t since_ms = rig_now_ms();
    rig_sleep(&one.rig, 1500);                              /* how long it is away */
    rig_await(&one.rig, FIGURES(&one).dial_failures >= 12); /* each step is for all that miss */
    uint64_t steps_most = 16 + (rig_now_ms() - since_ms - 1500) / 100;
    assert_true(FIGURES(&one).dial_failures <= 6 * steps_most);
    assert_int_equal(FIGURES(&one).ready, 0);
    one.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(one.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(one.port)};
    assert_int_equal(bind(one.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(one.listener, 64), 0);
    uint64_t back_ms = rig_own_ms(&one.rig);
    rig_await(&one.rig, FIGURES(&one).ready == 6);
    assert_true(rig_own_ms(&one.rig) - back_ms < 1300);
    one_end(&one);
}

static void dials_for_nobody_leave_the_descriptors_of_others(void **state)
{
    struct one one;
    (void)state;
    rig_init(&one.rig, 1, 8);
    one.listener = rig_listen(64, &one.port);
    rig_adopt(
        &one.rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; pool = { warm_min = 5; }; }; "
            "other = { endpoints = [ \"localhost:%u\" ]; pool = { warm_min = 5; }; }; };",
            one.port, one.port));
    one.endpoint = rig_endpoint(&one.rig, 0, 0);
    rig_await(&one.rig, bound_used(&one.rig.fds) == 6);
    rig_settle(&one.rig);
    rig_sleep(&one.rig, 50); /* long enough for a step that must not be made */
    assert_int_equal(bound_used(&one.rig.fds), 6);
    assert_int_equal(FIGURES(&one).closed[LEASE_CLOSED_SURPLUS], 0);
    assert_int_equal(
        rig_figures(&one.rig, rig_endpoint(&one.rig, 1, 0)).closed[LEASE_CLOSED_SURPLUS], 0);
    one_end(&one);
}

static void when_the_other_side_closes_is_learned_and_kept_away_from(void **state)
{
    enum { KEPT_MS = 300, LEARNED_MS = KEPT_MS * 4 / 5 };
    struct one one;
    uint64_t died_count = 0, longest_ms = 0;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; };");
    /* Two that agree are enough: more are needed only where the machine is late now and then. */
    while (FIGURES(&one).learned_idle_ms == 0 && died_count < 20) {
        struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
        int far = rig_accept(one.listener);
        uint64_t since_ms = rig_now_ms();
        lease_return(pool_of(&one), &lease);
        rig_sleep(&one.rig, KEPT_MS); /* what the other side keeps it for */
        close(far);
        rig_await(&one.rig, FIGURES(&one).open == 0);
        uint64_t rested_ms = rig_now_ms() - since_ms;
        longest_ms = rested_ms > longest_ms ? rested_ms : longest_ms;
        died_count++;
    }
    assert_in_range(FIGURES(&one).learned_idle_ms, LEARNED_MS - 20, longest_ms * 4 / 5 + 20);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int far = rig_accept(one.listener);
    lease_return(pool_of(&one), &lease);
    uint64_t since_ms = rig_own_ms(&one.rig);
    rig_await(&one.rig, FIGURES(&one).open == 0);
    assert_true(rig_own_ms(&one.rig) - since_ms < longest_ms);
    assert_true(FIGURES(&one).closed[LEASE_CLOSED_IDLE] >= 1);
    assert_int_equal(FIGURES(&one).closed[LEASE_CLOSED_DIED_IDLE], died_count);
    close(far);
    one_end(&one);
}

static void a_draining_worker_dials_nothing(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 3; };");
    rig_await(&one.rig, FIGURES(&one).ready == 3);
    pool_worker_drain(pool_of(&one));
    rig_settle(&one.rig);
    assert_int_equal(FIGURES(&one).open, 0);
    assert_int_equal(FIGURES(&one).dials, 3);
    one_end(&one);
}

static void an_endpoint_that_has_gone_is_not_dialled_any_more(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 3; };");
    close(one.listener);
    rig_await(&one.rig, FIGURES(&one).dial_failures >= 3);
    one.listener = rig_listen(64, &one.port);
    rig_adopt(&one.rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                     "pool = { warm_min = 3; }; }; };",
                                     one.port));
    one.endpoint = rig_endpoint(&one.rig, 0, 0);
    rig_await(&one.rig, FIGURES(&one).ready == 3);
    rig_await(&one.rig, (pools_collect(one.rig.pools), bound_used(&one.rig.pools->endpoints) == 1));
    one_end(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_warm_level_is_dialled_without_a_request_and_no_more),
        cmocka_unit_test(a_warm_connection_serves_without_a_dial),
        cmocka_unit_test(the_warm_level_stays_within_max),
        cmocka_unit_test(a_reload_raises_the_level_and_keeps_what_is_there),
        cmocka_unit_test(a_warm_connection_that_dies_is_replaced),
        cmocka_unit_test(what_is_past_its_lifetime_goes_after_its_replacement_came),
        cmocka_unit_test(a_shorter_lifetime_holds_for_what_is_open),
        cmocka_unit_test(a_shorter_lifetime_spreads_the_ends_of_what_is_open),
        cmocka_unit_test(a_lent_connection_past_its_lifetime_ends_when_it_comes_back),
        cmocka_unit_test(without_room_for_a_replacement_it_is_closed_first),
        cmocka_unit_test(the_idle_limit_takes_what_is_above_the_level_only),
        cmocka_unit_test(what_was_needed_before_a_loss_is_dialled_at_once),
        cmocka_unit_test(an_endpoint_that_refuses_is_asked_less_and_less_and_full_when_it_is_back),
        cmocka_unit_test(dials_for_nobody_leave_the_descriptors_of_others),
        cmocka_unit_test(when_the_other_side_closes_is_learned_and_kept_away_from),
        cmocka_unit_test(a_draining_worker_dials_nothing),
        cmocka_unit_test(an_endpoint_that_has_gone_is_not_dialled_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
