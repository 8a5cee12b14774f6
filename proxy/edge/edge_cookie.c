/* Name, value and attributes. */
#include "proxy/edge/edge_cookie.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What browsers take from TLS only: SameSite=None, and names with the prefixes __Secure- and __Host-. */
static bool needs_tls(const struct sticky_settings *sticky)
{
    return sticky->same_site == SAME_SITE_NONE || strncmp(sticky->cookie, "__", 2) == 0;
}

size_t edge_cookie_write(const struct sticky_settings *sticky, const char *value, bool secure,
                         char *space)
{
    static const char *const words[] = {
        [SAME_SITE_LAX] = "Lax", [SAME_SITE_STRICT] = "Strict", [SAME_SITE_NONE] = "None"};
    size_t most = strlen(sticky->cookie) + strlen(value) + EDGE_COOKIE_EXTRA_BYTES;
    int bytes =
        snprintf(space, most, "%s=%s; Path=/; HttpOnly; SameSite=%s%s", sticky->cookie, value,
                 words[sticky->same_site], secure || needs_tls(sticky) ? "; Secure" : "");
    if (sticky->max_age_ms != 0) {
        bytes += snprintf(space + bytes, most - (size_t)bytes, "; Max-Age=%" PRIu64,
                          sticky->max_age_ms / 1000);
    }
    return (size_t)bytes;
}
