/*
 * What the operator has said, as /status and /upstreams show it: who, why, since when, until when, at which replica.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_OPERATOR_VIEW_H
#define EVENKEEL_PROXY_ADMIN_OPERATOR_VIEW_H

#include "proxy/admin/json.h"
#include "proxy/policy/operator_book.h"

/* An object of its own, "operator": null if nothing was said. */
void operator_view_write(struct json *json, const struct operator_said *said);
/* Its fields, in an object that is open. NULL: all null. */
void operator_view_fields(struct json *json, const struct operator_said *said);

#endif
