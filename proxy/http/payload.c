/* Arrays of iovec. */
#include "proxy/http/payload.h"

#include "steady/check.h"

size_t iov_bytes_of_several(const struct iovec *iov, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

bool iov_keep(struct buf_pool *pool, struct buf **buf, const struct iovec *iov, size_t count,
              size_t sent)
{
    size_t left = iov_bytes(iov, count) - sent;
    /* consumed bytes at the front are room too, because appending moves the rest */
    size_t reusable = *buf != NULL ? (*buf)->begin : 0;
    if ((*buf == NULL || reusable < left) && !buf_widen(pool, buf, left)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;
        sent -= skip;
        CHECK(buf_append(*buf, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip));
    }
    return true;
}
