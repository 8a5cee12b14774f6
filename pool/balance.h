/*
 * Balance: chooses the endpoint of an upstream that an attempt goes to.
 *
 * Owns nothing. Thread: the worker that asks. Time base: the loop clock. Never waits: a caller that gets PICK_FULL may
 * queue.
 */
#ifndef EVENKEEL_POOL_BALANCE_H
#define EVENKEEL_POOL_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/upstream.h"

struct pool_worker;

/* What an attempt wants of its endpoint. All zero: nothing in particular. */
struct pick_options {
    /* Endpoints that this exchange has tried: one of them is chosen only if there is no other. Only compared, never
       followed. */
    const struct endpoint *const *avoid;
    size_t avoid_count;
    /* This one if it may be chosen, whatever the method and its load, but a backup only while it has to stand in; NULL: no preference.
       An endpoint of the view. */
    struct endpoint *preferred;
    bool *ret_full; /* with `preferred`: whether another one is chosen only because that is full */
    /* False: the endpoint must not be chosen, because its breaker refuses. Called for more endpoints than the one that
       is chosen. NULL: every endpoint may be chosen. */
    bool (*usable)(const struct endpoint *endpoint, void *owner);
    void *owner;
    uint64_t key_hash; /* for the hash methods, by hash_bytes(BALANCE_KEY_SEED, ...) */
    /* only an endpoint with an idle connection, because no connection can be dialled */
    bool idle_only;
    bool keyed; /* the request has the key; without it the method is p2c */
};

/* The seed is the same in every process, so that several proxies send a key to the same endpoint. */
#define BALANCE_KEY_SEED UINT64_C(0x65766e6b65656c31)

enum pick_result {
    PICK_OK,   /* *ret_endpoint is set */
    PICK_FULL, /* every endpoint that may be chosen is full: waiting helps */
    /* no endpoint may be chosen: `usable` refuses all, the operator has drained all, or there is none */
    PICK_NONE,
};

/* Chooses by the upstream's method, weights and health. `view` must be the worker's current view. */
__attribute__((warn_unused_result)) enum pick_result upstream_pick(
    struct pool_worker *worker, const struct upstream_view *view,
    const struct pick_options *options, struct endpoint **ret_endpoint);

#endif
