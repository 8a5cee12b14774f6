/*
 * /traffic: what all workers and routes together have done since the start: counts, from which a reader makes rates, and the times of all
 * responses. It stays small however large the configuration is.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_TRAFFIC_VIEW_H
#define EVENKEEL_PROXY_ADMIN_TRAFFIC_VIEW_H

#include "proxy/admin/page.h"

extern page_part_fn *const traffic_page[];

#endif
