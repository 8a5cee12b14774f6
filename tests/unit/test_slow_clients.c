/* Slow clients: what is slow, and whose slow uploads give way to whom. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "proxy/policy/slow_clients.h"

static void slow_is_what_comes_slower_than_the_least_rate(void **state)
{
    (void)state;
    assert_true(slow_client_transfer(0, 1000000));
    assert_true(slow_client_transfer(SLOW_CLIENT_BYTES_PER_S - 1, 1000000));
    assert_false(slow_client_transfer(SLOW_CLIENT_BYTES_PER_S, 1000000));
    assert_true(slow_client_transfer(SLOW_CLIENT_BYTES_PER_S, 2000000));
    assert_false(slow_client_transfer(0, 0));
}

static void more_than_the_share_gives_way_to_others_only(void **state)
{
    static const struct {
        uint64_t own_count, all_count, others_waiting_count, in_flight_count;
        double share;
        bool exceed;
    } cases[] = {
        {256, 256, 0, 256, 0.25, false},
        {256, 256, 1, 257, 0.25, true},
        {65, 65, 1, 256, 0.25, true},
        {64, 64, 1, 256, 0.25, false},
        {1, 1, 9, 100, 0.25, false},
        {256, 256, 9, 256, 1, false},
        /* many addresses together: an eighth of the share each, but one always */
        {51, 512, 1, 1024, 0.25, false},
        {51, 513, 1, 1024, 0.25, true},
        {32, 1024, 1, 1024, 0.25, false},
        {33, 1024, 1, 1024, 0.25, true},
        {33, 1024, 0, 1024, 0.25, false},
        {1, 4, 1, 4, 0.25, false},
        {2, 4, 1, 4, 0.25, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct slow_clients_sum sum = {cases[i].own_count, cases[i].all_count,
                                             cases[i].others_waiting_count};
        assert_int_equal(slow_clients_exceed(&sum, cases[i].in_flight_count, cases[i].share),
                         cases[i].exceed);
    }
}

static void counts_of_all_workers_are_summed_by_slot(void **state)
{
    struct slow_clients workers[2] = {{.transfers = {0}}, {.transfers = {0}}};
    struct slow_clients_sum sum = {0};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        slow_clients_add(&workers[i].transfers[7], 1);
        slow_clients_add(&workers[i].transfers[8], 1);
        slow_clients_add(&workers[i].waiting[7], 1);
        slow_clients_add(&workers[i].waiting[9], 1);
    }
    slow_clients_add(&workers[0].waiting[9], -1);
    for (unsigned i = 0; i < 2; i++) {
        slow_clients_sum_add(&sum, &workers[i], 7, 5000);
    }
    assert_int_equal(sum.transfers_count, 2);
    assert_int_equal(sum.others_waiting_count, 1);
}

#define JUDGES 2
#define ROUNDS 2000

struct judges {
    struct slow_clients_turn turn;
    struct slow_clients workers[JUDGES];
    pthread_barrier_t barrier;
    uint64_t gone_count[JUDGES];
};

struct judge {
    struct judges *all;
    unsigned index;
};

/* Of the two transfers that each worker counts one of, this one goes if others are left. */
static void *judge_rounds(void *argument)
{
    struct judge *self = argument;
    struct judges *all = self->all;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct slow_clients_sum sum = {.others_waiting_count = 1};
        all->workers[self->index].transfers[7] = 1;
        pthread_barrier_wait(&all->barrier);
        if (slow_clients_begin(&all->turn)) {
            for (unsigned i = 0; i < JUDGES; i++) {
                slow_clients_sum_add(&sum, &all->workers[i], 7, 0);
            }
            if (slow_clients_exceed(&sum, 4, 0.25)) {
                slow_clients_add(&all->workers[self->index].transfers[7], -1);
                all->gone_count[self->index]++;
            }
            slow_clients_end(&all->turn);
        }
        pthread_barrier_wait(&all->barrier);
    }
    return NULL;
}

static void workers_that_judge_at_once_leave_one(void **state)
{
    struct judges all = {.turn = {false}};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_barrier_init(&all.barrier, NULL, JUDGES), 0);
    assert_int_equal(
        pthread_create(&thread, NULL, judge_rounds, &(struct judge){.all = &all, .index = 1}), 0);
    (void)judge_rounds(&(struct judge){.all = &all, .index = 0});
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&all.barrier), 0);
    assert_int_equal(all.gone_count[0] + all.gone_count[1], ROUNDS);
}

/* What threads of a busy machine seldom do. */
static void one_judges_at_a_time(void **state)
{
    struct slow_clients_turn turn = {false};
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        assert_true(slow_clients_begin(&turn));
        assert_false(slow_clients_begin(&turn));
        slow_clients_end(&turn);
    }
}

static void who_was_refused_counts_as_one_who_waits_for_a_moment(void **state)
{
    static const struct {
        unsigned slot;
        uint64_t now_ms, count;
    } cases[] = {{8, 5001, 1}, {8, 6000, 1}, {8, 6002, 0}, {7, 5001, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slow_clients clients = {.refused_ms = {0}};
        struct slow_clients_sum sum = {0};
        slow_clients_refused(&clients, cases[i].slot, 5001);
        slow_clients_sum_add(&sum, &clients, 7, cases[i].now_ms);
        assert_int_equal(sum.others_waiting_count, cases[i].count);
    }
}

static void an_address_has_one_slot_and_the_hosts_of_a_64_share_one(void **state)
{
    struct ip_address one = {.any.sa_family = AF_INET6}, other = one;
    bool used[SLOW_CLIENT_SLOTS] = {false};
    unsigned used_count = 0;
    uint64_t seed = unit_seed();
    (void)state;
    one.v6 = other.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    other.v6.sin6_addr.s6_addr[15] = 1;
    assert_int_equal(slow_client_slot(seed, &one), slow_client_slot(seed, &other));
    for (unsigned i = 0; i < 1000; i++) {
        one.v4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + i)};
        used[slow_client_slot(seed, &one)] = true;
    }
    for (unsigned i = 0; i < SLOW_CLIENT_SLOTS; i++) {
        used_count += used[i];
    }
    assert_in_range(used_count, SLOW_CLIENT_SLOTS - 2, SLOW_CLIENT_SLOTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_is_what_comes_slower_than_the_least_rate),
        cmocka_unit_test(more_than_the_share_gives_way_to_others_only),
        cmocka_unit_test(counts_of_all_workers_are_summed_by_slot),
        cmocka_unit_test(workers_that_judge_at_once_leave_one),
        cmocka_unit_test(one_judges_at_a_time),
        cmocka_unit_test(who_was_refused_counts_as_one_who_waits_for_a_moment),
        cmocka_unit_test(an_address_has_one_slot_and_the_hosts_of_a_64_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
