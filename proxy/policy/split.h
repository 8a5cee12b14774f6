/*
 * Which of a route's upstreams gets a request: by weight, and for requests with a key always the same one.
 *
 * Owns nothing; pure. Thread: any. Spec: weighted rendezvous (highest random weight). If a weight changes, only the keys move
 * that the change gives to or takes from an upstream; the choice is the same in all processes.
 */
#ifndef EVENKEEL_PROXY_POLICY_SPLIT_H
#define EVENKEEL_PROXY_POLICY_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/rng.h"

/* The index of one of `count` upstreams, of which one at least has a weight above 0. */
size_t split_draw(const struct route_upstream *upstreams, size_t count, struct rng *rng);
size_t split_by_key(const struct route_upstream *upstreams, size_t count, uint64_t key_hash);

#endif
