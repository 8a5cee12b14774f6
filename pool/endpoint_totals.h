/*
 * Entries: the figures of endpoints by their text in the settings, whatever addresses the text stood for over time.
 *
 * Owns: for each upstream, the counts of endpoints that no longer exist. Private to pool/. Thread: control.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_TOTALS_H
#define EVENKEEL_POOL_ENDPOINT_TOTALS_H

#include <sys/queue.h>

#include "pool/upstream.h"

struct departed;
struct upstream_private;
SLIST_HEAD(departed_list, departed);

/* The endpoint is about to be freed: keeps its counts. */
void endpoint_totals_keep(struct upstream_private *own, const struct endpoint *endpoint);
/* The upstream is about to be freed. */
void endpoint_totals_forget(struct upstream_private *own);

#endif
