/*
 * /drift: what grows although nothing explains it, by resource, and when the process was last changed; and what /resources says of a
 * bound's history.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_DRIFT_VIEW_H
#define EVENKEEL_PROXY_ADMIN_DRIFT_VIEW_H

#include "proxy/admin/page.h"

extern page_part_fn *const drift_page[];

/* Keys of a bound in /resources: drift, slope_per_hour, left_s; null where the bound has no history. */
void drift_write_bound(struct json *json, const struct drift_book *book, const struct bound *bound);

#endif
