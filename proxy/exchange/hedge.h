/*
 * Hedging: if a request waits longer for its answer than most do, it is also sent to another endpoint, and the first
 * answer counts.
 *
 * The second request is an exchange of its own, a twin, whose client is the first exchange. When the head of the
 * twin's response has come, the twin passes its response through struct downstream_ops to the client of the first
 * exchange. From then on the first exchange is beaten: it holds no place, has no attempt and plans no retry, so that
 * only one of the two sends to the client. The first exchange owns the twin, and ends with it. Only requests without
 * payload that may be sent twice are hedged.
 *
 * Owns: the twin. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_HEDGE_H
#define EVENKEEL_PROXY_EXCHANGE_HEDGE_H

#include "proxy/exchange/exchange.h"

/* When the exchange, which waits for its answer, is to be hedged; UINT64_MAX: never. */
uint64_t hedge_due_ms(const struct exchange *exchange);

/* The time of hedge_due_ms() has come: asks another endpoint, if the share of hedges is not used up and an endpoint is
   available at once. */
void hedge_start(struct exchange *exchange);

/* The exchange has its answer or is over, so its twin is cancelled. */
void hedge_cancel(struct exchange *exchange);

/* The exchange whose attempt brings the client's response: this one, or the twin that has beaten it. */
struct exchange *hedge_who_answers(struct exchange *exchange);

#endif
