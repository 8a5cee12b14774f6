/* Counting what upstreams and endpoints answered. */
#include "pool/traffic.h"

#include <stdlib.h>

#include "pool/endpoint.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/fault.h"

#define STATUS_MOST 600

/* 0: counted by its class. */
static const uint8_t counters[STATUS_MOST] = {
#define X(status) [status] = TRAFFIC_##status,
    TRAFFIC_STATUSES(X)
#undef X
};

static unsigned class_of(unsigned status)
{
    return status >= 100 && status < STATUS_MOST ? status / 100 : TRAFFIC_FAILED;
}

static unsigned counter_of(unsigned status)
{
    unsigned counter = status < STATUS_MOST ? counters[status] : 0;
    return counter != 0 ? counter : class_of(status);
}

static void *make_block(size_t bytes)
{
    return fault_hits(FAULT_ALLOC) ? NULL : calloc(1, bytes);
}

/* The worker's block, which its first use makes. NULL: no memory. */
static struct upstream_traffic *upstream_block(const struct pool_worker *worker,
                                               const struct upstream *upstream)
{
    struct upstream_local *local = &upstream->own->locals[worker->env.index];
    if (__builtin_expect(local->traffic == NULL, 0)) {
        __atomic_store_n(&local->traffic, make_block(sizeof *local->traffic), __ATOMIC_RELEASE);
    }
    return local->traffic;
}

static struct endpoint_traffic *endpoint_block(const struct pool_worker *worker,
                                               struct endpoint *endpoint)
{
    struct endpoint_local *local = &endpoint->locals[worker->env.index];
    if (__builtin_expect(local->traffic == NULL, 0)) {
        __atomic_store_n(&local->traffic, make_block(sizeof *local->traffic), __ATOMIC_RELEASE);
    }
    return local->traffic;
}

void traffic_answered(struct pool_worker *worker, struct endpoint *endpoint, unsigned status,
                      uint64_t service_us)
{
    struct upstream_traffic *upstream = upstream_block(worker, endpoint->upstream);
    struct endpoint_traffic *own = endpoint_block(worker, endpoint);
    if (upstream == NULL || own == NULL) {
        return;
    }
    count_add(&upstream->by_status[counter_of(status)], 1);
    count_add(&own->by_class[class_of(status)], 1);
    if (__builtin_expect(service_us != 0, 1)) {
        unsigned bucket = histogram_bucket(service_us);
        histogram_record_in(&upstream->service_us, bucket, service_us);
        histogram_record_in(&own->service_us, bucket, service_us);
    }
}

void traffic_unanswered(struct pool_worker *worker, struct endpoint *endpoint)
{
    traffic_answered(worker, endpoint, 0, 0);
}

void traffic_finished(struct pool_worker *worker, struct upstream *upstream,
                      const struct traffic_times *times)
{
    struct upstream_traffic *traffic = upstream_block(worker, upstream);
    if (traffic == NULL) {
        return;
    }
    histogram_record_in(&traffic->duration_us, times->duration_bucket, times->duration_us);
    if (__builtin_expect(times->queue_us <= 0, 1)) {
        count_add(&traffic->queue_us.counts[0], 1);
    } else {
        histogram_record(&traffic->queue_us, (uint64_t)times->queue_us);
    }
    if (__builtin_expect(times->connect_us >= 0, 0)) {
        histogram_record(&traffic->connect_us, (uint64_t)times->connect_us);
    }
    if (__builtin_expect(times->tls_us >= 0, 0)) {
        histogram_record(&traffic->tls_us, (uint64_t)times->tls_us);
    }
}

/* ---- sums ---- */

void upstream_traffic(const struct upstream *upstream, struct upstream_traffic *ret_sum)
{
    const struct upstream_private *own = upstream->own;
    *ret_sum = (struct upstream_traffic){.by_status = {0}};
    for (unsigned w = 0; w < own->pools->worker_count; w++) {
        const struct upstream_traffic *from =
            __atomic_load_n(&own->locals[w].traffic, __ATOMIC_ACQUIRE);
        if (from == NULL) {
            continue;
        }
        for (unsigned i = 0; i < TRAFFIC_STATUS_COUNT; i++) {
            ret_sum->by_status[i] += count_read(&from->by_status[i]);
        }
        histogram_add(&ret_sum->service_us, &from->service_us);
        histogram_add(&ret_sum->duration_us, &from->duration_us);
        histogram_add(&ret_sum->queue_us, &from->queue_us);
        histogram_add(&ret_sum->connect_us, &from->connect_us);
        histogram_add(&ret_sum->tls_us, &from->tls_us);
    }
}

void endpoint_traffic_add(struct endpoint_traffic *sum, const struct endpoint_traffic *more)
{
    for (unsigned i = 0; i < TRAFFIC_CLASS_COUNT; i++) {
        sum->by_class[i] += count_read(&more->by_class[i]);
    }
    histogram_add(&sum->service_us, &more->service_us);
}

void endpoint_traffic(const struct endpoint *endpoint, struct endpoint_traffic *sum)
{
    for (unsigned w = 0; w < endpoint->pools->worker_count; w++) {
        const struct endpoint_traffic *from =
            __atomic_load_n(&endpoint->locals[w].traffic, __ATOMIC_ACQUIRE);
        if (from != NULL) {
            endpoint_traffic_add(sum, from);
        }
    }
}

/* ---- the end ---- */

void upstream_traffic_free(struct upstream_private *own)
{
    for (unsigned w = 0; w < own->pools->worker_count; w++) {
        free(own->locals[w].traffic);
    }
}

void endpoint_traffic_free(struct endpoint *endpoint)
{
    for (unsigned w = 0; w < endpoint->pools->worker_count; w++) {
        free(endpoint->locals[w].traffic);
    }
}
