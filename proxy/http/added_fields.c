/* Composing values. */
#include "proxy/http/added_fields.h"

void added_text_uint(struct added_fields *added, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    added_text(added, digits + at, sizeof digits - at);
}
