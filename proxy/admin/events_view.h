/* /events: what changed lately, oldest first within its kind. Owns nothing. Thread: control. */
#ifndef EVENKEEL_PROXY_ADMIN_EVENTS_VIEW_H
#define EVENKEEL_PROXY_ADMIN_EVENTS_VIEW_H

#include "proxy/admin/page.h"

extern page_part_fn *const events_page[];

#endif
