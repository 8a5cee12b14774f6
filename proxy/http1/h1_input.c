/* The copy of the last bytes, and how a head that arrives byte by byte is not parsed for each. */

#include "proxy/http1/h1_input.h"

const char *h1_input_pad(struct h1_input *input, const char *at)
{
    uint32_t offset = h1_input_offset(input, at);
    char *middle = input->copy + H1_PAD_BYTES;
    if (input->base == input->bytes) {
        if (input->end >= H1_PAD_BYTES)
            memcpy(input->copy, input->bytes + input->end - H1_PAD_BYTES, H1_PAD_BYTES);
        else if (input->end)
            memcpy(middle - input->end, input->bytes, input->end);
        memset(middle, 0, H1_AHEAD_BYTES);
        input->base = (const char *)((uintptr_t)middle - input->end);
        input->safe = (const char *)UINTPTR_MAX;
    }
    return (const char *)((uintptr_t)input->base + offset);
}

size_t h1_input_scan(const char *bytes, size_t length, size_t scanned)
{
    const char *end = bytes + h1_input_scanned(bytes, length);
    const char *stop = h1_scan(bytes + scanned, end, H1_CHAR_VALUE);
    return stop < end ? (size_t)(stop - bytes) : length;
}
