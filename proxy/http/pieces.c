/* Arrays of iovec. */
#include "proxy/http/pieces.h"

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
