/*
 * Who asks: a route's auth, between its access and everything else that it does.
 *
 * While that is found out the exchange is EXCHANGE_ASKING: it holds no place, nothing more of its body is read, and its deadline runs.
 * It goes on behind that only if the answer is yes; everything else, a missing answer too, ends it.
 *
 * Owns, in struct exchange_auth: the side request, the wait for a password's hash, and the name of the user. Thread: the worker's. Time base: the loop clock.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_AUTH_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_AUTH_H

#include <stdbool.h>

struct exchange;
struct http_head;

/* Asks. True: the request may pass at once. False: the exchange is EXCHANGE_ASKING, or over. */
__attribute__((warn_unused_result)) bool exchange_auth_begin(struct exchange *exchange);
/* The exchange ends while it asks. */
void exchange_auth_cancel(struct exchange *exchange);
/* The exchange is freed. */
void exchange_auth_release(struct exchange *exchange);

/* Drops from the exchange's trailers what only auth may write. */
void exchange_auth_guard(const struct exchange *exchange, struct http_head *trailers);

/* What a client that is refused is to give a password for; NULL: none is asked for. */
const char *exchange_auth_realm(const struct exchange *exchange);
/* Who the user is, by auth; "": nobody was asked, or no name is known. */
const char *exchange_auth_user(const struct exchange *exchange);

#endif
