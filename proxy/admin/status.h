/*
 * /status and /resources: what the process is doing and what it holds, as JSON.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_STATUS_H
#define EVENKEEL_PROXY_ADMIN_STATUS_H

#include <event2/buffer.h>

#include "proxy/admin/overview.h"

/* /readyz; status 200 or 503 */
void readyz_write(struct evbuffer *out, const struct overview *overview);
int readyz_status(const struct overview *overview);
void status_write(struct evbuffer *out, const struct overview *overview);
void resources_write(struct evbuffer *out, const struct overview *overview);

#endif
