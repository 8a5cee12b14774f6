/*
 * The body of a request that is taken in before the request goes to an upstream: a row of buffers, sent one by one, and kept if the
 * request may have to be sent again.
 *
 * Owns: the buffers, and what they take of the bound "request_buffer_bytes". Its memory is a buffer itself, so that a request
 * without it has a pointer only. Thread: the worker's. Errors: false, no memory.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_BODY_STORE_H
#define EVENKEEL_PROXY_EXCHANGE_BODY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http/payload.h"

struct body_store;
struct worker;

/* For bodies of up to `most_bytes`, and what one read brings beyond; `slot`: of the client (steady/fair_bound.h). NULL: no memory. */
__attribute__((warn_unused_result)) struct body_store *body_store_create(struct worker *worker,
                                                                         uint64_t most_bytes,
                                                                         unsigned slot);
/* NULL is fine. */
void body_store_free(struct body_store **store, struct worker *worker);

/* Takes so many further bytes of the bound. False: it, or the client's share of it, is used up. */
__attribute__((warn_unused_result)) bool body_store_count(struct body_store *store,
                                                          struct worker *worker, uint64_t bytes);
__attribute__((warn_unused_result)) bool body_store_add(struct body_store *store,
                                                        struct worker *worker,
                                                        const struct payload *payload);
/* All bytes that were added. */
uint64_t body_store_bytes(const struct body_store *store);

/* Whether a buffer waits to be sent, and whether one follows it. */
bool body_store_waits(const struct body_store *store);
bool body_store_is_last(const struct body_store *store);
/* That buffer's bytes. */
struct iovec body_store_piece(const struct body_store *store);
/* It has been sent. keep: it may have to be sent again; else all that was sent goes. */
void body_store_passed(struct body_store *store, struct worker *worker, bool keep);
/* Frees what was sent. */
void body_store_forget(struct body_store *store, struct worker *worker);
/* All that was sent and kept is to be sent again. */
void body_store_rewind(struct body_store *store);

#endif
