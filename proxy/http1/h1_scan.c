/* What each byte may be part of, and the vectors that ask the same. */

#include "proxy/http1/h1_scan.h"

#define TOKEN H1_CHAR_TOKEN
#define PLAIN (H1_CHAR_PLAIN | H1_CHAR_DOTTED | H1_CHAR_HOST | H1_CHAR_TOKEN)
#define HOST H1_CHAR_HOST
#define TEXT (H1_CHAR_VALUE | H1_CHAR_TEXT)
#define SEEN (TEXT | H1_CHAR_TARGET)

const uint8_t h1_chars[256] = {
    ['\t'] = H1_CHAR_VALUE,
    [' '] = TEXT,
    ['!'] = SEEN | TOKEN | HOST,
    ['"'] = SEEN,
    ['#'] = TEXT | TOKEN,
    ['$'] = SEEN | TOKEN | HOST,
    ['%'] = SEEN | TOKEN,
    ['&'] = SEEN | TOKEN | HOST,
    ['\''] = SEEN | TOKEN | HOST,
    ['('] = SEEN | HOST,
    [')'] = SEEN | HOST,
    ['*'] = SEEN | TOKEN | HOST,
    ['+'] = SEEN | TOKEN | HOST,
    [','] = SEEN,
    ['-'] = SEEN | PLAIN,
    ['.'] = SEEN | TOKEN | HOST | H1_CHAR_DOTTED,
    ['/'] = SEEN,
    ['0' ... '9'] = SEEN | PLAIN,
    [':'] = SEEN,
    [';'] = SEEN | HOST,
    ['<'] = SEEN,
    ['='] = SEEN | HOST,
    ['>'] = SEEN,
    ['?'] = SEEN,
    ['@'] = SEEN,
    ['A' ... 'Z'] = SEEN | PLAIN,
    ['['] = SEEN,
    ['\\'] = SEEN,
    [']'] = SEEN,
    ['^'] = SEEN | TOKEN,
    ['_'] = SEEN | TOKEN | HOST,
    ['`'] = SEEN | TOKEN,
    ['a' ... 'z'] = SEEN | PLAIN,
    ['{'] = SEEN,
    ['|'] = SEEN | TOKEN,
    ['}'] = SEEN,
    ['~'] = SEEN | TOKEN | HOST,
    [0x80 ... 0xff] = TEXT,
};

#ifdef __x86_64__
#define EVERY(byte)         \
    {                       \
        [0 ... 31] = (byte) \
    }
#define TWICE(...)               \
    {                            \
        __VA_ARGS__, __VA_ARGS__ \
    }

const struct h1_vectors h1_vectors __attribute__((aligned(32))) = {
    .control = EVERY(0x1f),
    .del = EVERY(0x7f),
    .lower_case = EVERY(0x20),
    .half = EVERY(0x0f),
    .none = EVERY(0),
    .high = TWICE(1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0),
    .token = TWICE(0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xf8, 0xf8, 0xf4, 0x54, 0xd0,
                   0x54, 0xf4, 0x50),
};
#endif
