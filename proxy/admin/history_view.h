/*
 * /history/short, /middle, /long: the figures of the drift book over its three windows, which are 10 minutes, 1 hour and 6 hours if
 * drift.interval is 10 s.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_HISTORY_VIEW_H
#define EVENKEEL_PROXY_ADMIN_HISTORY_VIEW_H

#include "proxy/admin/page.h"

extern page_part_fn *const history_short_page[];
extern page_part_fn *const history_middle_page[];
extern page_part_fn *const history_long_page[];

#endif
