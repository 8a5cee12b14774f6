/*
 * Field lines up to the empty line that ends them: heads and trailers.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. Spec: RFC 9110 5, RFC 9112 5.
 */
#ifndef EVENKEEL_PROXY_H1_FIELDS_H
#define EVENKEEL_PROXY_H1_FIELDS_H

#include "proxy/h1_input.h"
#include "proxy/h1_rules.h"

/* Fills head->fields and head->seen from input->at on, hands the fields that the rules want to know to them, and sets
   head->head_bytes. At most fields_limit fields. */
__attribute__((warn_unused_result)) enum h1_result h1_parse_fields(struct h1_input *input,
                                                                   struct h1_rules *rules,
                                                                   uint32_t fields_limit,
                                                                   struct http_head *head);

#endif
