/*
 * Slow clients: how many places of an upstream the slow uploads of one client address hold, and whether one of them has
 * to give its place up because others wait.
 *
 * Owns: counts, embedded in each worker's part of an upstream's policy. Addresses share SLOW_CLIENT_SLOTS slots by a
 * secret hash. Thread: one writer for each struct, any reader. Time base: microseconds, a difference.
 */
#ifndef EVENKEEL_PROXY_POLICY_SLOW_CLIENTS_H
#define EVENKEEL_PROXY_POLICY_SLOW_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/address.h"

#define SLOW_CLIENT_SLOTS 64
/* An upload that comes slower than this is slow. */
#define SLOW_CLIENT_BYTES_PER_S 4096
/* An upload whose client owes bytes is judged after the first, then after each of the second. */
#define SLOW_CLIENT_AFTER_MS 1000
#define SLOW_CLIENT_AGAIN_MS 250

struct slow_clients {
    uint32_t uploads[SLOW_CLIENT_SLOTS]; /* slow uploads at the upstream */
    uint32_t waiting[SLOW_CLIENT_SLOTS]; /* exchanges that wait for a place or a connection */
};

unsigned slow_client_slot(uint64_t seed, const struct ip_address *client);
bool slow_client_upload(uint64_t bytes, uint64_t took_us);

/* Added or taken away (-1) by the worker that owns the counts. */
void slow_clients_add(uint32_t *count, int difference);

/* A slot's counts over all workers. */
struct slow_clients_sum {
    uint64_t uploads_count; /* of the slot */
    uint64_t others_waiting_count;
};
void slow_clients_sum_add(struct slow_clients_sum *sum, const struct slow_clients *of,
                          unsigned slot);
/* Whether a slow upload of the slot has to go. share: of the exchanges in flight. */
bool slow_clients_exceed(const struct slow_clients_sum *sum, uint64_t in_flight_count,
                         double share);

#endif
