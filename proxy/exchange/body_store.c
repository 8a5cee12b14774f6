/* Buffers grow to PIECE_BYTES, then the next one begins. */
#include "proxy/exchange/body_store.h"

#include "proxy/worker/worker.h"

/* The room of a buffer of 64 KiB (steady/buf.h). */
#define PIECE_BYTES 65520u
/* A read may end beyond the limit by as much as a buffer of the largest size. */
#define PIECES_BEYOND (BUF_MAX_BYTES / PIECE_BYTES + 2)

struct body_store {
    struct buf *self;
    uint64_t bytes;
    uint64_t counted_bytes; /* of the bound */
    uint32_t slot;
    uint32_t piece_limit;
    uint32_t piece_count; /* begun, those that are freed included */
    uint32_t sent_count;
    uint32_t freed_count; /* of those sent */
    struct buf *pieces[];
};

struct body_store *body_store_create(struct worker *worker, uint64_t most_bytes, unsigned slot)
{
    size_t piece_limit = (size_t)(most_bytes / PIECE_BYTES + PIECES_BEYOND);
    struct buf *self =
        buf_take(worker->bufs, sizeof(struct body_store) + piece_limit * sizeof(struct buf *));
    if (self == NULL) {
        return NULL;
    }
    struct body_store *store = (struct body_store *)(void *)self->bytes;
    *store = (struct body_store){.self = self, .slot = slot, .piece_limit = (uint32_t)piece_limit};
    return store;
}

static void free_pieces(struct body_store *store, struct worker *worker, uint32_t end)
{
    for (; store->freed_count < end; store->freed_count++) {
        buf_give(worker->bufs, &store->pieces[store->freed_count]);
    }
}

void body_store_free(struct body_store **store, struct worker *worker)
{
    if (*store == NULL) {
        return;
    }
    struct buf *self = (*store)->self;
    free_pieces(*store, worker, (*store)->piece_count);
    fair_bound_give(&worker->env.bounds->request_buffers, (*store)->slot, (*store)->counted_bytes);
    buf_give(worker->bufs, &self);
    *store = NULL;
}

/* ---- taking in ---- */

bool body_store_count(struct body_store *store, struct worker *worker, uint64_t bytes)
{
    if (!fair_bound_take(&worker->env.bounds->request_buffers, store->slot, bytes)) {
        return false;
    }
    store->counted_bytes += bytes;
    return true;
}

/* The buffer that takes the next bytes; NULL: there can be no more. */
static struct buf **open_piece(struct body_store *store)
{
    if (store->piece_count > store->sent_count) {
        struct buf **last = &store->pieces[store->piece_count - 1];
        if (buf_length(*last) < PIECE_BYTES) {
            return last;
        }
    }
    if (store->piece_count == store->piece_limit) {
        return NULL;
    }
    store->pieces[store->piece_count] = NULL;
    return &store->pieces[store->piece_count];
}

static bool add_bytes(struct body_store *store, struct worker *worker, const char *bytes,
                      size_t length)
{
    while (length > 0) {
        struct buf **piece = open_piece(store);
        size_t room = piece == NULL    ? 0
                      : *piece == NULL ? PIECE_BYTES
                                       : PIECE_BYTES - buf_length(*piece);
        const struct iovec part = {(void *)(uintptr_t)bytes, length < room ? length : room};
        if (room == 0 || !iov_keep(worker->bufs, piece, &part, 1, 0)) {
            return false;
        }
        store->piece_count = (uint32_t)(piece - store->pieces) + 1;
        store->bytes += part.iov_len;
        bytes += part.iov_len;
        length -= part.iov_len;
    }
    return true;
}

bool body_store_add(struct body_store *store, struct worker *worker, const struct payload *payload)
{
    for (size_t i = 0; i < payload->count; i++) {
        if (!add_bytes(store, worker, payload->iov[i].iov_base, payload->iov[i].iov_len)) {
            return false;
        }
    }
    return true;
}

uint64_t body_store_bytes(const struct body_store *store)
{
    return store->bytes;
}

/* ---- sending ---- */

bool body_store_waits(const struct body_store *store)
{
    return store->sent_count < store->piece_count;
}

bool body_store_is_last(const struct body_store *store)
{
    return store->sent_count + 1 == store->piece_count;
}

struct iovec body_store_piece(const struct body_store *store)
{
    struct buf *piece = store->pieces[store->sent_count];
    return (struct iovec){piece->bytes + piece->begin, buf_length(piece)};
}

void body_store_passed(struct body_store *store, struct worker *worker, bool keep)
{
    store->sent_count++;
    if (!keep) {
        body_store_forget(store, worker);
    }
}

/* What is freed is given back to the bound at once: a stream may last long. */
void body_store_forget(struct body_store *store, struct worker *worker)
{
    free_pieces(store, worker, store->sent_count);
    if (!body_store_waits(store)) {
        fair_bound_give(&worker->env.bounds->request_buffers, store->slot, store->counted_bytes);
        store->counted_bytes = 0;
    }
}

void body_store_rewind(struct body_store *store)
{
    store->sent_count = store->freed_count;
}
