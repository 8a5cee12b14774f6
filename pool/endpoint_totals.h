/*
 * Entries: the figures of endpoints by their text in the settings, whatever addresses came and went.
 *
 * Owns: per upstream what was counted at endpoints that have gone. Private to pool/. Thread: control.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_TOTALS_H
#define EVENKEEL_POOL_ENDPOINT_TOTALS_H

#include <sys/queue.h>

#include "pool/upstream.h"

struct departed;
struct upstream_private;
SLIST_HEAD(departed_list, departed);

/* The endpoint goes: keeps what it counted. */
void endpoint_totals_keep(struct upstream_private *own, const struct endpoint *endpoint);
/* The upstream goes. */
void endpoint_totals_forget(struct upstream_private *own);

#endif
