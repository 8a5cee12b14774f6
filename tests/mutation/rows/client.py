"""Connections of clients, and what is believed of them."""

from row import Row

ROWS = (
    Row("silent sockets keep the places of clients", "proxy/client/client.c",
        "if (bound_try(places, 1) || (clients_evict(worker, CLIENT_SILENT) && bound_try(places, 1))) {",
        "if (bound_try(places, 1)) {",
        "scenario/tls_abuse.py: silent sockets use up the places for clients", "a few clients keep all others out"),
    Row("connections wait in a listener that goes", "proxy/client/listener.c",
        "    /* usually no connection waits */\n"
        "    listener_on_readable(listener->listener->fds[listener->waiter], EV_READ, listener);\n",
        "    listener_enter(listener, LISTENER_LEFT);\n",
        "scenario/listener_end.py: reset by a reload that removes", "clients that the kernel has taken are reset"),
    Row("a listener that leaves takes connections still", "proxy/client/listener.c",
        "(void)setsockopt(listener->fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);", "(void)filter;",
        "scenario/listener_end.py: a client that comes while listeners close", "clients are reset by a reload"),
    Row("a listening socket that fails is tried again at once", "proxy/client/listener.c",
        "        case ACCEPT_FAILED:\n        case ACCEPT_SHORTAGE: listener_on_shortage(listener); return;\n",
        "        case ACCEPT_FAILED: break;\n        case ACCEPT_SHORTAGE: listener_on_shortage(listener); return;\n",
        "scenario/listener_end.py: a listening socket that fails for good", "a worker does nothing but fail"),
    Row("a name with an underscore passes", "proxy/exchange/field_trust.c",
        "            (!settings->underscores || stands_in(exchange, settings, name, field->name_bytes))) {",
        "            false) {",
        "scenario/trust.py: a name with an underscore", "a client forges X_Forwarded_For"),
    Row("where underscores pass, stand-ins pass", "proxy/exchange/field_trust.c",
        "(!settings->underscores || stands_in(exchange, settings, name, field->name_bytes))", "!settings->underscores",
        "scenario/trust.py: a name with an underscore", "a client forges X_Forwarded_For"),
    Row("untrusted clients set believed fields", "proxy/exchange/field_trust.c",
        "return !exchange->trusted && believed_field(name, name_bytes) &&", "return false && believed_field(name, name_bytes) &&",
        "scenario/trust.py: a client forges what servers believe", "a client forges X-Real-IP"),
    Row("the client is who stands leftmost", "proxy/exchange/told_client.c",
        "walk->over = !generation_trusts(walk->generation, &address.any);", "walk->over = false;",
        "scenario/trust.py: behind a trusted peer", "a client escapes its rate by a made-up address"),
    Row("who is cut off begins anew at once", "proxy/worker/blame.h",
        "return slot->key_hash == key_hash && now_ms < slot->until_ms;", "return slot->key_hash == key_hash && now_ms < 1;",
        "unit/test_blame", "an attacker who reconnects takes as much of a worker's time as before"),
)
