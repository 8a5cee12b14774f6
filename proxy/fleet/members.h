/*
 * Members: the replicas of a fleet that are alive, each known by its heartbeat in the store.
 *
 * Owns: the list of those seen last (in struct fleet). Private to fleet/, but for the figures in fleet.h. Thread: control. Time base:
 * the store's clock, ms since 1970, for what several replicas compare.
 */
#ifndef EVENKEEL_PROXY_FLEET_MEMBERS_H
#define EVENKEEL_PROXY_FLEET_MEMBERS_H

#include "proxy/fleet/fleet.h"
#include "proxy/fleet/store_reply.h"

/* How often a replica says that it is alive, and how long it is believed. */
#define MEMBERS_BEAT_MS 1000
#define MEMBERS_GONE_MS 5000

struct members {
    struct fleet_member list[FLEET_MEMBERS_MOST];
    size_t count;
    uint64_t beat_ms; /* when the last beat was sent */
    uint64_t
        other_versions_count; /* of which replicas are alive, with values that this one does not know */
    bool asked;               /* its answer has not come */
    bool left;                /* no beat follows: this process ends */
};

/* Sends a beat if it is time. */
void members_housekeeping(struct fleet *fleet, uint64_t now_ms);
/* Takes this replica out of the list of the store, as it ends. */
void members_leave(struct fleet *fleet);

#endif
