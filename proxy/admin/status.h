/*
 * /status and /resources: what the process is doing and what it holds, as JSON.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_STATUS_H
#define EVENKEEL_PROXY_ADMIN_STATUS_H

#include "proxy/admin/page.h"

/* /readyz; status 200 or 503 */
void readyz_write(struct evbuffer *out, const struct overview *overview);
/* The same for who has shown no token: no figures, no names. */
void readyz_write_briefly(struct evbuffer *out, const struct overview *overview);
int readyz_status(const struct overview *overview);
extern page_part_fn *const status_page[];
extern page_part_fn *const resources_page[];

#endif
