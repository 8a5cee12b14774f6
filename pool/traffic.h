/*
 * Traffic: what upstreams and endpoints answered, and how long it took.
 *
 * Owns: for each worker one block of figures for each upstream and each endpoint, from its first response or failure on; an
 * upstream without traffic costs nothing. Thread: a worker writes its own blocks; the sums are made on the control thread (relaxed
 * atomics: a sum may be a few events old, never torn). Time base: microseconds. Errors: without memory for a block, what
 * it would have counted is not counted.
 */
#ifndef EVENKEEL_POOL_TRAFFIC_H
#define EVENKEEL_POOL_TRAFFIC_H

#include <stdint.h>

#include "steady/histogram.h"

struct endpoint;
struct pool_worker;
struct upstream;

/* Statuses that are counted one by one; the others are counted by class. */
/* clang-format off */
#define TRAFFIC_STATUSES(X)                                                                          \
    X(101)                                                                                           \
    X(200) X(201) X(202) X(203) X(204) X(205) X(206) X(207) X(208) X(226)                            \
    X(300) X(301) X(302) X(303) X(304) X(305) X(307) X(308)                                          \
    X(400) X(401) X(402) X(403) X(404) X(405) X(406) X(407) X(408) X(409) X(410) X(411) X(412)       \
    X(413) X(414) X(415) X(416) X(417) X(418) X(421) X(422) X(423) X(424) X(425) X(426) X(428)       \
    X(429) X(431) X(444) X(451) X(460) X(499)                                                        \
    X(500) X(501) X(502) X(503) X(504) X(505) X(506) X(507) X(508) X(510) X(511)                     \
    X(520) X(521) X(522) X(523) X(524) X(525) X(526) X(527) X(529) X(530)
/* clang-format on */

/* Index of a counter by status. */
enum traffic_status {
    TRAFFIC_UNANSWERED, /* the attempt failed before a response */
    TRAFFIC_OTHER_1XX,
    TRAFFIC_OTHER_2XX,
    TRAFFIC_OTHER_3XX,
    TRAFFIC_OTHER_4XX,
    TRAFFIC_OTHER_5XX,
#define X(status) TRAFFIC_##status,
    TRAFFIC_STATUSES(X)
#undef X
        TRAFFIC_STATUS_COUNT
};
/* Words for the first of them, and for enum traffic_class. */
#define TRAFFIC_CLASSES "none", "1xx", "2xx", "3xx", "4xx", "5xx",

enum traffic_class {
    TRAFFIC_FAILED,
    TRAFFIC_1XX,
    TRAFFIC_2XX,
    TRAFFIC_3XX,
    TRAFFIC_4XX,
    TRAFFIC_5XX,
    TRAFFIC_CLASS_COUNT
};

struct upstream_traffic {
    uint64_t by_status[TRAFFIC_STATUS_COUNT]; /* of attempts */
    /* from the time when the endpoint had all it needed to the head of its response, by attempt */
    struct histogram service_us;
    /* by exchange: its whole time; in the queue, 0 if it did not wait there; waiting for a dial; for its TLS handshake */
    struct histogram duration_us, queue_us, connect_us, tls_us;
};

struct endpoint_traffic {
    uint64_t by_class[TRAFFIC_CLASS_COUNT];
    struct histogram service_us;
};

/* The times of an exchange that is over. */
struct traffic_times {
    uint64_t duration_us;
    unsigned duration_bucket;             /* histogram_bucket() of it */
    int64_t queue_us, connect_us, tls_us; /* negative: there was none */
};

/* An attempt has a response head (status 101 or from 200 on). service_us 0: it says nothing, because the client still owes bytes. */
void traffic_answered(struct pool_worker *worker, struct endpoint *endpoint, unsigned status,
                      uint64_t service_us);
/* An attempt has failed without a response. */
void traffic_unanswered(struct pool_worker *worker, struct endpoint *endpoint);
/* An exchange that had a place at the upstream, or waited for one, is over. */
void traffic_finished(struct pool_worker *worker, struct upstream *upstream,
                      const struct traffic_times *times);

/* The sum over the workers. */
void upstream_traffic(const struct upstream *upstream, struct upstream_traffic *ret_sum);
/* Calls `each` for every endpoint's text in the settings, with the sum over the workers and over all addresses that the text has
   ever stood for. */
void upstream_each_endpoint_traffic(const struct upstream *upstream,
                                    void (*each)(const char *text,
                                                 const struct endpoint_traffic *traffic,
                                                 void *owner),
                                    void *owner);

/* ---- private to pool/ ---- */

struct upstream_private;
void endpoint_traffic_add(struct endpoint_traffic *sum, const struct endpoint_traffic *more);
/* Adds what all workers have counted. */
void endpoint_traffic(const struct endpoint *endpoint, struct endpoint_traffic *sum);
void upstream_traffic_free(struct upstream_private *own);
void endpoint_traffic_free(struct endpoint *endpoint);

#endif
