/*
 * Retries: whether a failed attempt may be repeated, as far as the request and the settings decide.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 9110 9.2.2 (idempotent methods), 10.2.3 (Retry-After). Afterwards
 * exchange_retry.c asks the breaker, the time left and the budget, in this order.
 */
#ifndef EVENKEEL_PROXY_POLICY_RETRY_H
#define EVENKEEL_PROXY_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "steady/enum_names.h"

/* The decision on a failed attempt: label values. */
#define RETRY_VERDICTS(X)                                                                         \
    X(RETRY_MADE_VERDICT, "made")                                                                 \
    X(RETRY_NOT_ASKED_VERDICT, "not_asked") /* retry.on does not name the failure */              \
    X(RETRY_OTHER_HOP_VERDICT, "other_hop") /* another hop has already decided */                 \
    X(RETRY_PUSHBACK_VERDICT, "pushback")   /* the server of a gRPC call wants none */            \
    X(RETRY_ATTEMPTS_VERDICT, "attempts")   /* retry.attempts is reached */                       \
    X(RETRY_UNSAFE_VERDICT,                                                                       \
      "unsafe")                   /* the request may have had an effect, and is not idempotent */ \
    X(RETRY_BODY_VERDICT, "body") /* payload that was sent is no longer available */              \
    X(RETRY_MEMORY_VERDICT, "memory")     /* memory is short */                                   \
    X(RETRY_BREAKER_VERDICT, "breaker")   /* the upstream's breaker refuses */                    \
    X(RETRY_TOO_LATE_VERDICT, "too_late") /* the wait and an attempt would not end in time */     \
    X(RETRY_BUDGET_VERDICT, "budget")     /* retry.budget is used up */                           \
    X(RETRY_MINUTE_VERDICT, "minute")     /* retry.budget.per_minute is used up */                \
    X(RETRY_SHARD_BUDGET_VERDICT, "shard_budget") /* the retry budget of the shard is used up */

enum retry_verdict { ENUM_VALUES(RETRY_VERDICTS) RETRY_VERDICT_COUNT };
const char *retry_verdict_name(enum retry_verdict value);

struct retry_case {
    unsigned condition; /* the bit of enum retry_condition for the failure; 0: none */
    bool other_hop;     /* another hop decided the response */
    bool pushback;      /* the server asks for no retry */
    bool untouched;     /* no byte of the request has reached the endpoint */
    bool body_at_hand;  /* all payload that has arrived can be sent again */
    bool idempotent;    /* the request may be sent twice, by its method or its Idempotency-Key */
    unsigned retries_count; /* retries so far */
};

enum retry_verdict retry_judge(const struct retry_settings *settings,
                               const struct retry_case *retry_case);

/* Whether the method is idempotent or, if retry.idempotency_key is set, the request has an Idempotency-Key. */
bool retry_idempotent(const struct retry_settings *settings, const struct http_head *head);

/* The bit of enum retry_condition for a response's status; 0: none. */
unsigned retry_condition_of(unsigned status);

/* The same for a trailers-only response to a gRPC call. */
unsigned retry_condition_of_call(enum grpc_status status);

/* How long a response asks to wait; 0: it does not. A date is compared with wall_ms (CLOCK_REALTIME). */
uint64_t retry_after_ms(const struct http_head *head, uint64_t wall_ms);

#endif
