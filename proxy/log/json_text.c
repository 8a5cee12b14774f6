/* What of a text needs no escape in JSON. */
#include "proxy/log/json_text.h"

#include <stdbool.h>

/* The length of a valid UTF-8 sequence at bytes, or 0 (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    unsigned char lead = bytes[0];
    size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                    : lead >= 0xe0 && lead < 0xf0 ? 3
                    : lead >= 0xf0 && lead < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xed && bytes[1] > 0x9f) ||
               (lead == 0xf0 && bytes[1] < 0x90) || (lead == 0xf4 && bytes[1] > 0x8f);
    return bad ? 0 : length;
}

size_t json_plain_bytes(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < length) {
        unsigned char c = bytes[at];
        size_t sequence = c >= 0x80 ? utf8_length(bytes + at, length - at)
                                    : (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f);
        if (sequence == 0) {
            break;
        }
        at += sequence;
    }
    return at;
}
