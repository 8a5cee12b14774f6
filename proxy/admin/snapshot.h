/*
 * A snapshot of the process for a bug report (POST /snapshot): what each worker has told of itself, the oldest
 * exchanges, who uses most of each bound, the allocator's figures, and the other pages.
 *
 * Owns nothing; control/snapshots collects it. Thread: control. Size: bounded by the number of workers, and by the
 * configuration as /status and /upstreams are. Nothing of a request is in it but method and path (exchange_sample.h).
 */
#ifndef EVENKEEL_PROXY_ADMIN_SNAPSHOT_H
#define EVENKEEL_PROXY_ADMIN_SNAPSHOT_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/admin/overview.h"
#include "proxy/admin/page.h"

struct census;

struct snapshot_worker {
    const struct census *census; /* NULL: it has not answered in time */
    uint64_t heartbeat_wall_ms;  /* its last sign of life */
    uint64_t silence_ms;         /* since then */
    char thread_state;           /* as proc(5) has it: R, S, D, ...; '\0': unknown */
};

struct snapshot {
    uint64_t taken_wall_ms, took_ms;
    const struct snapshot_worker *workers;
    unsigned worker_count;
};

/* Writes everything that is known now, and leaves the object open for the members below. */
void snapshot_write(struct evbuffer *out, const struct snapshot *snapshot,
                    const struct overview *overview);
/* The pages that follow in the same object. */
extern const struct page_member snapshot_members[];

#endif
