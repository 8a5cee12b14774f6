/*
 * Endings: every way in which a connection stops serving, and what that means. One row each; nothing else says how a
 * socket is closed, which figure counts it, or what loss detection hears of it.
 *
 * Owns nothing; pure. Thread: its caller's. Private to pool/. Spec: RFC 9112 section 9 (persistence), RFC 9113 section 6.8 (GOAWAY).
 */
#ifndef EVENKEEL_POOL_ENDING_H
#define EVENKEEL_POOL_ENDING_H

#include <stdbool.h>

#include "pool/close_reason.h"

/* What an ending says about the other connections of the endpoint. A connection dies once, whatever it carried. */
enum ending_death {
    DEATH_NONE,
    DEATH_ORDERLY, /* the other side ended it as one may: perhaps its idle limit */
    DEATH_BROKEN,  /* reset, or it sent what nobody asked for */
};

/* X(id, counts as LEASE_CLOSED_..., reset: the other side is to see a break, death) */
#define ENDINGS(X)                                                                             \
    /* how the last exchange left it */                                                        \
    X(DONE, DONE, false, DEATH_NONE)                                                           \
    X(BROKEN, BROKEN, true, DEATH_BROKEN)                                                      \
    X(ABANDONED, ABANDONED, true, DEATH_NONE)                                                  \
    X(RECORD_FLOOD, RECORD_FLOOD, true, DEATH_BROKEN)                                          \
    /* it is sound, but may not be kept */                                                     \
    X(REQUESTS, REQUESTS, false, DEATH_NONE)                                                   \
    X(LIFETIME, LIFETIME, false, DEATH_NONE)                                                   \
    X(IDLE, IDLE, false, DEATH_NONE)                                                           \
    X(RETIRED, RETIRED, false, DEATH_NONE)                                                     \
    X(SURPLUS, SURPLUS, false, DEATH_NONE)                                                     \
    X(WITHDRAWN, DONE, false, DEATH_NONE) /* the other side takes no further lease (GOAWAY) */ \
    /* what happened while it rested */                                                        \
    X(DIED_ORDERLY, DIED_IDLE, false, DEATH_ORDERLY)                                           \
    X(DIED_RESET, DIED_IDLE, false, DEATH_BROKEN)                                              \
    X(STRAY_BYTES, DIED_IDLE, false, DEATH_BROKEN)                                             \
    X(LOST, LOST, false, DEATH_NONE) /* others died: it may be dead without knowing */

enum ending {
    ENDING_NONE, /* it serves on */
#define X(id, closed_as, reset, death) ENDING_##id,
    ENDINGS(X)
#undef X
};

struct ending_row {
    enum lease_close_reason closed_as;
    bool reset;
    enum ending_death death;
};

/* Not of ENDING_NONE. */
const struct ending_row *ending_row(enum ending ending);
/* ENDING_NONE is no death. */
bool ending_is_death(enum ending ending);

#endif
