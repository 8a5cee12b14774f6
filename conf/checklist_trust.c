/* Answers about who may what. */
#include <unistd.h>

#include "conf/admin_access.h"
#include "conf/checklist_parts.h"

void answer_admin_access(struct checking *checking)
{
    const struct admin_settings *admin = &checking->settings->admin;
    if (!admin_is_local(&admin->listen)) {
        checklist_say(
            checking, CHECKLIST_ASK,
            "%s asks for a token, which is sent in plain text: let only those reach it who "
            "need to (firewall, NetworkPolicy)",
            admin->listen_text);
    } else {
        checklist_say(checking, CHECKLIST_MET, "%s is local%s", admin->listen_text,
                      admin->token_count > 0 ? ", and asks for a token" : "");
    }
}

void answer_user(struct checking *checking)
{
    if (checking->settings->user[0] == '\0' && geteuid() == 0) {
        checklist_say(
            checking, CHECKLIST_ASK,
            "it runs as root if it is started as now: set user, or start it as another one");
    } else {
        checklist_say(checking, CHECKLIST_MET, "not root");
    }
}

static bool trusts_all(const struct address_prefix *prefix)
{
    return prefix->bits == 0 || (prefix->bits == 96 && prefix->bytes[11] == 0xff);
}

void answer_trusted_peers(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    for (size_t i = 0; i < settings->trusted_peer_count; i++) {
        if (trusts_all(&settings->trusted_peers[i])) {
            checklist_say(checking, CHECKLIST_WARNING,
                          "trusted_peers: trusts every client: any client can forge "
                          "X-Forwarded-For: name the networks of your proxies");
            return;
        }
    }
    checklist_say(checking, CHECKLIST_MET, "trusted_peers: %zu prefixes",
                  settings->trusted_peer_count);
}

void answer_upstream_trust(struct checking *checking)
{
    for (size_t i = 0; i < checking->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &checking->settings->upstreams[i];
        if (upstream->tls.enabled && !upstream->tls.verify) {
            checklist_say(checking, CHECKLIST_ADVICE,
                          "upstreams.%s: tls.verify is false: set tls.ca to what has signed its "
                          "certificate instead",
                          upstream->name);
        }
    }
}

/* For all routes at once it is rarely meant; on a route somebody has thought of it. */
void answer_compression(struct checking *checking)
{
    const struct compress_settings *compress = &checking->settings->compress;
    if (compress->enabled && compress->secrets) {
        checklist_say(
            checking, CHECKLIST_WARNING,
            "compress: with secrets at the top, lengths of responses tell the secrets in them "
            "(BREACH): set it on the routes whose responses repeat nothing of the request");
    }
}

void answer_last_route(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    const struct route_settings *last = &settings->routes[settings->route_count - 1];
    bool all = settings_match_all(&last->match);
    checklist_say(
        checking, all ? CHECKLIST_MET : CHECKLIST_ADVICE,
        all ? "\"%s\" takes every request that no other route takes"
            : "the last one, \"%s\", has conditions: a request that matches no route is "
              "answered with 404: add a last route without conditions, if that is not meant",
        last->name);
}
