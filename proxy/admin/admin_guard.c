/* Rejects requests for foreign hosts and from foreign pages. */
#include "proxy/admin/admin_guard.h"

#include <string.h>
#include <strings.h>

#include "steady/address.h"

ENUM_NAME_FUNCTION(admin_verdict_words, enum admin_verdict, ADMIN_VERDICTS)

/* A host without its port, its brackets and the dot at its end. */
struct bare_host {
    const char *text;
    size_t bytes;
};

static struct bare_host bare_host(const char *authority)
{
    struct bare_host host = {authority, strcspn(authority, ":")};
    if (authority[0] == '[') {
        host = (struct bare_host){authority + 1, strcspn(authority + 1, "]")};
    }
    if (host.bytes > 0 && host.text[host.bytes - 1] == '.') {
        host.bytes--;
    }
    return host;
}

static bool host_is(struct bare_host host, const char *name)
{
    return strlen(name) == host.bytes && strncasecmp(host.text, name, host.bytes) == 0;
}

static bool host_ends_with(struct bare_host host, const char *suffix)
{
    size_t bytes = strlen(suffix);
    return host.bytes > bytes && strncasecmp(host.text + host.bytes - bytes, suffix, bytes) == 0;
}

/* "admin.example", or "*.example" for every name below it. */
static bool host_is_configured(const struct admin_settings *settings, struct bare_host host)
{
    for (size_t i = 0; i < settings->hosts_count; i++) {
        const char *name = settings->hosts[i];
        if (name[0] == '*' ? host_ends_with(host, name + 1) : host_is(host, name)) {
            return true;
        }
    }
    return false;
}

static bool host_is_ours(const struct admin_settings *settings, const char *authority)
{
    struct bare_host host = bare_host(authority);
    struct address literal;
    return address_from_host(host.text, host.bytes, 0, &literal) || host_is(host, "localhost") ||
           host_is_configured(settings, host);
}

static bool host_is_good(const struct admin_settings *settings,
                         const struct admin_request_source *source)
{
    if (source->local_socket) {
        return true;
    }
    /* HTTP/1.0 has no Host; every browser sends one */
    return source->host != NULL ? host_is_ours(settings, source->host) : !source->acts;
}

/* The origin of the admin listener's own pages is its authority or, behind a proxy that changes Host, one of the
   configured names. */
static bool origin_is_good(const struct admin_settings *settings,
                           const struct admin_request_source *source)
{
    if (source->origin == NULL) {
        return !source->acts || source->fetch_site == NULL ||
               strcmp(source->fetch_site, "same-origin") == 0 ||
               strcmp(source->fetch_site, "none") == 0;
    }
    const char *authority = strstr(source->origin, "://");
    if (authority == NULL) {
        return false; /* "null": a page that hides its origin */
    }
    authority += 3;
    return (source->host != NULL && strcasecmp(authority, source->host) == 0) ||
           host_is_configured(settings, bare_host(authority));
}

enum admin_verdict admin_guard_judge(const struct admin_settings *settings,
                                     const struct admin_request_source *source)
{
    if (!host_is_good(settings, source)) {
        return ADMIN_FOREIGN_HOST;
    }
    return origin_is_good(settings, source) ? ADMIN_ALLOWED : ADMIN_FOREIGN_ORIGIN;
}
