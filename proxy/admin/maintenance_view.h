/*
 * Maintenance as /status and /upstreams show it.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_MAINTENANCE_VIEW_H
#define EVENKEEL_PROXY_ADMIN_MAINTENANCE_VIEW_H

#include "proxy/admin/json.h"
#include "proxy/admin/overview.h"
#include "proxy/policy/maintenance.h"

/* "maintenance": null, or why it is closed (enum maintenance_why), by whom, and what was said. */
void maintenance_write(struct json *json, const struct overview *overview, enum maintenance_of of,
                       const char *name, unsigned why);

#endif
