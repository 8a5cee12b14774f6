/*
 * /metrics: Prometheus text format 0.0.4.
 *
 * Label values come from the configuration or from fixed sets, never from traffic. The number of series is bounded and
 * is itself a metric, so a scrape costs the same whatever the traffic was.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_METRICS_H
#define EVENKEEL_PROXY_ADMIN_METRICS_H

#include "proxy/admin/page.h"

extern page_part_fn *const metrics_page[];

#endif
