/*
 * /upstreams: every endpoint with its health and why, its connections and what they are worth, as JSON.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_UPSTREAMS_VIEW_H
#define EVENKEEL_PROXY_ADMIN_UPSTREAMS_VIEW_H

#include <event2/buffer.h>

#include "proxy/admin/overview.h"

void upstreams_write(struct evbuffer *out, const struct overview *overview);

#endif
