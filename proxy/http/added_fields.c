/* Numbers in values. */
#include "proxy/http/added_fields.h"

#include "proxy/http/decimal.h"

void added_text_uint(struct added_fields *added, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    const char *at = decimal_of(digits, value);
    added_text(added, at, (size_t)(digits + DECIMAL_BYTES - at));
}
