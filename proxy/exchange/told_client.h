/*
 * The client, when the connection is a trusted peer's: the rightmost address that the peers tell of and that is not one of them.
 *
 * Owns nothing. Thread: the worker's. Spec: RFC 7239 4, 5.2, 6; X-Forwarded-For has none.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_TOLD_CLIENT_H
#define EVENKEEL_PROXY_EXCHANGE_TOLD_CLIENT_H

struct exchange;

/* Finds it in the request's fields; the exchange's client stays the connection's where they tell of none. */
void told_client_find(struct exchange *exchange);

#endif
