/*
 * Clients that take a file so slowly that it is not worth its descriptor while others need one.
 *
 * A transfer is slow if its client takes less than SLOW_CLIENT_BYTES_PER_S between two judgements. While descriptors or memory for clients
 * are scarce, an address may have as many slow ones as slow_clients_exceed() says, of all answers from files that are in progress.
 *
 * Owns: counts. The crowd is the process's, and every worker writes it. Thread: the worker's. Time base: monotonic, ms.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_PACE_H
#define EVENKEEL_PROXY_EDGE_FILE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/policy/slow_clients.h"

/* Of one address. */
#define FILE_CLIENT_SHARE 0.25

/* All atomic. */
struct file_crowd {
    uint32_t in_flight_count;
    uint32_t slow_counts[SLOW_CLIENT_SLOTS];
};

struct file_pace {
    uint64_t judged_ms;    /* when it was judged last, or began */
    uint64_t judged_bytes; /* what its client had taken then */
    unsigned slot;         /* of its client */
    bool slow;
};

void file_pace_begin(struct file_pace *pace, struct file_crowd *crowd, unsigned slot,
                     uint64_t now_ms);
/* The client has taken so much by now. True: the transfer has to go, if others need what it holds. */
bool file_pace_judge(struct file_pace *pace, struct file_crowd *crowd, uint64_t taken_bytes,
                     uint64_t now_ms);
void file_pace_end(struct file_pace *pace, struct file_crowd *crowd);

#endif
