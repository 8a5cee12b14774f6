/* The only file that gives an exchange's places back. */
#include "proxy/exchange/admission_state.h"

#include "proxy/exchange/exchange.h"
#include "proxy/policy/shards.h"

/* What an exchange holds in a state. */
enum {
    HOLDS_UPSTREAM = 1, /* the upstream stays in memory, without a place */
    HOLDS_SHARD = 2,    /* a place of the shard, if the exchange has one */
    HOLDS_PLACE = 4,    /* a place of limits.in_flight */
    HOLDS_LINE = 8,     /* possibly a place in a line */
};
static const uint8_t holdings[] = {
    [ADMISSION_OUTSIDE] = 0,
    [ADMISSION_AT_SHARD] = HOLDS_UPSTREAM | HOLDS_LINE,
    [ADMISSION_IN_SHARD] = HOLDS_UPSTREAM | HOLDS_SHARD,
    [ADMISSION_QUEUED] = HOLDS_SHARD | HOLDS_LINE,
    [ADMISSION_ADMITTED] = HOLDS_SHARD | HOLDS_PLACE | HOLDS_LINE,
    [ADMISSION_APART] = HOLDS_UPSTREAM,
};

static void leave_lines(struct exchange *exchange)
{
    struct exchange_admission *admission = &exchange->admission;
    if (__builtin_expect(admission->waiter.local != NULL, 0)) {
        queue_cancel(&admission->waiter);
    }
    if (__builtin_expect(admission->shard != NULL, 0)) {
        gate_cancel(&admission->gate_waiter);
    }
}

void admission_enter(struct exchange *exchange, enum admission_state state)
{
    struct exchange_admission *admission = &exchange->admission;
    const unsigned held = holdings[admission->state], holds = holdings[state];
    const unsigned lost = held & ~holds;
    admission->state = (uint8_t)state;
    if ((lost | ((holds & ~held) & HOLDS_UPSTREAM)) == 0) {
        return; /* its caller has taken what it gains */
    }
    struct pool_worker *pool = exchange->worker->pool;
    struct upstream *upstream = exchange->target.upstream;
    if (__builtin_expect((holds & ~held) & HOLDS_UPSTREAM, 0)) {
        upstream_keep(pool, upstream);
    }
    if (lost & HOLDS_LINE) {
        leave_lines(exchange);
    }
    if (__builtin_expect((lost & HOLDS_SHARD) && admission->shard != NULL, 0)) {
        gate_leave(&admission->shard->gate, exchange->worker->env.index);
    }
    /* after the last hold of an upstream that has left the settings it may be freed */
    if (lost & HOLDS_PLACE) {
        upstream_leave(pool, upstream);
    }
    if (__builtin_expect(lost & HOLDS_UPSTREAM, 0)) {
        upstream_let_go(pool, upstream);
    }
}

void admission_release(struct exchange *exchange)
{
    admission_enter(exchange, ADMISSION_OUTSIDE);
    if (exchange->admission.shard != NULL) {
        shard_let_go(&exchange->admission.shard);
    }
}
