/* Metrics of what policy has decided. Thread: control. */
#ifndef EVENKEEL_PROXY_ADMIN_POLICY_METRICS_H
#define EVENKEEL_PROXY_ADMIN_POLICY_METRICS_H

#include "proxy/admin/scrape.h"

void policy_metrics_write(struct scrape *scrape);

#endif
