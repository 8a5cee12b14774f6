/*
 * /upstreams: every endpoint with its health and why, its connections and what they are worth, as JSON.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_UPSTREAMS_VIEW_H
#define EVENKEEL_PROXY_ADMIN_UPSTREAMS_VIEW_H

#include "proxy/admin/page.h"

extern page_part_fn *const upstreams_page[];

#endif
