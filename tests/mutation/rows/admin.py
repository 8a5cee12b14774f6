"""The admin listener: who may do what, and what it says."""

from row import Row

ROWS = (
    Row("readiness flaps", "proxy/admin/readiness.c",
        "return now_ms - readiness->changing_ms >= long_ms;", "return true;",
        "unit/test_readiness", "a balancer takes the process out for a moment's loss"),
    Row("cold beats lost", "proxy/admin/readiness.c",
        "return lost(figures) ? READINESS_LOST : READINESS_COLD;", "return READINESS_COLD;",
        "unit/test_readiness", "traffic is taken that nobody can serve"),
    Row("a rebound name reads the admin listener", "proxy/admin/admin_guard.c",
        "return source->host != NULL ? host_is_ours(settings, source->host) : !source->acts;", "return true;",
        "unit/test_admin_guard", "a page that an operator visits reads the figures"),
    Row("a page that hides its origin may act", "proxy/admin/admin_guard.c",
        "return false; /* \"null\": a page that hides its origin */", "return true;",
        "unit/test_admin_guard", "a page that an operator visits drains the process"),
    Row("an admin listener that others reach asks nobody", "conf/check_admin.c",
        "    } else if (!admin_is_guarded(&admin->listen, admin)) {", "    } else if (false) {",
        "scenario/admin_access.py: can reach is taken", "whoever reaches the port drains the process"),
    Row("a part of a token is a token", "proxy/admin/admin_token.c",
        "i < SHOWN_BYTES; i++", "i < SHOWN_BYTES && b->text[i] != 0; i++",
        "unit/test_admin_token", "a token is guessed a character at a time"),
    Row("an idle admin connection keeps its place", "proxy/admin/admin_places.c",
        "            oldest = place;\n", "            ;\n",
        "scenario/admin_abuse.py: idle connections keep", "a health check fails because others sit"),
    Row("an admin request has no deadline", "proxy/admin/admin_places.c",
        "        if (place_is_late(&places->all[i], now_ms)) {", "        if (false && now_ms) {",
        "scenario/admin_abuse.py: a request that comes a byte at a time", "connections of the admin listener pile up"),
    Row("who asks later is told of the reload before", "proxy/admin/admin_reloads.c",
        "        if (waiter->read || everyone) {", "        if (true || everyone) {",
        "scenario/reload.py: is under way", "a deployment goes on although its file is not in use"),
)
