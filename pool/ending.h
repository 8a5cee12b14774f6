/*
 * Endings: every way in which a connection stops serving. Each has one row, the only place that says how the socket is
 * closed, which counter counts the ending, and what loss detection is told.
 *
 * Owns nothing; pure. Thread: its caller's. Private to pool/. Spec: RFC 9112 section 9 (persistence), RFC 9113 section
 * 6.8 (GOAWAY).
 */
#ifndef EVENKEEL_POOL_ENDING_H
#define EVENKEEL_POOL_ENDING_H

#include <stdbool.h>

#include "pool/close_reason.h"

/* What an ending says about the other connections of the endpoint. A connection dies once, whatever it carried. */
enum ending_death {
    DEATH_NONE,
    DEATH_ORDERLY, /* the other side ended it in order, perhaps because of its idle limit */
    DEATH_BROKEN,  /* a reset, or bytes without a request */
};

/* X(id, counts as LEASE_CLOSED_..., reset: the other side sees a reset, death) */
#define ENDINGS(X)                                                                             \
    /* the last exchange ended it */                                                           \
    X(DONE, DONE, false, DEATH_NONE)                                                           \
    X(BROKEN, BROKEN, true, DEATH_BROKEN)                                                      \
    X(ABANDONED, ABANDONED, true, DEATH_NONE)                                                  \
    X(RECORD_FLOOD, RECORD_FLOOD, true, DEATH_BROKEN)                                          \
    /* the connection works but may not be kept */                                             \
    X(REQUESTS, REQUESTS, false, DEATH_NONE)                                                   \
    X(LIFETIME, LIFETIME, false, DEATH_NONE)                                                   \
    X(IDLE, IDLE, false, DEATH_NONE)                                                           \
    X(RETIRED, RETIRED, false, DEATH_NONE)                                                     \
    X(SURPLUS, SURPLUS, false, DEATH_NONE)                                                     \
    X(WITHDRAWN, DONE, false, DEATH_NONE) /* the other side takes no further lease (GOAWAY) */ \
    /* something happened while it was idle */                                                 \
    X(DIED_ORDERLY, DIED_IDLE, false, DEATH_ORDERLY)                                           \
    X(DIED_RESET, DIED_IDLE, false, DEATH_BROKEN)                                              \
    X(STRAY_BYTES, DIED_IDLE, false, DEATH_BROKEN)                                             \
    X(LOST, LOST, false, DEATH_NONE) /* others died, so this one may be dead without notice */

enum ending {
    ENDING_NONE, /* the connection continues to serve */
#define X(id, closed_as, reset, death) ENDING_##id,
    ENDINGS(X)
#undef X
};

struct ending_row {
    enum lease_close_reason closed_as;
    bool reset;
    enum ending_death death;
};

/* The row of an ending other than ENDING_NONE. */
const struct ending_row *ending_row(enum ending ending);
/* Whether the ending is a death; ENDING_NONE is not. */
bool ending_is_death(enum ending ending);

#endif
