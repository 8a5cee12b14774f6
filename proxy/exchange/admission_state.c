/* The one place where an exchange's places are given back. */
#include "proxy/exchange/admission_state.h"

#include "proxy/exchange/exchange.h"
#include "proxy/policy/shards.h"

/* What each state holds. */
static const struct {
    bool keeps; /* the upstream, without a place at it */
    bool shard; /* a place of the shard, if it has one */
    bool place; /* one of limits.in_flight */
    bool waits; /* may stand in a line */
} holdings[] = {
    [ADMISSION_OUTSIDE] = {false, false, false, false},
    [ADMISSION_AT_SHARD] = {true, false, false, true},
    [ADMISSION_IN_SHARD] = {true, true, false, false},
    [ADMISSION_QUEUED] = {false, true, false, true},
    [ADMISSION_ADMITTED] = {false, true, true, true},
    [ADMISSION_APART] = {true, false, false, false},
};

static void leave_lines(struct exchange *exchange)
{
    struct exchange_admission *admission = &exchange->admission;
    queue_cancel(exchange->worker->pool, &admission->waiter);
    if (admission->shard != NULL) {
        gate_cancel(&admission->gate_waiter, exchange->worker);
    }
}

void admission_enter(struct exchange *exchange, enum admission_state state)
{
    struct exchange_admission *admission = &exchange->admission;
    struct pool_worker *pool = exchange->worker->pool;
    const unsigned before = admission->state;
    if (state == before) {
        return;
    }
    admission->state = (uint8_t)state;
    if (holdings[state].keeps && !holdings[before].keeps) {
        upstream_keep(pool, exchange->target.upstream);
    }
    if (holdings[before].waits && state != ADMISSION_ADMITTED) {
        leave_lines(exchange);
    }
    if (holdings[before].shard && !holdings[state].shard && admission->shard != NULL) {
        gate_leave(&admission->shard->gate, exchange->worker);
    }
    /* the last hold of an upstream that has gone from the settings: it may vanish with it */
    if (holdings[before].place && !holdings[state].place) {
        upstream_leave(pool, exchange->target.upstream);
    }
    if (holdings[before].keeps && !holdings[state].keeps) {
        upstream_let_go(pool, exchange->target.upstream);
    }
}

void admission_release(struct exchange *exchange)
{
    admission_enter(exchange, ADMISSION_OUTSIDE);
    if (exchange->admission.shard != NULL) {
        shard_let_go(&exchange->admission.shard);
    }
}
