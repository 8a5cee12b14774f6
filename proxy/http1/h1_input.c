/* The copy of the last bytes, and the rule by which a head that arrives byte by byte is not parsed for each byte. */

#include "proxy/http1/h1_input.h"

size_t h1_input_scan(const char *bytes, size_t length, size_t scanned)
{
    const char *end = bytes + h1_input_scanned(bytes, length);
    const char *stop = h1_scan(bytes + scanned, end, H1_CHAR_VALUE);
    return stop < end ? (size_t)(stop - bytes) : length;
}
