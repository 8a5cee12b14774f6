/* Arrays of iovec. */
#include "proxy/pieces.h"

#include "steady/check.h"

size_t pieces_bytes(const struct iovec *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].iov_len;
    }
    return total;
}

bool pieces_keep(struct buf_pool *pool, struct buf **buf, const struct iovec *pieces, size_t count,
                 size_t sent)
{
    size_t left = pieces_bytes(pieces, count) - sent;
    /* what was consumed at the front is room too: appending moves */
    size_t reusable = *buf != NULL ? (*buf)->begin : 0;
    if ((*buf == NULL || reusable < left) && !buf_widen(pool, buf, left)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < pieces[i].iov_len ? sent : pieces[i].iov_len;
        sent -= skip;
        CHECK(buf_append(*buf, (const char *)pieces[i].iov_base + skip, pieces[i].iov_len - skip));
    }
    return true;
}

size_t payload_frame(const struct payload *payload, bool chunked,
                     char chunk_head[H1_CHUNK_HEAD_BYTES], struct h1_writer *writer,
                     struct iovec *out)
{
    size_t count = 0;
    size_t bytes = payload_bytes(payload);
    if (chunked && bytes > 0) {
        out[count++] = (struct iovec){chunk_head, h1_chunk_head(chunk_head, bytes)};
    }
    for (size_t i = 0; i < payload->count; i++) {
        out[count++] = payload->pieces[i];
    }
    if (!chunked) {
        return count;
    }
    char *begin = writer->at;
    if (bytes > 0) {
        h1_write_literal(writer, "\r\n");
    }
    if (payload->last) {
        h1_write_literal(writer, "0\r\n");
        if (payload->trailers != NULL) {
            h1_write_fields(writer, payload->trailers);
        }
        h1_write_literal(writer, "\r\n");
    }
    if (writer->at > begin) {
        out[count++] = (struct iovec){begin, (size_t)(writer->at - begin)};
    }
    return count;
}
