/*
 * /fleet: the store, and the replicas that act as one by it.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_FLEET_VIEW_H
#define EVENKEEL_PROXY_ADMIN_FLEET_VIEW_H

#include <event2/buffer.h>

#include "proxy/admin/overview.h"

void fleet_view_write(struct evbuffer *out, const struct overview *overview);

#endif
