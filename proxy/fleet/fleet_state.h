/*
 * The state of a fleet, shared by the files of fleet/.
 *
 * Owns: see fleet.h. Private to fleet/. Thread: control.
 */
#ifndef EVENKEEL_PROXY_FLEET_FLEET_STATE_H
#define EVENKEEL_PROXY_FLEET_FLEET_STATE_H

#include "proxy/fleet/fleet.h"
#include "proxy/fleet/members.h"
#include "proxy/fleet/rates.h"
#include "proxy/fleet/ticket_keys.h"
#include "proxy/fleet/warm_values.h"
#include "proxy/fleet/words.h"
#include "tls/seal.h"

/* Replicas of other versions keep other values, under other keys. */
#define FLEET_VERSION "1"
#define FLEET_KEY_BYTES 192

struct fleet {
    struct fleet_env env;
    struct settings *settings; /* NULL: alone */
    struct seal_key key;
    struct store *store;
    char id[FLEET_ID_BYTES];
    char host[FLEET_HOST_BYTES]; /* of this replica */
    struct members members;
    struct ticket_keys ticket_keys;
    struct warm_values warm_values;
    struct words words;
    struct rates rates;
    uint64_t store_ms, seen_ms; /* the store's clock when it last told, and ours at that moment */
    uint64_t refused_count, refused_told_ms;
    uint64_t losses_count;
};

/* The name of a key in the store. */
void fleet_key(const struct fleet *fleet, const char *what, char key[FLEET_KEY_BYTES]);
/* Of one that all versions share, and which therefore is never changed. */
void fleet_common_key(const struct fleet *fleet, const char *what, char key[FLEET_KEY_BYTES]);
/* The store has told what time it is. */
void fleet_note_time(struct fleet *fleet, uint64_t store_ms);
/* What time it is by the store's clock; only once it has told. */
uint64_t fleet_store_ms(const struct fleet *fleet);
/* Values that are not of this fleet's key: counted, and told now and then. 0 is fine. */
void fleet_note_refused(struct fleet *fleet, size_t count, const char *what);
/* The store has lost what this replica had read from it. False is fine. */
void fleet_note_loss(struct fleet *fleet, bool lost, const char *what);

#endif
