/* The operations of a client behind an encoder. */
#include "proxy/exchange/exchange_compress.h"

#include <stdlib.h>

#include "proxy/edge/compress_rule.h"
#include "proxy/edge/encoder.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "steady/container_of.h"
#include "steady/fault.h"

/* How much is read for a compressor at a time: about a tenth of a millisecond of work, at a high level several. */
#define STEP_BYTES 8192
#define HARD_LEVEL 4
#define HARD_STEP_BYTES 2048
/* Space for what becomes of it. */
#define OUT_BYTES 16000

struct compressor {
    struct downstream_ops ops; /* the client's, with those of this file */
    const struct downstream_ops *client;
    struct exchange *exchange;
    struct encoder *encoder;
    const struct http_head *head; /* to be sent with the first bytes; NULL: it was sent */
    struct deferred flush;
    size_t step_bytes;
    /* what the client has said in this step: since the last one it may have taken all */
    enum sink sink;
};

static struct compressor *compressor_of(const struct exchange *exchange)
{
    return exchange->edge.compressor;
}

/* ---- what the client gets ---- */

static enum sink emit(struct compressor *compressor, const struct iovec *piece,
                      const struct payload *of)
{
    const struct payload payload = {piece, piece->iov_len > 0, of->last, of->trailers};
    struct exchange *exchange = compressor->exchange;
    const struct http_head *head = compressor->head;
    hedge_who_answers(exchange)->response.payload_bytes += piece->iov_len;
    stat_add(&exchange->worker->stats.compressed_bytes_out, piece->iov_len);
    compressor->head = NULL;
    compressor->sink = head != NULL ? compressor->client->send_head(exchange, head, &payload)
                                    : compressor->client->send_payload(exchange, &payload);
    return compressor->sink;
}

static enum sink fail(const struct compressor *compressor)
{
    exchange_finish(compressor->exchange, REASON_NO_MEMORY);
    return SINK_BROKEN;
}

/* Encodes one piece into the space; each time that is full, the client gets it. */
static enum sink encode_piece(struct compressor *compressor, const struct iovec *in,
                              enum encoder_aim aim, struct buf *space, struct encoder_work *work)
{
    static const struct payload more = {NULL, 0, false, NULL};
    bool done;
    work->in = in->iov_base;
    work->in_bytes = in->iov_len;
    do {
        if (!encoder_step(compressor->encoder, work, aim, &done)) {
            return fail(compressor);
        }
        if (!done && work->out_bytes == 0) {
            const struct iovec piece = {space->bytes, (size_t)(work->out - space->bytes)};
            if (emit(compressor, &piece, &more) == SINK_BROKEN) {
                return SINK_BROKEN;
            }
            work->out = space->bytes;
            work->out_bytes = space->capacity;
        }
    } while (!done);
    return SINK_OPEN;
}

static enum sink encode_into(struct compressor *compressor, const struct payload *payload,
                             enum encoder_aim aim, struct buf *space)
{
    static const struct iovec nothing = {"", 0};
    struct encoder_work work = {.out = space->bytes, .out_bytes = space->capacity};
    size_t i = 0;
    do {
        bool final = i + 1 >= payload->count;
        const struct iovec *in = payload->count > 0 ? &payload->iov[i] : &nothing;
        if (encode_piece(compressor, in, final ? aim : ENCODER_GOES_ON, space, &work) ==
            SINK_BROKEN) {
            return SINK_BROKEN;
        }
    } while (++i < payload->count);
    const struct iovec rest = {space->bytes, (size_t)(work.out - space->bytes)};
    bool any = rest.iov_len > 0 || payload->last || compressor->head != NULL;
    return any ? emit(compressor, &rest, payload) : compressor->sink;
}

static enum sink encode(struct compressor *compressor, const struct payload *payload,
                        enum encoder_aim aim)
{
    struct worker *worker = compressor->exchange->worker;
    struct buf *space = buf_take(worker->bufs, OUT_BYTES);
    if (space == NULL) {
        return fail(compressor);
    }
    compressor->sink = SINK_OPEN;
    enum sink sink = encode_into(compressor, payload, aim, space);
    buf_give(worker->bufs, &space);
    return sink;
}

/* Who answers has counted the bytes as they came; the log wants those that are sent. */
static void count_in(struct compressor *compressor, const struct payload *payload)
{
    size_t bytes = payload_bytes(payload);
    hedge_who_answers(compressor->exchange)->response.payload_bytes -= bytes;
    stat_add(&compressor->exchange->worker->stats.compressed_bytes_in, bytes);
}

static void flush_on_deferred(struct deferred *deferred)
{
    static const struct payload nothing = {NULL, 0, false, NULL};
    struct compressor *compressor = container_of(deferred, struct compressor, flush);
    if (encode(compressor, &nothing, ENCODER_FLUSH) == SINK_FULL) {
        hedge_who_answers(compressor->exchange)->response.full = true;
    }
}

/* ---- in place of the client's operations ---- */

static enum sink compressed_send_head(struct exchange *exchange, const struct http_head *head,
                                      const struct payload *payload)
{
    struct compressor *compressor = compressor_of(exchange);
    bool bare = !payload->last && payload_bytes(payload) == 0;
    count_in(compressor, payload);
    if (bare) {
        return compressor->client->send_head(exchange, head, payload);
    }
    compressor->head = head;
    return encode(compressor, payload, payload->last ? ENCODER_END : ENCODER_FLUSH);
}

static enum sink compressed_send_payload(struct exchange *exchange, const struct payload *payload)
{
    struct compressor *compressor = compressor_of(exchange);
    count_in(compressor, payload);
    enum sink sink = encode(compressor, payload, payload->last ? ENCODER_END : ENCODER_GOES_ON);
    if (sink != SINK_BROKEN && !payload->last) {
        loop_defer(&exchange->worker->loop, &compressor->flush);
    }
    return sink;
}

static size_t compressed_room(struct exchange *exchange)
{
    const struct compressor *compressor = compressor_of(exchange);
    size_t room = compressor->client->room(exchange);
    return room < compressor->step_bytes ? room : compressor->step_bytes;
}

static int compressed_splice_fd(struct exchange *exchange)
{
    (void)exchange;
    return -1;
}

static void compressed_finished(struct exchange *exchange, bool intact)
{
    struct compressor *compressor = compressor_of(exchange);
    loop_defer_cancel(&exchange->worker->loop, &compressor->flush);
    exchange->downstream = compressor->client;
    exchange->downstream->finished(exchange, intact);
}

/* ---- the beginning ---- */

static struct compressor *compressor_create(struct exchange *exchange, enum content_coding coding)
{
    unsigned level = (unsigned)exchange->edge.route->compress.level;
    struct compressor *compressor = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *compressor);
    if (compressor == NULL) {
        return NULL;
    }
    compressor->encoder =
        encoder_create(coding, level, &exchange->worker->env.bounds->compress_bytes);
    if (compressor->encoder == NULL) {
        free(compressor);
        return NULL;
    }
    compressor->exchange = exchange;
    compressor->client = exchange->downstream;
    compressor->flush.run = flush_on_deferred;
    compressor->step_bytes = level < HARD_LEVEL ? STEP_BYTES : HARD_STEP_BYTES;
    compressor->ops = *exchange->downstream;
    compressor->ops.send_head = compressed_send_head;
    compressor->ops.send_payload = compressed_send_payload;
    compressor->ops.room = compressed_room;
    compressor->ops.splice_fd = compressed_splice_fd;
    compressor->ops.finished = compressed_finished;
    return compressor;
}

void compressor_free(struct compressor **compressor)
{
    if (*compressor != NULL) {
        encoder_free(&(*compressor)->encoder);
        free(*compressor);
        *compressor = NULL;
    }
}

/* A response to HEAD has the fields of the one to GET, and no payload. */
static bool begin(struct exchange *exchange, enum content_coding coding)
{
    if (exchange->request.method == METHOD_HEAD) {
        return true;
    }
    struct compressor *compressor = compressor_create(exchange, coding);
    if (compressor == NULL) {
        stat_add(&exchange->worker->stats.compressions_refused, 1);
        return false;
    }
    exchange->edge.compressor = compressor;
    exchange->downstream = &compressor->ops;
    stat_add(&exchange->worker->stats.responses_compressed, 1);
    return true;
}

const struct http_head *exchange_compress(struct exchange *exchange, const struct http_head *head,
                                          const struct payload *payload, struct http_head *edited,
                                          struct buf **ret_space)
{
    const struct compress_settings *settings = &exchange->edge.route->compress;
    const struct compress_case of = {.request = &exchange->request,
                                     .response = head,
                                     .certificate = exchange->origin->certificate != NULL,
                                     .whole = payload->last,
                                     .payload_bytes = payload_bytes(payload)};
    *ret_space = NULL;
    bool served = exchange->edge.route->upstream == NULL || exchange->edge.file != NULL;
    if (!settings->enabled || served || exchange_is_call(exchange)) {
        return head;
    }
    struct compress_verdict verdict = compress_judge(settings, &of);
    if (!verdict.varies && !compress_confirms(of.request, head)) {
        return head;
    }
    *ret_space = buf_take(exchange->worker->bufs, compress_head_bytes(head));
    if (*ret_space == NULL) {
        return head;
    }
    if (verdict.coding != CODING_IDENTITY && !begin(exchange, verdict.coding)) {
        verdict.coding = CODING_IDENTITY;
    }
    compress_head(head, verdict, *ret_space, edited);
    return edited;
}
