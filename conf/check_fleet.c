/* What a fleet needs beyond its keys' types. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/load.h"

/* What is written where `key` lists addresses of a store. */
static void check_places(struct loading *loading, const char *key,
                         const struct endpoint_settings *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct endpoint_settings *place = &places[i];
        if (place->scheme != SCHEME_NONE || place->service || place->backup || place->weight > 1) {
            loading_report(loading, SETTINGS_ERROR, key,
                           "\"%s\": write \"host:port\" or \"unix:/path\" and no more",
                           place->text);
        }
    }
}

static bool is_given(const struct fleet_settings *fleet)
{
    return fleet->store_count + fleet->sentinel_count > 0;
}

static void check_rate(struct loading *loading, size_t route, const char *key,
                       const struct rate_settings *rate)
{
    char path[64];
    snprintf(path, sizeof path, "routes.[%zu].%s.fleet", route, key);
    if (rate->fleet && !(rate->per_second > 0)) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "has no per_second beside it, so there is no rate");
    }
    if (rate->fleet && !is_given(&loading->settings->fleet)) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "there is no fleet: write fleet = { store = [ \"redis:6379\" ]; key_file = "
                       "\"fleet.key\"; };");
    }
}

static void check_rates(struct loading *loading)
{
    const struct settings *settings = loading->settings;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        check_rate(loading, i, "rate", &route->rate);
        check_rate(loading, i, "key_rate", &route->key_rate.rate);
        check_rate(loading, i, "shards.rate", &route->shards.rate);
    }
}

void check_fleet(struct loading *loading)
{
    const struct fleet_settings *fleet = &loading->settings->fleet;
    check_places(loading, "fleet.store", fleet->stores, fleet->store_count);
    check_places(loading, "fleet.sentinel.addresses", fleet->sentinels, fleet->sentinel_count);
    if (fleet->store_count > 0 && fleet->sentinel_count > 0) {
        loading_report(loading, SETTINGS_ERROR, "fleet.store",
                       "is not used beside fleet.sentinel: write one of both");
    }
    if (is_given(fleet) && *fleet->key_file == '\0') {
        loading_report(loading, SETTINGS_ERROR, "fleet",
                       "key_file is missing: openssl rand -hex 32 >fleet.key, and the same file "
                       "at every replica");
    }
    if (!is_given(fleet) && (*fleet->key_file != '\0' || *fleet->password_file != '\0')) {
        loading_report(loading, SETTINGS_ERROR, "fleet",
                       "store is missing: write fleet = { store = [ \"redis:6379\" ]; ... }");
    }
    if (*fleet->user != '\0' && *fleet->password_file == '\0') {
        loading_report(loading, SETTINGS_ERROR, "fleet.user", "has no password_file");
    }
    if (*fleet->name == '\0' || strpbrk(fleet->name, "{} \t\r\n") != NULL ||
        strlen(fleet->name) > 64) {
        loading_report(loading, SETTINGS_ERROR, "fleet.name",
                       "expected a name of at most 64 characters, without blanks and braces");
    }
    check_rates(loading);
}
