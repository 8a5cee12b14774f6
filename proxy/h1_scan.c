/* What each byte may be part of. */

#include "proxy/h1_scan.h"

#define TOKEN H1_CHAR_TOKEN
#define PLAIN (H1_CHAR_PLAIN | H1_CHAR_HOST | H1_CHAR_TOKEN)
#define HOST H1_CHAR_HOST
#define HEX H1_CHAR_HEX
#define SEEN (H1_CHAR_VALUE | H1_CHAR_TARGET)

const uint8_t h1_chars[256] = {
    ['\t'] = H1_CHAR_VALUE,
    [' '] = H1_CHAR_VALUE,
    ['!'] = SEEN | TOKEN | HOST,
    ['"'] = SEEN,
    ['#'] = H1_CHAR_VALUE | TOKEN,
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
    ['.'] = SEEN | PLAIN,
    ['/'] = SEEN,
    ['0' ... '9'] = SEEN | PLAIN | HEX,
    [':'] = SEEN,
    [';'] = SEEN | HOST,
    ['<'] = SEEN,
    ['='] = SEEN | HOST,
    ['>'] = SEEN,
    ['?'] = SEEN,
    ['@'] = SEEN,
    ['A' ... 'F'] = SEEN | PLAIN | HEX,
    ['G' ... 'Z'] = SEEN | PLAIN,
    ['['] = SEEN,
    ['\\'] = SEEN,
    [']'] = SEEN,
    ['^'] = SEEN | TOKEN,
    ['_'] = SEEN | TOKEN | HOST,
    ['`'] = SEEN | TOKEN,
    ['a' ... 'f'] = SEEN | PLAIN | HEX,
    ['g' ... 'z'] = SEEN | PLAIN,
    ['{'] = SEEN,
    ['|'] = SEEN | TOKEN,
    ['}'] = SEEN,
    ['~'] = SEEN | TOKEN | HOST,
    [0x80 ... 0xff] = H1_CHAR_VALUE,
};
