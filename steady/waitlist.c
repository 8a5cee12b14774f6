/* Lines, offers and calls of a wait list. */
#include "steady/waitlist.h"

#include <limits.h>

#include "steady/check.h"

#define NOT_CALLED WAITLIST_NOBODY_MS
#define NO_INDEX UINT_MAX

/* The order of locals: by age, then by index. */
struct rank {
    uint64_t since_ms;
    unsigned index;
};

static const struct rank before_all = {0, 0};

static void on_call(struct message *message, void *receiver);
static void on_serve(struct deferred *deferred);
static void on_recheck(struct wheel_timer *timer, uint64_t now_ms);

static struct waitlist_local *local_at(const struct waitlist *list, unsigned index)
{
    return (struct waitlist_local *)(void *)(list->locals + index * list->stride_bytes);
}

static void init_local(struct waitlist *list, unsigned index)
{
    struct waitlist_local *local = local_at(list, index);
    *local = (struct waitlist_local){
        .called_ms = NOT_CALLED, .serve.run = on_serve, .list = list, .index = index};
    wheel_timer_init(&local->recheck, on_recheck);
    for (unsigned line = 0; line < WAITLIST_LINES; line++) {
        TAILQ_INIT(&local->lines[line].waiters);
        local->lines[line].since_ms = WAITLIST_NOBODY_MS;
    }
}

void waitlist_init(struct waitlist *list, const struct waitlist_policy *policy,
                   struct bound *waiting, struct waitlist_local *first, size_t stride_bytes,
                   unsigned local_count)
{
    *list = (struct waitlist){.policy = policy,
                              .waiting = waiting,
                              .locals = (char *)first,
                              .stride_bytes = stride_bytes,
                              .local_count = local_count};
    for (unsigned i = 0; i < local_count; i++) {
        init_local(list, i);
    }
}

/* Calls are checked last: whatever makes one waits, or keeps the list by other means. */
bool waitlist_idle(const struct waitlist *list)
{
    return __atomic_load_n(&list->waiting->used, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&list->calls_count, __ATOMIC_ACQUIRE) == 0;
}

/* Calls on their way to a local, and locals that serve, keep the list. */
static void keep(struct waitlist *list)
{
    __atomic_fetch_add(&list->calls_count, 1, __ATOMIC_RELAXED);
}

static void let_go(struct waitlist *list)
{
    __atomic_fetch_sub(&list->calls_count, 1, __ATOMIC_RELEASE);
}

/* ---- ranks ---- */

static bool ranks_before(const struct rank *a, const struct rank *b)
{
    return a->since_ms != b->since_ms ? a->since_ms < b->since_ms : a->index < b->index;
}

static uint64_t waits_since(const struct waitlist_local *local, unsigned lines)
{
    uint64_t first_ms = WAITLIST_NOBODY_MS;
    for (unsigned line = 0; line < WAITLIST_LINES; line++) {
        if ((lines & 1u << line) != 0) {
            uint64_t since_ms = __atomic_load_n(&local->lines[line].since_ms, __ATOMIC_ACQUIRE);
            first_ms = since_ms < first_ms ? since_ms : first_ms;
        }
    }
    return first_ms;
}

/* The local that has waited longest of those behind `after`, except `not_this`; since WAITLIST_NOBODY_MS: there is
   none. */
static struct rank first_behind(const struct waitlist *list, unsigned lines, struct rank after,
                                unsigned not_this)
{
    struct rank first = {WAITLIST_NOBODY_MS, NO_INDEX};
    for (unsigned i = 0; i < list->local_count; i++) {
        struct rank rank = {waits_since(local_at(list, i), lines), i};
        if (i != not_this && ranks_before(&after, &rank) && ranks_before(&rank, &first)) {
            first = rank;
        }
    }
    return first;
}

bool waitlist_waits_in(const struct waitlist *list, unsigned lines)
{
    return first_behind(list, lines, before_all, NO_INDEX).since_ms != WAITLIST_NOBODY_MS;
}

/* ---- offers ---- */

/* Notes that the local was called, by the older of two ranks; returns the old note. Always changes the note, so that
   what was done before is visible to the receiver that clears it. */
static uint64_t note_call(struct waitlist_local *local, uint64_t since_ms)
{
    uint64_t noted_ms = __atomic_load_n(&local->called_ms, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&local->called_ms, &noted_ms,
                                        since_ms < noted_ms ? since_ms : noted_ms, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    }
    return noted_ms;
}

static void call(struct waitlist *list, struct rank rank)
{
    struct waitlist_local *local = local_at(list, rank.index);
    if (note_call(local, rank.since_ms) == NOT_CALLED) {
        keep(list);
        mailbox_post(local->loop->mailbox, &local->call, on_call);
    }
}

void waitlist_serve_soon(struct waitlist_local *local)
{
    if (!local->serve.queued) {
        keep(local->list);
        loop_defer(local->loop, &local->serve);
    }
}

void waitlist_offer(struct waitlist_local *own)
{
    struct waitlist *list = own->list;
    (void)waitlist_meet(&list->offers_count, 1);
    unsigned lines = list->policy->usable(own);
    struct rank first = first_behind(list, lines, before_all, NO_INDEX);
    if (first.since_ms == WAITLIST_NOBODY_MS) {
        return;
    }
    uint64_t own_ms = waits_since(own, lines);
    if (own_ms != WAITLIST_NOBODY_MS && own_ms - first.since_ms <= WAITLIST_LOCAL_MS) {
        waitlist_serve_soon(own);
    } else {
        call(list, first);
    }
}

/* Offers what this local leaves to those behind the rank by which it was called. */
static void serve(struct waitlist_local *local, struct rank called)
{
    struct waitlist *list = local->list;
    CHECK(local->turn == NULL);
    list->policy->serve(local);
    if (waitlist_waits(list)) {
        struct rank next = first_behind(list, list->policy->usable(local), called, local->index);
        if (next.since_ms != WAITLIST_NOBODY_MS) {
            call(list, next);
        }
    }
}

/* Clears the note before looking, so that what is freed from now on calls again. */
static void on_call(struct message *message, void *receiver)
{
    struct waitlist_local *local = container_of(message, struct waitlist_local, call);
    struct waitlist *list = local->list;
    (void)receiver;
    uint64_t called_ms = __atomic_exchange_n(&local->called_ms, NOT_CALLED, __ATOMIC_ACQ_REL);
    serve(local, (struct rank){called_ms, local->index});
    let_go(list);
}

static void on_serve(struct deferred *deferred)
{
    struct waitlist_local *local = container_of(deferred, struct waitlist_local, serve);
    struct waitlist *list = local->list;
    serve(local, before_all);
    let_go(list);
}

static void on_recheck(struct wheel_timer *timer, uint64_t now_ms)
{
    struct waitlist_local *local = container_of(timer, struct waitlist_local, recheck);
    struct waitlist *list = local->list;
    keep(list);
    wheel_arm(&local->loop->wheel, timer, now_ms + list->recheck_ms);
    serve(local, before_all);
    let_go(list);
}

/* ---- lines ---- */

/* A waiter in its turn may return, so its rank is kept for it. */
static uint64_t line_since(const struct waitlist_local *local, unsigned line)
{
    const struct waiter *first = waitlist_first(local, line);
    uint64_t since_ms = first != NULL ? first->since_ms : WAITLIST_NOBODY_MS;
    bool turn = local->turn != NULL && local->turn_line == line;
    return turn && local->turn_ms < since_ms ? local->turn_ms : since_ms;
}

static void publish(struct waitlist_local *local)
{
    for (unsigned line = 0; line < WAITLIST_LINES; line++) {
        __atomic_store_n(&local->lines[line].since_ms, line_since(local, line), __ATOMIC_RELEASE);
    }
    if (!waitlist_local_waits(local)) {
        wheel_disarm(&local->loop->wheel, &local->recheck);
    }
}

static void insert(struct waitlist_local *local, struct waiter *waiter, unsigned line, bool front)
{
    struct waiter_list *waiters = &local->lines[line].waiters;
    if (!front || waiter->since_ms == 0) {
        waiter->since_ms = loop_now_ms(local->loop);
    }
    waiter->local = local;
    waiter->line = (uint8_t)line;
    if (front) {
        TAILQ_INSERT_HEAD(waiters, waiter, link);
    } else {
        TAILQ_INSERT_TAIL(waiters, waiter, link);
    }
    local->lines[line].count++;
    publish(local);
    if (local->list->recheck_ms > 0 && !wheel_timer_armed(&local->recheck)) {
        wheel_arm(&local->loop->wheel, &local->recheck,
                  loop_now_ms(local->loop) + local->list->recheck_ms);
    }
}

static void take_out(struct waiter *waiter)
{
    struct waitlist_line *line = &waiter->local->lines[waiter->line];
    TAILQ_REMOVE(&line->waiters, waiter, link);
    line->count--;
    waiter->local = NULL;
}

static void count_out(struct waitlist_local *local)
{
    publish(local);
    bound_give(local->list->waiting, 1);
}

/* W2 and W3. */
static void look(struct waitlist_local *local)
{
    local->list->policy->meet(local);
    waitlist_offer(local);
}

static bool enter(struct waitlist_local *local, struct waiter *waiter, unsigned line, bool front)
{
    CHECK(waiter->local == NULL && local->loop != NULL);
    if (!bound_take(local->list->waiting, 1)) {
        return false;
    }
    insert(local, waiter, line, front);
    look(local);
    return true;
}

bool waitlist_wait(struct waitlist_local *local, struct waiter *waiter, unsigned line)
{
    return enter(local, waiter, line, false);
}

/* A waiter that returns for the same capacity has missed nothing, and cannot use what is there: looking would not end. */
bool waitlist_return(struct waitlist_local *local, struct waiter *waiter, unsigned line)
{
    if (local->turn != waiter) {
        return enter(local, waiter, line, true);
    }
    bool the_same = line == local->turn_line && waiter->wants == local->turn_wants;
    local->turn = NULL;
    insert(local, waiter, line, true);
    if (!the_same) {
        look(local);
    }
    return true;
}

void waitlist_cancel(struct waiter *waiter)
{
    struct waitlist_local *local = waiter->local;
    take_out(waiter);
    count_out(local);
}

void waitlist_turn_begin(struct waiter *waiter)
{
    struct waitlist_local *local = waiter->local;
    take_out(waiter);
    local->turn = waiter;
    local->turn_line = waiter->line;
    local->turn_wants = waiter->wants;
    local->turn_ms = waiter->since_ms;
}

bool waitlist_turn_end(struct waitlist_local *local)
{
    if (local->turn == NULL) {
        return false;
    }
    local->turn = NULL;
    count_out(local);
    return true;
}
