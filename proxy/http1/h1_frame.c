/* Chunks and the end of a chunked body. */
#include "proxy/http1/h1_frame.h"

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
        out[count++] = payload->iov[i];
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
