/* The table of reasons. */
#include "proxy/reasons.h"

const struct reason_row reason_rows[REASON_COUNT] = {
#define X(id, name, status, error, retry_after_s) {name, status, retry_after_s, error},
    EXCHANGE_REASONS(X)
#undef X
};
