/*
 * Field lines up to the empty line that ends them: heads and trailers.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. Spec: RFC 9110 5, RFC 9112 5.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_FIELDS_H
#define EVENKEEL_PROXY_HTTP1_H1_FIELDS_H

#include "proxy/http1/h1_input.h"
#include "proxy/http1/h1_rules.h"

/* Fills head->fields and head->seen from input->at on, gives fields to the rules that need them, and sets
   head->head_bytes. At most fields_limit fields. */
__attribute__((warn_unused_result)) enum h1_result h1_parse_fields(struct h1_input *input,
                                                                   struct h1_rules *rules,
                                                                   uint32_t fields_limit,
                                                                   struct http_head *head);

/* Variants for one kind of processor each: h1_parse_fields() uses the best that is available, tests use all. */
typedef enum h1_result h1_parse_fields_fn(struct h1_input *input, struct h1_rules *rules,
                                          const struct http_field *limit, struct http_head *head);

h1_parse_fields_fn h1_parse_fields_portable;
#ifdef __x86_64__
h1_parse_fields_fn h1_parse_fields_sse2;
h1_parse_fields_fn h1_parse_fields_avx2; /* only if h1_has_avx2() */
#endif

#endif
