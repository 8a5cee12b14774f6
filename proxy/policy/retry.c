/* Whether to repeat an attempt. */
#include "proxy/policy/retry.h"

#include "proxy/http/http_date.h"
#include "steady/enum_names.h"

#define RETRY_AFTER_DIGITS 9

ENUM_NAME_FUNCTION(retry_verdict_name, enum retry_verdict, RETRY_VERDICTS)

enum retry_verdict retry_judge(const struct retry_settings *settings,
                               const struct retry_case *retry_case)
{
    if ((settings->on & retry_case->condition) == 0) {
        return RETRY_NOT_ASKED_VERDICT;
    }
    if (retry_case->other_hop && (settings->on & RETRY_OTHER_HOP) == 0) {
        return RETRY_OTHER_HOP_VERDICT;
    }
    if (retry_case->pushback) {
        return RETRY_PUSHBACK_VERDICT;
    }
    if (retry_case->retries_count + 1 >= settings->attempts_count) {
        return RETRY_ATTEMPTS_VERDICT;
    }
    if (!retry_case->untouched && !retry_case->idempotent) {
        return RETRY_UNSAFE_VERDICT;
    }
    return retry_case->body_at_hand ? RETRY_MADE_VERDICT : RETRY_BODY_VERDICT;
}

bool retry_idempotent(const struct retry_settings *settings, const struct http_head *head)
{
    return http_method_idempotent((enum http_method)head->method) ||
           (settings->idempotency_key && head_has(head, FIELD_IDEMPOTENCY_KEY));
}

unsigned retry_condition_of(unsigned status)
{
    switch (status) {
    case 502: return RETRY_502;
    case 503: return RETRY_503;
    case 504: return RETRY_504;
    default: return 0;
    }
}

unsigned retry_condition_of_call(enum grpc_status status)
{
    return status == GRPC_OK ? 0 : 1u << (RETRY_GRPC_BIT + status - GRPC_CANCELLED);
}

/* 0: it is no date, or one of long ago. */
static uint64_t date_ms(const char *text, size_t bytes, uint64_t wall_ms)
{
    int64_t seconds;
    bool date = http_date_read(text, bytes, (int64_t)(wall_ms / 1000), &seconds);
    return date && seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

uint64_t retry_after_ms(const struct http_head *head, uint64_t wall_ms)
{
    const struct http_field *field =
        head_has(head, FIELD_RETRY_AFTER) ? head_find(head, FIELD_RETRY_AFTER) : NULL;
    if (field == NULL || field->value_bytes == 0) {
        return 0;
    }
    const char *text = head->base + field->value_at;
    uint64_t seconds = 0;
    for (uint32_t i = 0; i < field->value_bytes; i++) {
        if (text[i] < '0' || text[i] > '9' || i == RETRY_AFTER_DIGITS) {
            uint64_t then_ms = date_ms(text, field->value_bytes, wall_ms);
            return then_ms > wall_ms ? then_ms - wall_ms : 0;
        }
        seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    }
    return seconds * 1000;
}
