/*
 * Balance: which endpoint of an upstream an attempt goes to.
 *
 * Owns nothing. Thread: the worker's that asks. Time base: the loop clock. Never waits: who gets PICK_FULL may queue.
 */
#ifndef EVENKEEL_POOL_BALANCE_H
#define EVENKEEL_POOL_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/upstream.h"

struct pool_worker;

/* What an attempt options of its endpoint; zeroed: nothing in particular. */
struct pick_options {
    /* Tried already: taken only if there is no other. Only compared. */
    const struct endpoint *const *avoid;
    size_t avoid_count;
    /* False: must not be taken (its breaker refuses). Asked of more endpoints than the one that is chosen; NULL: all
       may. */
    bool (*usable)(const struct endpoint *endpoint, void *owner);
    void *owner;
    uint64_t key_hash; /* for the hash methods, by hash_bytes(BALANCE_KEY_SEED, ...) */
    bool idle_only;    /* only where a connection rests: none can be dialled */
    bool keyed;        /* the request has such a key; without one the method is p2c */
};

/* The same in every process, so that proxies side by side send a key to the same endpoint. */
#define BALANCE_KEY_SEED UINT64_C(0x65766e6b65656c31)

enum pick_result {
    PICK_OK,   /* *ret_endpoint is set */
    PICK_FULL, /* every endpoint that may be taken is full: waiting helps */
    PICK_NONE, /* none may be taken: all are refused by `usable` or drained by the operator, or there is none */
};

/* Chooses by the upstream's method, weights and health. `view` is the worker's present one. */
__attribute__((warn_unused_result)) enum pick_result upstream_pick(
    struct pool_worker *worker, const struct upstream_view *view,
    const struct pick_options *options, struct endpoint **ret_endpoint);

#endif
