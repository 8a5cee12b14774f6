/* Looking for the end of a head that arrives in pieces, without parsing it again for each. */

#include "proxy/h1_input.h"

bool h1_input_grown(const char *bytes, size_t length, uint32_t limit_bytes, size_t *scanned)
{
    if (*scanned == 0 || *scanned > length || length >= limit_bytes || length < H1_SCAN_STEP_BYTES)
        return true;
    const char *end = bytes + length;
    const char *at = bytes + *scanned;
    for (;;) {
        at = h1_scan_value(at, end);
        if (end - at < 2)
            break; /* nothing but text, or a CR whose LF is yet to come */
        if (at[0] != '\r' || at[1] != '\n')
            return true;
        if (at - bytes >= 2 && at[-2] == '\r' && at[-1] == '\n')
            return true;
        at += 2;
    }
    if (at < end && *at != '\r')
        return true;
    *scanned = (size_t)(at - bytes);
    return false;
}
