/*
 * What the other side of a connection may make it do without a request that is served: budgets by kind. Who has spent one is told
 * ENHANCE_YOUR_CALM.
 *
 * Owns nothing; embedded in a session. Pure: time is an argument. Thread: the session's. Time base: monotonic milliseconds, of
 * which 32 bits are kept: after 49 days of rest a budget may fill a little later. Errors: a charge that is refused. Spec: RFC 9113
 * 10.5.
 *
 * Columns: kind, word for logs and metrics, how many are borne at once, how many come back in a second. Where good clients do more
 * the more they are served, what is served gives some back: a completed stream for RESETS and UNKNOWN, payload and a whole message
 * for EMPTY_DATA, payload that was sent for WINDOW_UPDATES and PINGS. docs/internals/http2.md says what each costs.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_ABUSE_H
#define EVENKEEL_PROXY_HTTP2_H2_ABUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/enum_names.h"

#define H2_ABUSES(X)                                                                                   \
    /* streams that the client resets, or makes this side reset or refuse; heads too large, or late */ \
    X(H2_ABUSE_RESETS, "reset_flood", 200, 40)                                                         \
    X(H2_ABUSE_SETTINGS, "settings_flood", 500, 50)                                                    \
    X(H2_ABUSE_PINGS, "ping_flood", 1000, 200)                                                         \
    X(H2_ABUSE_PRIORITIES, "priority_flood", 500, 100)                                                 \
    X(H2_ABUSE_EMPTY_DATA, "empty_data_flood", 100, 10)                                                \
    X(H2_ABUSE_WINDOW_UPDATES, "window_update_flood", 2000, 200)                                       \
    X(H2_ABUSE_GOAWAYS, "goaway_flood", 20, 1)                                                         \
    /* frames of types that are not known, which RFC 9113 4.1 has skipped */                           \
    X(H2_ABUSE_UNKNOWN, "unknown_flood", 500, 100)                                                     \
    /* of one field block; no budget: h2_block.h, nghttp2 */                                           \
    X(H2_ABUSE_HEADS, "head_flood", 0, 0)                                                              \
    /* frames that wait because the other side does not read */                                        \
    X(H2_ABUSE_UNREAD, "unread_flood", 0, 0)                                                           \
    X(H2_ABUSE_MEMORY, "memory", 0, 0)
enum h2_abuse_kind { ENUM_VALUES(H2_ABUSES) };
#define H2_ABUSE_COUNT ENUM_COUNT(H2_ABUSES)
const char *h2_abuse_name(enum h2_abuse_kind value);

struct h2_budget {
    uint32_t spent_thousandths;
    uint32_t at_ms; /* of what is spent */
};

struct h2_abuse {
    struct h2_budget budgets[H2_ABUSE_COUNT];
};

/* Takes one from the budget. False: it is spent. */
__attribute__((warn_unused_result)) bool h2_abuse_charge(struct h2_abuse *abuse,
                                                         enum h2_abuse_kind kind, uint64_t now_ms);
/* Gives `count` back, for something good. */
void h2_abuse_credit(struct h2_abuse *abuse, enum h2_abuse_kind kind, uint32_t count);
/* What passed since the budgets were last looked at gives nothing back. */
void h2_abuse_resume(struct h2_abuse *abuse, uint64_t now_ms);
/* Whether an eighth of any budget is spent. */
bool h2_abuse_is_suspect(struct h2_abuse *abuse, uint64_t now_ms);
/* How many are borne at once. */
uint32_t h2_abuse_burst(enum h2_abuse_kind kind);

#endif
