/*
 * What fields mean for the message and its connection: framing, persistence, upgrade, expectation, the host.
 *
 * Owns nothing; a struct h1_rules lives as long as one call of a parser. Thread: any. Errors: enum h1_result. Spec:
 * RFC 9110 7.2, 7.6.1, 7.8, 8.6, 10.1.1, 10.1.4, RFC 9112 3.2, 6, 9.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_RULES_H
#define EVENKEEL_PROXY_HTTP1_H1_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http1/h1_parse.h"

struct h1_rules;

/* Takes note of what a field says; it stands in the head, and `again` says that it is not the first of its name. May set
   its drop, and the head's facts and host. */
typedef enum h1_result h1_note_fn(struct h1_rules *rules, struct http_head *head,
                                  struct http_field *field, bool again);

/* By enum field_id: whether the field is dropped, and the function that handles it; NULL: none. */
struct h1_role {
    uint8_t drops[FIELD_ID_COUNT];
    h1_note_fn *notes[FIELD_ID_COUNT];
    /* what some senders say twice, or too much, is taken where it has but one meaning */
    bool tolerant;
};

extern const struct h1_role h1_request_role;
extern const struct h1_role h1_response_role;
extern const struct h1_role h1_trailer_role;

struct h1_rules {
    const struct h1_role *role;
    uint64_t content_length;
    uint32_t options_count; /* connection options so far */
    uint32_t options_limit;
    uint32_t chunked_count;    /* transfer codings so far: chunked, */
    uint32_t other_count;      /* and others */
    uint32_t host_plain_bytes; /* so many first bytes of Host are letters, digits, "-" and "." */
    bool chunked_last;         /* the last coding so far was chunked */
    bool bad_coding;
    bool nominates; /* Connection names something besides close, keep-alive, upgrade and te */
    bool upgrades;  /* Connection: upgrade */
};

/* Drops from `fields` (of a head, or trailers) what the head's Connection fields name. */
void h1_drop_nominated(const struct http_head *head, struct http_head *fields);

/* The head is whole: its framing and facts. */
__attribute__((warn_unused_result)) enum h1_result h1_rules_request(struct h1_rules *rules,
                                                                    struct http_head *head);
__attribute__((warn_unused_result)) enum h1_result h1_rules_response(struct h1_rules *rules,
                                                                     enum http_method method,
                                                                     struct http_head *head);

#endif
