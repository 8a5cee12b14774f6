/*
 * /status and /resources: what the process is doing and what it holds, as JSON. Thread: control.
 */
#ifndef EVENKEEL_PROXY_STATUS_H
#define EVENKEEL_PROXY_STATUS_H

#include <event2/buffer.h>

#include "proxy/overview.h"

void status_write(struct evbuffer *out, const struct overview *overview);
void resources_write(struct evbuffer *out, const struct overview *overview);

#endif
