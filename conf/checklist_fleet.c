/* What the checklist says of a fleet's store: what happens while it is away for an hour, feature by feature. */
#include "conf/checklist_parts.h"

#define HOUR_MS UINT64_C(3600000)
#define MINUTE_MS UINT64_C(60000)

static void say_start(struct checking *checking)
{
    checklist_say(checking, CHECKLIST_MET,
                  "requests: none waits for the store and none fails; a replica that starts waits "
                  "for it for at most fleet.timeout (%llu ms)",
                  (unsigned long long)checking->settings->fleet.timeout_ms);
}

static void say_ticket_keys(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    unsigned long long minutes = settings->tls_tickets.rotate_ms / MINUTE_MS;
    if (settings->tls_tickets.keys[0] != '\0') {
        checklist_say(checking, CHECKLIST_MET,
                      "ticket keys: they come from tls_tickets.keys, not from the store");
    } else if (settings->tls_tickets.rotate_ms > HOUR_MS) {
        checklist_say(
            checking, CHECKLIST_MET,
            "ticket keys: replicas go on with those they have, and clients resume at any; "
            "only after tls_tickets.rotate (%llu min) without the store does each make its "
            "own. A replica that starts meanwhile has its own, and clients of others begin "
            "there with a full handshake",
            minutes);
    } else {
        checklist_say(
            checking, CHECKLIST_ADVICE,
            "ticket keys: after tls_tickets.rotate (%llu min) each replica makes its own, and "
            "clients that come to another one begin with a full handshake: a longer "
            "tls_tickets.rotate keeps them through the hour",
            minutes);
    }
}

static void say_warm_state(struct checking *checking)
{
    const char *path = checking->settings->warm_state.path;
    if (path[0] == '\0') {
        checklist_say(checking, CHECKLIST_ASK,
                      "warm state: replicas that run lose nothing; one that starts is cold, as "
                      "warm_state.path is \"\": full handshakes, latencies learned anew");
    } else {
        checklist_say(checking, CHECKLIST_MET,
                      "warm state: replicas that run lose nothing; one that starts takes "
                      "warm_state.path (%s), if it is there",
                      path);
    }
}

static void say_rates(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    size_t count = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        count += route->rate.fleet || route->key_rate.rate.fleet || route->shards.rate.fleet;
    }
    if (count > 0) {
        checklist_say(checking, CHECKLIST_ASK,
                      "rates over the fleet: each replica goes on with its share, the rate divided "
                      "by the replicas seen last, so that all together stay below it; clients of a "
                      "replica with more than its part of the traffic are refused early. One that "
                      "starts meanwhile has seen no others, and has the whole rate");
    }
}

static void say_operator_word(struct checking *checking)
{
    checklist_say(
        checking, CHECKLIST_MET,
        "the operator's word: what was said goes on, with its end; what is said meanwhile "
        "holds at that replica at once, and at the others when the store is back. A "
        "replica that starts meanwhile knows only what is in its warm state");
}

void answer_fleet(struct checking *checking)
{
    const struct fleet_settings *fleet = &checking->settings->fleet;
    if (fleet->store_count + fleet->sentinel_count == 0) {
        checklist_say(checking, CHECKLIST_MET, "nothing: there is no store (fleet.store)");
        return;
    }
    say_start(checking);
    if (fleet->ticket_keys) {
        say_ticket_keys(checking);
    }
    if (fleet->warm_state) {
        say_warm_state(checking);
    }
    say_rates(checking);
    if (fleet->operator_word) {
        say_operator_word(checking);
    }
}
