/*
 * What the files of the checklist share. Private to them: checklist.c (the table), checklist_load.c (limits, pools,
 * time), checklist_trust.c (who may what), checklist_fleet.c (the store).
 *
 * Owns nothing. Thread: any.
 */
#ifndef EVENKEEL_CONF_CHECKLIST_PARTS_H
#define EVENKEEL_CONF_CHECKLIST_PARTS_H

#include "conf/checklist.h"

/* Answers of an item that are told; of ten thousand upstreams with one fault, the first are enough. */
#define CHECKLIST_FINDINGS_MOST 10

/* An item that is being checked. */
struct checking {
    const struct settings *settings;
    const struct checklist_item *item;
    checklist_finding_fn *say;
    void *owner;
    size_t findings_count;
    enum checklist_verdict last; /* of these */
};

/* Says one thing about the item. */
__attribute__((format(printf, 3, 4))) void checklist_say(struct checking *checking,
                                                         enum checklist_verdict verdict,
                                                         const char *format, ...);

/* Answers an item; if it says nothing, the item's own words for that are said. */
typedef void checklist_answer_fn(struct checking *checking);

checklist_answer_fn answer_memory, answer_descriptors, answer_queues, answer_pools,
    answer_deadlines, answer_retries, answer_breakers, answer_endpoints, answer_caches,
    answer_series, answer_logs, answer_drain, answer_readiness, answer_warm_state, answer_tenants;
checklist_answer_fn answer_admin_access, answer_user, answer_trusted_peers, answer_upstream_trust,
    answer_compression, answer_last_route;
checklist_answer_fn answer_fleet;

#endif
