/* When a batch is taken and sent, and what becomes of it. */
#include "config.h"

#include "proxy/control/tracing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/resolver.h"
#include "proxy/control/collector.h"
#include "proxy/control/control_state.h"
#include "proxy/policy/retry.h"
#include "proxy/trace/batch.h"
#include "proxy/trace/span.h"
#include "proxy/trace/span_rings.h"
#include "proxy/trace/trace_figures.h"
#include "steady/fault.h"
#include "steady/rng.h"

/* How often is looked whether there is something to send. */
#define LOOK_MS 100
/* Waits after a failure: doubled each time, and shortened by chance so that many processes do not come at once. */
#define AGAIN_FIRST_MS 250
#define AGAIN_MOST_MS 30000
#define AGAIN_DOUBLINGS 7
#define AGAIN_JITTER 0.5
/* The most that a collector may ask to wait. */
#define ASKED_MOST_MS 60000
/* A batch is given up after so many timeouts. */
#define GIVE_UP_TIMEOUTS 6
/* At most one line in so long a time. */
#define TELL_MS 60000
/* At the end of the process, and at most this part of what is left of the grace. */
#define TRACING_FLUSH_MS 400
#define TRACING_FLUSH_PART 3
#define FLUSH_STEP_MS 5
#define ADDRESSES 8

enum tracing_state {
    TRACING_OFF,
    TRACING_GATHERING, /* the batch is empty */
    TRACING_SENDING,   /* it is under way */
    TRACING_WAITING,   /* it is to be sent again */
};

struct tracing {
    struct control *control;
    struct settings *settings; /* in use; NULL: none yet */
    struct span_rings *rings;
    struct collector *collector;
    struct event *timer;
    struct tls_client *client, *coming; /* of settings in use, and of those that are prepared */
    struct batch batch;
    struct batch_source source;
    char host[256];
    struct trace_figures figures;
    enum tracing_state state;
    struct rng rng;
    uint64_t since_ms;     /* since when spans wait; 0: none does */
    uint64_t give_up_ms;   /* of the batch */
    uint64_t again_ms;     /* nothing is sent before */
    unsigned failures;     /* in a row */
    unsigned address_turn; /* of several addresses, which is next */
    uint64_t told_ms;      /* when the log was told of failures; 0: it was not, or of their end */
    uint64_t told_lost;    /* spans lost until the failures began */
    bool hurry;            /* the process ends */
};

static void tracing_step(struct tracing *tracing);

static const struct tracing_settings *settings_of(const struct tracing *tracing)
{
    return &tracing->settings->tracing;
}

/* ---- losses and the log ---- */

static uint64_t lost_of(const struct tracing *tracing)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) {
        count += tracing->figures.lost_counts[i];
    }
    return count;
}

static void tracing_lose(struct tracing *tracing, enum trace_loss loss)
{
    tracing->figures.lost_counts[loss] += tracing->batch.count;
    batch_empty(&tracing->batch);
}

static void tracing_tell(struct tracing *tracing, const char *why)
{
    uint64_t now_ms = control_now_ms();
    if (tracing->told_ms == 0) {
        tracing->told_lost = lost_of(tracing);
    } else if (now_ms - tracing->told_ms < TELL_MS) {
        return;
    }
    log_warn(tracing->control->log,
             "tracing: the collector %s takes no spans: %s; they wait, and are dropped when they "
             "are too many or too old: %" PRIu64 " so far",
             settings_of(tracing)->collector.text, why, lost_of(tracing) - tracing->told_lost);
    tracing->told_ms = now_ms;
}

static void tracing_tell_end(struct tracing *tracing)
{
    if (tracing->told_ms != 0) {
        log_info(tracing->control->log,
                 "tracing: the collector %s takes spans again: %" PRIu64 " were dropped",
                 settings_of(tracing)->collector.text, lost_of(tracing) - tracing->told_lost);
        tracing->told_ms = 0;
    }
}

/* ---- the answer ---- */

/* Nothing is sent for a while. asked_ms: what the collector asks for; 0: nothing. */
static void tracing_back_off(struct tracing *tracing, uint64_t asked_ms)
{
    unsigned doublings = tracing->failures < AGAIN_DOUBLINGS ? tracing->failures : AGAIN_DOUBLINGS;
    uint64_t wait_ms = (uint64_t)AGAIN_FIRST_MS << doublings;
    wait_ms =
        rng_shorten(&tracing->rng, wait_ms < AGAIN_MOST_MS ? wait_ms : AGAIN_MOST_MS, AGAIN_JITTER);
    asked_ms = asked_ms < ASKED_MOST_MS ? asked_ms : ASKED_MOST_MS;
    tracing->again_ms = control_now_ms() + (wait_ms > asked_ms ? wait_ms : asked_ms);
    tracing->failures++;
    tracing->address_turn++;
}

/* The batch may be taken later. */
static void tracing_put_off(struct tracing *tracing, enum export_result result, const char *why,
                            uint64_t asked_ms)
{
    tracing->figures.export_counts[result]++;
    tracing_tell(tracing, why);
    tracing_back_off(tracing, asked_ms);
    tracing->state = TRACING_WAITING;
}

static void tracing_taken(struct tracing *tracing, const struct collector_answer *answer)
{
    uint64_t rejected = batch_rejected(answer->body, answer->body_bytes);
    uint64_t count = tracing->batch.count;
    rejected = rejected < count ? rejected : count;
    tracing->figures.export_counts[EXPORT_TAKEN]++;
    tracing->figures.sent_count += count - rejected;
    tracing->figures.lost_counts[TRACE_LOSS_REFUSED] += rejected;
    tracing->failures = 0;
    tracing->state = TRACING_GATHERING;
    batch_empty(&tracing->batch);
    if (rejected > 0) {
        tracing_tell(tracing, "it rejects some");
    } else {
        tracing_tell_end(tracing);
    }
    tracing_step(tracing);
}

/* OTLP, "Failures": these are asked again, others never. */
static bool is_for_later(unsigned status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void tracing_answered(struct tracing *tracing, const struct collector_answer *answer)
{
    unsigned status = answer->head->status;
    char why[256];
    if (status / 100 == 2) {
        tracing_taken(tracing, answer);
        return;
    }
    snprintf(why, sizeof why, "status %u: %.*s", status,
             (int)(answer->body_bytes < 160 ? answer->body_bytes : 160), answer->body);
    if (is_for_later(status)) {
        tracing_put_off(tracing, EXPORT_PUT_OFF, why,
                        retry_after_ms(answer->head, control_wall_ms()));
        return;
    }
    tracing->figures.export_counts[EXPORT_REFUSED]++;
    tracing_tell(tracing, why);
    tracing_lose(tracing, TRACE_LOSS_REFUSED);
    tracing_back_off(tracing, 0);
    tracing->state = TRACING_GATHERING;
}

static void tracing_on_answer(const struct collector_answer *answer, void *owner)
{
    struct tracing *tracing = owner;
    char why[256];
    switch (answer->result) {
    case COLLECTOR_ANSWERED: tracing_answered(tracing, answer); return;
    case COLLECTOR_NO_CONNECTION: snprintf(why, sizeof why, "%s", strerror(answer->error)); break;
    case COLLECTOR_NO_TLS:
        snprintf(why, sizeof why, "%s: %s", collector_result_name(answer->result),
                 tls_failure_name(answer->tls));
        break;
    case COLLECTOR_BROKEN:
    case COLLECTOR_NOT_HTTP:
    case COLLECTOR_TIMEOUT:
        snprintf(why, sizeof why, "%s", collector_result_name(answer->result));
        break;
    }
    tracing_put_off(tracing, EXPORT_FAILED, why, 0);
}

/* ---- sending ---- */

/* False: its name has no address yet. */
static bool tracing_find(struct tracing *tracing, struct address *ret_address)
{
    const struct endpoint_settings *collector = &settings_of(tracing)->collector;
    struct named_address named[ADDRESSES];
    if (collector->literal) {
        return address_from_host(collector->host, strlen(collector->host), collector->port,
                                 ret_address);
    }
    size_t count =
        resolver_addresses(tracing->control->names.resolver, collector, named, ADDRESSES);
    if (count > 0) {
        *ret_address = named[tracing->address_turn % count].address;
    }
    return count > 0;
}

static void tracing_send(struct tracing *tracing)
{
    const struct tracing_settings *settings = settings_of(tracing);
    struct collector_request request = {
        .client = tracing->client,
        .server_name = settings->tls.server_name[0] != '\0' ? settings->tls.server_name
                                                            : settings->collector.host,
        .piece_count = BATCH_PIECES,
        .timeout_ms = settings->timeout_ms,
    };
    if (!tracing_find(tracing, &request.address)) {
        tracing_put_off(tracing, EXPORT_FAILED, "its name has no address", 0);
        return;
    }
    batch_pieces(&tracing->batch, settings, tracing->source.version, request.pieces);
    if (collector_post(tracing->collector, &request)) {
        tracing->state = TRACING_SENDING;
    } else {
        tracing_put_off(tracing, EXPORT_FAILED, "no file descriptor or no memory", 0);
    }
}

/* Whether what waits is to be sent now. */
static bool tracing_due(struct tracing *tracing, uint64_t now_ms)
{
    uint64_t waiting = span_rings_waiting(tracing->rings);
    if (waiting == 0) {
        tracing->since_ms = 0;
        return false;
    }
    tracing->since_ms = tracing->since_ms != 0 ? tracing->since_ms : now_ms;
    return now_ms >= tracing->again_ms &&
           (tracing->hurry || waiting >= settings_of(tracing)->batch_count ||
            now_ms - tracing->since_ms >= settings_of(tracing)->delay_ms);
}

static void tracing_gather(struct tracing *tracing, uint64_t now_ms)
{
    const struct tracing_settings *settings = settings_of(tracing);
    if (!tracing_due(tracing, now_ms)) {
        return;
    }
    batch_fill(&tracing->batch, tracing->rings, settings->batch_count);
    tracing->since_ms = 0;
    tracing->give_up_ms = now_ms + GIVE_UP_TIMEOUTS * settings->timeout_ms;
    if (tracing->batch.count > 0) {
        tracing_send(tracing);
    }
}

static void tracing_step(struct tracing *tracing)
{
    uint64_t now_ms = control_now_ms();
    span_rings_look(tracing->rings);
    tracing->figures.lost_counts[TRACE_LOSS_QUEUE] = span_rings_lost(tracing->rings);
    switch (tracing->state) {
    case TRACING_GATHERING: tracing_gather(tracing, now_ms); break;
    case TRACING_WAITING:
        if (now_ms >= tracing->give_up_ms) {
            tracing_lose(tracing, TRACE_LOSS_COLLECTOR);
            tracing->state = TRACING_GATHERING;
        } else if (now_ms >= tracing->again_ms) {
            tracing_send(tracing);
        }
        break;
    case TRACING_SENDING:
    case TRACING_OFF: break;
    }
}

static void tracing_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tracing_step(arg);
}

/* ---- settings ---- */

bool tracing_prepare(struct control *control, const struct settings *settings, char *why,
                     size_t why_bytes)
{
    struct tracing *tracing = control->tracing;
    char cause[448];
    tls_client_put(&tracing->coming);
    if (!settings->tracing.on || !settings->tracing.tls.enabled ||
        tls_client_obtain(pools_tls_clients(control->pools), &settings->tracing.tls,
                          &tracing->coming, cause, sizeof cause) == TLS_CLIENT_OK) {
        return true;
    }
    snprintf(why, why_bytes, "tracing.%s", cause);
    return false;
}

/* Spans of exchanges that began before still come, and are dropped. */
static void tracing_end(struct tracing *tracing)
{
    collector_cancel(tracing->collector);
    do {
        tracing_lose(tracing, TRACE_LOSS_END);
        batch_fill(&tracing->batch, tracing->rings, UINT64_MAX);
    } while (tracing->batch.count > 0);
    event_del(tracing->timer);
    tracing->state = TRACING_OFF;
}

static void tracing_begin(struct tracing *tracing)
{
    const struct timeval period = {0, LOOK_MS * 1000};
    if (!batch_open(&tracing->batch) || !span_rings_open(tracing->rings) ||
        event_add(tracing->timer, &period) != 0) {
        log_error(tracing->control->log, "tracing: no memory: spans are dropped");
        return;
    }
    tracing->state = TRACING_GATHERING;
}

void tracing_use(struct control *control, struct settings *settings)
{
    struct tracing *tracing = control->tracing;
    if (settings == tracing->settings) {
        return;
    }
    if (tracing->state == TRACING_SENDING) { /* sent again, as the new settings say */
        collector_cancel(tracing->collector);
        tracing->state = TRACING_WAITING;
    }
    if (tracing->state != TRACING_OFF && !settings->tracing.on) {
        tracing_end(tracing);
    }
    settings_put(&tracing->settings);
    tls_client_put(&tracing->client);
    tracing->settings = settings_get(settings);
    tracing->client = tracing->coming;
    tracing->coming = NULL;
    tracing->again_ms = tracing->told_ms = 0;
    tracing->failures = 0;
    batch_describe(&tracing->batch, &tracing->source, settings_of(tracing));
    if (tracing->state == TRACING_OFF && settings->tracing.on) {
        tracing_begin(tracing);
    }
}

/* ---- life ---- */

static bool tracing_build(struct tracing *tracing)
{
    struct control *control = tracing->control;
    const struct collector_env env = {.base = control->loop.base,
                                      .fds = &control->limits.shared.fds,
                                      .scratch = &control->probe.scratch,
                                      .on_answer = tracing_on_answer,
                                      .owner = tracing};
    tracing->rings =
        span_rings_create(control->generations.settings->worker_count, &control->limits.registry);
    tracing->collector = collector_create(&env);
    tracing->timer = event_new(control->loop.base, -1, EV_PERSIST, tracing_on_timer, tracing);
    return tracing->rings != NULL && tracing->collector != NULL && tracing->timer != NULL;
}

bool tracing_create(struct control *control)
{
    struct tracing *tracing = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *tracing);
    if (tracing == NULL) {
        return false;
    }
    control->tracing = tracing;
    tracing->control = control;
    rng_init_random(&tracing->rng);
    span_id_write(rng_next(&tracing->rng), tracing->source.instance);
    span_id_write(rng_next(&tracing->rng), tracing->source.instance + 16);
    tracing->source.version = PACKAGE_VERSION;
    tracing->source.pid = (uint32_t)getpid();
    tracing->source.host =
        gethostname(tracing->host, sizeof tracing->host - 1) == 0 ? tracing->host : "";
    return tracing_build(tracing);
}

void tracing_free(struct control *control)
{
    struct tracing *tracing = control->tracing;
    if (tracing == NULL) {
        return;
    }
    control->tracing = NULL;
    collector_free(&tracing->collector);
    if (tracing->timer != NULL) {
        event_free(tracing->timer);
    }
    span_rings_free(&tracing->rings);
    batch_release(&tracing->batch);
    tls_client_put(&tracing->client);
    tls_client_put(&tracing->coming);
    settings_put(&tracing->settings);
    free(tracing);
}

struct span_rings *tracing_rings(const struct control *control)
{
    return control->tracing->rings;
}

const struct trace_figures *tracing_figures(const struct control *control)
{
    return &control->tracing->figures;
}

/* Whether something is left to send, and the collector takes it. */
static bool tracing_flushes(const struct tracing *tracing)
{
    return tracing->state == TRACING_SENDING ||
           (tracing->state == TRACING_GATHERING && tracing->failures == 0 &&
            span_rings_waiting(tracing->rings) > 0);
}

void tracing_flush(struct control *control)
{
    struct tracing *tracing = control->tracing;
    const struct timeval step = {0, FLUSH_STEP_MS * 1000};
    uint64_t part_ms = drain_left_ms(control) / TRACING_FLUSH_PART;
    uint64_t until_ms =
        control_now_ms() + (part_ms < TRACING_FLUSH_MS ? part_ms : TRACING_FLUSH_MS);
    if (tracing == NULL || tracing->state == TRACING_OFF) {
        return;
    }
    tracing->hurry = true;
    tracing_step(tracing);
    while (tracing_flushes(tracing) && control_now_ms() < until_ms) {
        event_base_loopexit(control->loop.base, &step);
        event_base_loop(control->loop.base, EVLOOP_ONCE);
        tracing_step(tracing);
    }
    uint64_t left = tracing->batch.count + span_rings_waiting(tracing->rings);
    if (left > 0) {
        log_warn(control->log, "tracing: %" PRIu64 " spans are lost at the end", left);
    }
}
