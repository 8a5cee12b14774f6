/*
 * Hedging: a request that waits longer for its answer than most do is asked of another endpoint too, and whichever answers first
 * counts.
 *
 * The second question is an exchange of its own, a twin, whose client is the first one: what the twin's attempt brings goes through
 * struct downstream_ops to the first one's client once its head has come. From then on the first one is beaten: it holds no place,
 * has no attempt and plans no retry, so that one of the two at a time speaks to the client. The first exchange owns it, and it ends
 * with that. Only requests without payload that may be sent twice.
 *
 * Owns: the twin. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_HEDGE_H
#define EVENKEEL_PROXY_EXCHANGE_HEDGE_H

#include "proxy/exchange/exchange.h"

/* When the exchange, which awaits its answer, is to be hedged; UINT64_MAX: never. */
uint64_t hedge_due_ms(const struct exchange *exchange);

/* That time has come: asks another endpoint, if the share of hedges is not spent and one can be had at once. */
void hedge_start(struct exchange *exchange);

/* The exchange has its answer, or is over: its twin, if it has one, is not needed. */
void hedge_cancel(struct exchange *exchange);

/* Whose attempt the client's response comes from: the exchange itself, or the twin that has beaten it. */
struct exchange *hedge_who_answers(struct exchange *exchange);

#endif
