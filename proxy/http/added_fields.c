/* Numbers in values. */
#include "proxy/http/added_fields.h"

#include "proxy/http/decimal.h"

char *added_uint(char *at, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    const char *begin = decimal_of(digits, value);
    return added_text(at, begin, (size_t)(digits + DECIMAL_BYTES - begin));
}
