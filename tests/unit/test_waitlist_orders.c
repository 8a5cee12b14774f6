/*
 * Two workers take every step of the wait list in every order, and nobody who waits is forgotten.
 *
 * The steps are the accesses to what threads share. The list's own source is compiled here with a step in front of each access, at
 * which the other worker may go on. Workers are coroutines, so an order is taken again exactly; a depth-first search takes
 * them all. Small things are done in all orders there are, larger ones in all with so many changes of worker.
 */
#include "tests/unit/unit.h"

#include <ucontext.h>

#include "steady/bound.h"
#include "steady/check.h"
#include "steady/loop.h"
#include "steady/mailbox.h"

static void step(void);
static void big_step(void);
static message_fn *receiver_of_calls;

#define __atomic_load_n(...) (step(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...) (step(), __atomic_store_n(__VA_ARGS__))
#define __atomic_fetch_add(...) (step(), __atomic_fetch_add(__VA_ARGS__))
#define __atomic_fetch_sub(...) (step(), __atomic_fetch_sub(__VA_ARGS__))
#define __atomic_exchange_n(...) (step(), __atomic_exchange_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (step(), __atomic_compare_exchange_n(__VA_ARGS__))
#define bound_take(bound, n) (step(), bound_take(bound, n))
#define bound_give(bound, n) (step(), bound_give(bound, n))
#define mailbox_post(mailbox, message, deliver) \
    (step(),                                    \
     mailbox_post(mailbox, message, receiver_of_calls != NULL ? receiver_of_calls : deliver))

#define HOUSE_STEP() big_step()

#include "steady/waitlist.c" /* NOLINT(bugprone-suspicious-include) */
#include "tests/unit/waitlist_house.h"

/* ---- coroutines ---- */

enum { ACTORS = 2, EXPLORER = ACTORS };

#if SANITIZE_THREAD
#include <sanitizer/tsan_interface.h>
static void *fibers[ACTORS + 1];
#endif

static ucontext_t contexts[ACTORS + 1];
static char stacks[ACTORS][256 * 1024];
static unsigned running = EXPLORER;

static void switch_to(unsigned next)
{
    unsigned from = running;
    running = next;
#if SANITIZE_THREAD
    __tsan_switch_to_fiber(fibers[next], 0);
#endif
    CHECK(swapcontext(&contexts[from], &contexts[next]) == 0);
}

static void start_coroutine(unsigned actor, void (*run)(void))
{
    CHECK(getcontext(&contexts[actor]) == 0);
    contexts[actor].uc_stack.ss_sp = stacks[actor];
    contexts[actor].uc_stack.ss_size = sizeof stacks[actor];
    makecontext(&contexts[actor], run, 0);
#if SANITIZE_THREAD
    fibers[actor] = __tsan_create_fiber(0);
    fibers[EXPLORER] = __tsan_get_current_fiber();
#endif
}

/* ---- orders ---- */

enum { DECISIONS_MAX = 1024 };

/* Where the workers were changed: one run's path through the tree of all orders. */
static struct {
    bool can_change[DECISIONS_MAX], changes[DECISIONS_MAX];
    unsigned length, position;
    unsigned changes_count, changes_max; /* but for those where a worker has come to its end */
    bool big_steps; /* only F1 to F3, W1 to W3 and what comes of them, each in one */
} order;

static bool at_end[ACTORS];

/* At a point that was met before as before, else the first that is possible. */
static bool decide(bool can_change)
{
    CHECK(order.position < DECISIONS_MAX);
    if (order.position == order.length) {
        order.can_change[order.length] = can_change;
        order.changes[order.length++] = false;
    }
    return order.changes[order.position++];
}

static void perhaps_change(void)
{
    if (running == EXPLORER || at_end[1 - running]) {
        return;
    }
    if (decide(order.changes_count < order.changes_max)) {
        order.changes_count++;
        switch_to(1 - running);
    }
}

static void step(void)
{
    if (!order.big_steps) {
        perhaps_change();
    }
}

static void big_step(void)
{
    if (order.big_steps) {
        perhaps_change();
    }
}

/* The next path: false, there is none. */
static bool next_order(void)
{
    while (order.length > 0 &&
           (order.changes[order.length - 1] || !order.can_change[order.length - 1])) {
        order.length--;
    }
    if (order.length == 0) {
        return false;
    }
    order.changes[order.length - 1] = true;
    return true;
}

/* ---- what the workers do ---- */

/* A letter each: a visitor enters, or has a place already and needs a connection (p: which he has no use for); the oldest of the
   worker's leaves or gives up (n: the newest); mail is read. */
enum act {
    ACT_ENTER = 'e',
    ACT_CONNECT = 'c',
    ACT_PICKY = 'p',
    ACT_LEAVE = 'l',
    ACT_LEAVE_NEWEST = 'n',
    ACT_MAIL = 'm',
};

enum { VISITORS = 8 };

static struct {
    struct house house;
    struct visitor visitors[HOUSE_WORKERS][VISITORS];
    unsigned first[HOUSE_WORKERS], end[HOUSE_WORKERS];
    const char *script[ACTORS];
    uint64_t runs_count;
} stage;

static void act(unsigned worker, enum act act)
{
    unsigned *first = &stage.first[worker], *end = &stage.end[worker];
    struct visitor *next = &stage.visitors[worker][*end];
    CHECK(*end < VISITORS);
    switch (act) {
    case ACT_ENTER:
        ++*end;
        visitor_come(next, &stage.house, worker);
        break;
    case ACT_CONNECT:
    case ACT_PICKY:
        ++*end;
        visitor_connect(next, &stage.house, worker, act == ACT_PICKY);
        break;
    case ACT_LEAVE:
        if (*first < *end) {
            visitor_leave(&stage.visitors[worker][(*first)++]);
        }
        break;
    case ACT_LEAVE_NEWEST:
        if (*first < *end) {
            visitor_leave(&stage.visitors[worker][--*end]);
        }
        break;
    case ACT_MAIL: (void)house_pass(&stage.house, worker); break;
    }
}

static void actor_main(void)
{
    unsigned self = running;
    for (;;) {
        for (const char *letter = stage.script[self]; *letter != '\0'; letter++) {
            act(self, (enum act) * letter);
        }
        at_end[self] = true;
        switch_to(at_end[1 - self] ? EXPLORER : 1 - self);
    }
}

/* ---- a scene: how it begins, what both workers do then, in all orders ---- */

#define ALL_ORDERS UINT_MAX

struct scene {
    uint64_t place_count, connection_count;
    const char *beginning; /* pairs of a worker and what it does, 2 ms apart */
    const char *scripts[ACTORS];
};

/* Mistakes that have to be seen. */
enum mistake { NONE, LOOKS_BEFORE_IT_FREES, LOOKS_BEFORE_IT_WAITS, LOOKS_BEFORE_IT_CLEARS };

static bool wait_backwards(struct waitlist_local *local, struct waiter *waiter, unsigned line)
{
    waitlist_offer(local);
    CHECK(bound_take(local->list->waiting, 1));
    waiter->since_ms = loop_now_ms(local->loop);
    insert(local, waiter, line, false);
    return true;
}

static void on_call_backwards(struct message *message, void *receiver)
{
    struct waitlist_local *local = container_of(message, struct waitlist_local, call);
    (void)receiver;
    serve(local, (struct rank){local->called_ms, local->index});
    (void)__atomic_exchange_n(&local->called_ms, NOT_CALLED, __ATOMIC_ACQ_REL);
    let_go(local->list);
}

static void begin(const struct scene *scene, enum mistake mistake)
{
    house_open(&stage.house, scene->place_count, scene->connection_count);
    stage.house.looks_first = mistake == LOOKS_BEFORE_IT_FREES;
    if (mistake == LOOKS_BEFORE_IT_WAITS) {
        stage.house.wait = wait_backwards;
    }
    receiver_of_calls = mistake == LOOKS_BEFORE_IT_CLEARS ? on_call_backwards : NULL;
    memset(stage.first, 0, sizeof stage.first);
    memset(stage.end, 0, sizeof stage.end);
    for (const char *pair = scene->beginning; *pair != '\0'; pair += 2) {
        act((unsigned)(pair[0] - '0'), (enum act)pair[1]);
        house_later(&stage.house, 2);
    }
    memcpy(stage.script, scene->scripts, sizeof stage.script);
}

static void run_once(void)
{
    order.position = order.changes_count = 0;
    at_end[0] = at_end[1] = false;
    switch_to(decide(true) ? 1 : 0);
    house_settle(&stage.house);
    stage.runs_count++;
}

static void everyone_leaves(void)
{
    stage.house.looks_first = false;
    receiver_of_calls = NULL;
    for (unsigned worker = 0; worker < HOUSE_WORKERS; worker++) {
        while (stage.first[worker] < stage.end[worker]) {
            act(worker, ACT_LEAVE);
        }
    }
    house_settle(&stage.house);
    CHECK(waitlist_idle(&stage.house.list));
}

/* In some order of at most so many changes. */
static bool someone_is_forgotten(const struct scene *scene, unsigned changes_max,
                                 enum mistake mistake)
{
    bool forgotten = false, more = true;
    order.length = 0;
    order.big_steps = changes_max == ALL_ORDERS;
    order.changes_max = changes_max;
    while (more && !forgotten) {
        begin(scene, mistake);
        run_once();
        forgotten = house_forgets(&stage.house);
        everyone_leaves();
        more = !forgotten && next_order();
    }
    return forgotten;
}

static void assert_nobody_is_forgotten(const struct scene *scene, unsigned changes_max)
{
    if (!someone_is_forgotten(scene, changes_max, NONE)) {
        return;
    }
    char path[DECISIONS_MAX + 1];
    for (unsigned i = 0; i < order.length; i++) {
        path[i] = order.changes[i] ? 'x' : '.';
    }
    path[order.length] = '\0';
    fail_msg("%" PRIu64 " places, %" PRIu64
             " connections, after \"%s\", \"%s\" beside \"%s\" in the order %s",
             scene->place_count, scene->connection_count, scene->beginning, scene->scripts[0],
             scene->scripts[1], path);
}

static int set_up(void **state)
{
    (void)state;
    house_build(&stage.house, 0, 0);
    start_coroutine(0, actor_main);
    start_coroutine(1, actor_main);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_tear_down(&stage.house);
    printf("# %" PRIu64 " orders\n", stage.runs_count);
    return 0;
}

/* ---- tests ---- */

/* One act each, so all orders can be gone through. */
static const struct scene small_scenes[] = {
    {1, 9, "0e", {"l", "e"}},     /* a place is left while another begins to wait */
    {1, 9, "0e2e", {"l", "e"}},   /* for a place that somebody waits for already */
    {1, 9, "0e1e", {"l", "l"}},   /* he gives up while he is called */
    {1, 9, "0e1e2e", {"l", "l"}}, /* and another waits behind him */
    {9, 1, "0e", {"l", "c"}},     /* a connection is left while another begins to wait */
    {9, 1, "0e1c", {"l", "c"}},
    {9, 1, "0e2p", {"l", "e"}}, /* the first in line has no use for it */
    {2,
     1,
     "1e0p2e",
     {"l", "l"}}, /* a place is left here and a connection there, one waits for both */
    {1, 9, "0e1e0l", {"e", "m"}},     /* a newcomer comes while a call is on its way */
    {1, 9, "0e1e2e0l1l", {"e", "m"}}, /* and nobody waits any more who was called */
};

static void who_begins_to_wait_and_who_leaves_see_each_other_in_every_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small_scenes / sizeof small_scenes[0]; i++) {
        assert_nobody_is_forgotten(&small_scenes[i], ALL_ORDERS);
        assert_nobody_is_forgotten(&small_scenes[i], 3);
    }
}

static const struct scene large_scenes[] = {
    {2, 9, "0e0e1e1e", {"ll", "mm"}}, /* two places are left, and one call is made for both */
    {2, 9, "0e0e1e2e", {"ll", "lm"}},
    {9, 2, "0e1e0c0c1c", {"lm", "lm"}}, /* who was called finds that others were faster */
    {3, 2, "0e1e0c1e", {"lmml", "lm"}}, /* a newcomer gets a place, but the connection is gone */
    {9, 1, "0e1p0c1c", {"lm", "mn"}},
    {9, 1, "0e1c0p2c1c", {"lm", "lm"}},
    {9,
     2,
     "0e0e1c1p2c",
     {"ll", "m"}}, /* two come free, and one of those who wait has no use for his */
};

static void more_is_done_with_so_many_changes_of_worker(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof large_scenes / sizeof large_scenes[0]; i++) {
        assert_nobody_is_forgotten(&large_scenes[i], 2);
    }
}

enum { ACTS = 3, SCRIPTS = ACTS * ACTS };

/* Whatever two acts each worker does. */
static void any_two_acts_of_each_worker(void **state)
{
    static const char *const scripts[SCRIPTS] = {"ee", "el", "em", "le", "ll",
                                                 "lm", "me", "ml", "mm"};
    static const struct scene beginnings[] = {
        {1, 9, "0e1e", {NULL, NULL}},
        {9, 1, "0e1c2p", {NULL, NULL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0] * SCRIPTS * SCRIPTS; i++) {
        struct scene scene = beginnings[i / (SCRIPTS * SCRIPTS)];
        scene.scripts[0] = scripts[i / SCRIPTS % SCRIPTS];
        scene.scripts[1] = scripts[i % SCRIPTS];
        assert_nobody_is_forgotten(&scene, 2);
    }
}

/* The test is shown what it is to see. */
static void each_step_taken_too_early_forgets_somebody(void **state)
{
    static const struct {
        enum mistake mistake;
        struct scene scene;
    } planted[] = {
        {LOOKS_BEFORE_IT_FREES, {1, 9, "0e", {"l", "e"}}},
        {LOOKS_BEFORE_IT_WAITS, {1, 9, "0e", {"l", "e"}}},
        {LOOKS_BEFORE_IT_CLEARS, {2, 9, "0e0e1e1e", {"ll", "m"}}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof planted / sizeof planted[0]; i++) {
        assert_true(someone_is_forgotten(&planted[i].scene, 3, planted[i].mistake));
        assert_false(someone_is_forgotten(&planted[i].scene, 3, NONE));
    }
    assert_true(someone_is_forgotten(&planted[0].scene, ALL_ORDERS, LOOKS_BEFORE_IT_FREES));
    assert_true(someone_is_forgotten(&planted[1].scene, ALL_ORDERS, LOOKS_BEFORE_IT_WAITS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_begins_to_wait_and_who_leaves_see_each_other_in_every_order),
        cmocka_unit_test(more_is_done_with_so_many_changes_of_worker),
        cmocka_unit_test(any_two_acts_of_each_worker),
        cmocka_unit_test(each_step_taken_too_early_forgets_somebody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
