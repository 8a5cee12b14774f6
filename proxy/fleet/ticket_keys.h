/*
 * Ticket keys of a fleet: clients resume their TLS sessions at every replica.
 *
 * Owns: nothing but when it last asked (in struct fleet). Private to fleet/. Thread: control. Time base: the store's clock for the age
 * of keys.
 *
 * One sealed value in the store holds up to four keys, newest first: one that will encrypt, so that all replicas know it before the
 * first of them uses it; the one that encrypts; and two that only decrypt. Whoever finds no value makes one, and whoever finds that
 * the key that encrypts is tls_tickets.rotate old puts a new key in front, if the value is still the one it has read. A replica
 * without the store goes on with what it has, and makes keys of its own when it has been cut off for a whole rotation.
 */
#ifndef EVENKEEL_PROXY_FLEET_TICKET_KEYS_H
#define EVENKEEL_PROXY_FLEET_TICKET_KEYS_H

#include "proxy/fleet/fleet.h"

struct ticket_keys {
    uint64_t asked_ms,
        taken_ms; /* the last question, and when the store last had good keys; 0: never */
    uint64_t
        taken_store_ms; /* since when the key that encrypts has done so; 0: no keys of the store */
    bool asked;         /* an answer has not come */
};

/* Asks if it is time, and unshares the keys of who is cut off for too long. */
void ticket_keys_housekeeping(struct fleet *fleet, uint64_t now_ms);
/* There is no fleet any more, or not this one: the keys are the process's own. */
void ticket_keys_forget(struct fleet *fleet, uint64_t now_ms);

#endif
