/*
 * What an exchange does at this moment, as a report can carry it: its stage, what it waits for and since when, and no
 * more of the request than its method and its path.
 *
 * Owns nothing: texts are copied, and cut where they are too long. Thread: the one that takes it is the exchange's
 * worker's; then any. Errors: none. Neither a field of the request nor its query is ever in it.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_SAMPLE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_SAMPLE_H

#include <stdint.h>

#include "proxy/exchange/exchange.h"

/* id, name, words */
#define EXCHANGE_WAITS(X)                                                                       \
    X(EXCHANGE_WAITS_NOT, "nothing", "nothing: it runs")                                        \
    X(EXCHANGE_WAITS_AUTH, "auth", "to be told whether the client may (auth)")                  \
    X(EXCHANGE_WAITS_CLIENT_BODY, "client_body", "the client to send its body")                 \
    X(EXCHANGE_WAITS_SHARD, "shard", "a place in its shard")                                    \
    X(EXCHANGE_WAITS_PLACE, "place", "a place at the upstream (limits.in_flight)")              \
    X(EXCHANGE_WAITS_CONNECTION, "connection", "a connection to be free (pool.max)")            \
    X(EXCHANGE_WAITS_DESCRIPTOR, "descriptor", "a file descriptor")                             \
    X(EXCHANGE_WAITS_DIAL, "dial", "a connection to be made, with its TLS handshake")           \
    X(EXCHANGE_WAITS_CONTINUE, "continue", "the endpoint to say 100")                           \
    X(EXCHANGE_WAITS_UPSTREAM_TAKES, "upstream_takes", "the endpoint to take the request")      \
    X(EXCHANGE_WAITS_UPSTREAM_HEAD, "upstream_head", "the endpoint to begin its response")      \
    X(EXCHANGE_WAITS_UPSTREAM_BODY, "upstream_body", "the endpoint to go on with its response") \
    X(EXCHANGE_WAITS_CLIENT_TAKES, "client_takes", "the client to take the response")           \
    X(EXCHANGE_WAITS_TUNNEL, "tunnel", "either side of its tunnel")                             \
    X(EXCHANGE_WAITS_RETRY, "retry", "the end of the pause before a retry")                     \
    X(EXCHANGE_WAITS_DISK, "disk", "a disk")
enum exchange_wait {
#define X(id, name, words) id,
    EXCHANGE_WAITS(X)
#undef X
};
const char *exchange_wait_name(enum exchange_wait wait);
const char *exchange_wait_words(enum exchange_wait wait);

#define EXCHANGE_STAGES_COUNT (EXCHANGE_FINISHED + 1)
const char *exchange_stage_name(enum exchange_stage stage);

#define SAMPLE_NAME_BYTES 65
#define SAMPLE_PATH_BYTES 129

struct exchange_sample {
    uint64_t started_us; /* of the loop clock */
    uint64_t age_ms, waits_ms;
    int64_t deadline_left_ms; /* -1: there is none */
    uint64_t request_bytes, response_bytes;
    enum exchange_stage stage;
    enum exchange_wait wait;
    unsigned status; /* 0: nothing was sent to the client */
    unsigned attempts_count;
    unsigned worker;
    const char *protocol;
    char method[HTTP_METHOD_MAX_BYTES + 1];
    char path[SAMPLE_PATH_BYTES];
    char client[SAMPLE_NAME_BYTES];
    char listener[SAMPLE_NAME_BYTES], route[SAMPLE_NAME_BYTES], upstream[SAMPLE_NAME_BYTES];
    char endpoint[SAMPLE_NAME_BYTES];
    char request_id[SAMPLE_NAME_BYTES];
};

/* Of the exchange itself or, when its twin brings the answer, of that one. */
void exchange_sample_take(const struct exchange *exchange, struct exchange_sample *ret_sample);
enum exchange_wait exchange_waits_for(const struct exchange *exchange);
/* Memory of the buffers that it holds. */
uint64_t exchange_held_bytes(const struct exchange *exchange);

#endif
