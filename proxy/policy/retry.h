/*
 * Retries: whether an attempt that failed may be repeated, as far as the request and the settings say.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 9110 9.2.2 (idempotent methods), 10.2.3 (Retry-After). The breaker, the time left and the
 * budget are asked after it, in this order, by exchange_retry.c.
 */
#ifndef EVENKEEL_PROXY_POLICY_RETRY_H
#define EVENKEEL_PROXY_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "steady/enum_names.h"

/* What became of a failed attempt's exchange: label values. */
#define RETRY_VERDICTS(X)                                                                          \
    X(RETRY_MADE_VERDICT, "made")                                                                  \
    X(RETRY_NOT_ASKED_VERDICT, "not_asked") /* retry.on does not name what happened */             \
    X(RETRY_OTHER_HOP_VERDICT, "other_hop") /* another hop has decided already */                  \
    X(RETRY_ATTEMPTS_VERDICT, "attempts")   /* retry.attempts are made */                          \
    X(RETRY_UNSAFE_VERDICT, "unsafe")       /* it may have been acted on, and is not idempotent */ \
    X(RETRY_BODY_VERDICT, "body")         /* what was sent of its body is not at hand any more */  \
    X(RETRY_BREAKER_VERDICT, "breaker")   /* the upstream's breaker lets nothing through */        \
    X(RETRY_TOO_LATE_VERDICT, "too_late") /* the wait and an attempt would not end in time */      \
    X(RETRY_BUDGET_VERDICT, "budget")     /* retry.budget is spent */                              \
    X(RETRY_MINUTE_VERDICT, "minute")     /* retry.budget.per_minute is spent */                   \
    X(RETRY_SHARD_BUDGET_VERDICT, "shard_budget") /* that of the shard is */

enum retry_verdict { ENUM_VALUES(RETRY_VERDICTS) RETRY_VERDICT_COUNT };
const char *retry_verdict_name(enum retry_verdict value);

struct retry_case {
    unsigned condition; /* the bit of enum retry_condition that names what happened; 0: none does */
    bool other_hop;     /* the response was decided on by another hop */
    bool untouched;     /* nothing of the request has reached the endpoint */
    bool body_at_hand;  /* all that has arrived of its payload can be sent again */
    bool idempotent;    /* its method, or what it carries, allows doing it twice */
    unsigned retries_count; /* made already */
};

enum retry_verdict retry_judge(const struct retry_settings *settings,
                               const struct retry_case *retry_case);

/* The method is idempotent or, if that is to count, the request has an Idempotency-Key. */
bool retry_idempotent(const struct retry_settings *settings, const struct http_head *head);

/* The bit of enum retry_condition for a response's status; 0: none. */
unsigned retry_condition_of(unsigned status);

/* How long a response asks to wait; 0: it does not. A date is compared with wall_ms (CLOCK_REALTIME). */
uint64_t retry_after_ms(const struct http_head *head, uint64_t wall_ms);

#endif
