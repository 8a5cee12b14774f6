/*
 * Slow clients: how many places of an upstream the slow transfers of one client address hold, and whether one of them has to give its
 * place up because others wait. A transfer is slow if its client owes bytes of an upload, or takes none of a response, that others could
 * have sent or taken long ago.
 *
 * Owns: counts, embedded in each worker's part of an upstream's policy. Addresses share SLOW_CLIENT_SLOTS slots by a
 * secret hash. Thread: one writer for each struct, any reader. Time base: microseconds, a difference; refusals: milliseconds, monotonic.
 */
#ifndef EVENKEEL_PROXY_POLICY_SLOW_CLIENTS_H
#define EVENKEEL_PROXY_POLICY_SLOW_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/address.h"

#define SLOW_CLIENT_SLOTS 64
/* A transfer for which the client takes longer than this is slow. */
#define SLOW_CLIENT_BYTES_PER_S 4096
/* An upload whose client owes bytes is judged after the first, then after each of the second; a response that waits for its client, after
   each of the first. */
#define SLOW_CLIENT_AFTER_MS 1000
#define SLOW_CLIENT_AGAIN_MS 250
/* A refusal counts as one who waits for so long. */
#define SLOW_CLIENT_REFUSED_MS 1000

struct slow_clients {
    uint32_t transfers[SLOW_CLIENT_SLOTS];  /* slow ones at the upstream */
    uint32_t waiting[SLOW_CLIENT_SLOTS];    /* exchanges that wait for a place or a connection */
    uint32_t refused_ms[SLOW_CLIENT_SLOTS]; /* when the last one was refused; 0: none was */
};

unsigned slow_client_slot(uint64_t seed, const struct ip_address *client);
/* So many bytes within this time. */
bool slow_client_transfer(uint64_t bytes, uint64_t took_us);

/* Added or taken away (-1) by the worker that owns the counts. */
void slow_clients_add(uint32_t *count, int difference);
void slow_clients_refused(struct slow_clients *clients, unsigned slot, uint64_t now_ms);

/* Workers judge one after the other: what one gives up, the next does not count again. */
struct slow_clients_turn {
    bool taken; /* atomic */
};
/* False: somebody else judges now; this transfer waits for its next time. */
__attribute__((warn_unused_result)) bool slow_clients_begin(struct slow_clients_turn *turn);
void slow_clients_end(struct slow_clients_turn *turn);

/* A slot's counts over all workers. */
struct slow_clients_sum {
    uint64_t transfers_count;     /* of the slot */
    uint64_t all_transfers_count; /* of all slots */
    uint64_t others_waiting_count;
};
void slow_clients_sum_add(struct slow_clients_sum *sum, const struct slow_clients *of,
                          unsigned slot, uint64_t now_ms);
/* Whether a slow transfer of the slot has to go. share: of the exchanges in flight. While all slow transfers together are more than twice
   that share, a slot may have only an eighth of it; one transfer may always stay then. */
bool slow_clients_exceed(const struct slow_clients_sum *sum, uint64_t in_flight_count,
                         double share);

#endif
