/*
 * Sets in memory: which objects each set contains, and when an object is in no set any more.
 *
 * Owns: sets, upstreams and endpoints, from their building to their collection. Private to pool/. Thread: control.
 */
#ifndef EVENKEEL_POOL_SETS_H
#define EVENKEEL_POOL_SETS_H

#include "pool/pools.h"
#include "pool/upstream.h"
#include "tls/client_index.h"

struct upstream_set_record {
    struct upstream_set set; /* first */
    TAILQ_ENTRY(upstream_set_record) link;
    bool used, retired;
    struct text_index by_name;   /* the views of the set */
    struct tls_client_index tls; /* those of the views */
};

/* The upstream of that name, known before or new. NULL: no memory or too many. */
struct upstream_private *upstream_obtain(struct pools *pools, const char *name);
/* Whom an entry names: its host, or the domain of its service. Lives as long as the settings. */
const char *endpoint_identity(const struct endpoint_settings *settings);
/* A new endpoint of the view's upstream. NULL: no memory or too many. */
struct endpoint *endpoint_create(const struct upstream_view *view,
                                 const struct endpoint_settings *settings,
                                 const struct named_address *named);
/* Frees upstreams and endpoints that no set contains and no worker uses. */
void sets_sweep(struct pools *pools);
/* Registers the bounds of the endpoints of the newest live set, and no others. */
void sets_show_newest(struct pools *pools);

#endif
