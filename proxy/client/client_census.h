/*
 * A census of a worker: how many clients and exchanges it has and what they do, its oldest exchanges, and who uses most
 * of what all share.
 *
 * Owns nothing; a struct census is the caller's. Thread: it is taken on the worker's thread, in one go; then any. Time:
 * at most CENSUS_LOOKS clients and streams are looked at, which takes a few milliseconds. Errors: none; what was not
 * looked at is counted.
 */
#ifndef EVENKEEL_PROXY_CLIENT_CLIENT_CENSUS_H
#define EVENKEEL_PROXY_CLIENT_CLIENT_CENSUS_H

#include "proxy/exchange/exchange_sample.h"
#include "steady/top_users.h"

/* Exchanges that are described, the oldest first. */
#define CENSUS_EXCHANGES 100
#define CENSUS_LOOKS 50000

/* Columns: id, the bound that is used, by whom, what is counted. */
#define CENSUS_TOPS(X)                                                                   \
    X(CENSUS_CLIENTS_BY_CLIENT, "clients", "client", "connections of the address")       \
    X(CENSUS_BUFFERS_BY_CLIENT, "buffers_bytes", "client", "bytes held for the address") \
    X(CENSUS_EXCHANGES_BY_CLIENT, "exchanges", "client", "exchanges of the address")     \
    X(CENSUS_EXCHANGES_BY_ROUTE, "exchanges", "route", "exchanges of the route")         \
    X(CENSUS_EXCHANGES_BY_UPSTREAM, "exchanges", "upstream", "exchanges of the upstream")
enum census_top {
#define X(id, bound, by, words) id,
    CENSUS_TOPS(X)
#undef X
        CENSUS_TOP_COUNT
};

struct census_user {
    char who[SAMPLE_NAME_BYTES];
    uint64_t used, error; /* the figure may be too high by this */
};

struct census_top_list {
    struct census_user users[TOP_USERS]; /* the largest first */
    unsigned count;
};

struct census {
    uint64_t clients_count, idle_count, streams_count, exchanges_count;
    uint64_t overlooked_count; /* clients that were not looked at */
    uint64_t stages[EXCHANGE_STAGES_COUNT];
    uint64_t waits[EXCHANGE_WAITS_DISK + 1];
    struct exchange_sample oldest[CENSUS_EXCHANGES];
    unsigned oldest_count;
    struct census_top_list tops[CENSUS_TOP_COUNT];
};

void census_take(struct worker *worker, struct census *ret_census);

#endif
