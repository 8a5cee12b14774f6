/*
 * Protects the admin listener from requests that a foreign page makes in the operator's browser: requests for a
 * foreign host and from a foreign page are refused.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 6454 7 (Origin), Fetch Metadata (Sec-Fetch-Site).
 *
 * A page that an operator visits can make the browser send requests to this listener: with the page's Origin or, if
 * the page's own name has been pointed at this address (DNS rebinding), with that name as Host. So a name is accepted
 * only if the configuration contains it. An address and "localhost" cannot be pointed elsewhere. No page can reach a
 * unix socket.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_GUARD_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_GUARD_H

#include <stdbool.h>

#include "conf/settings.h"
#include "steady/enum_names.h"

/* id, what the answer says */
#define ADMIN_VERDICTS(X)                                                                \
    X(ADMIN_ALLOWED, "allowed")                                                          \
    X(ADMIN_FOREIGN_HOST, "Host is neither an address nor localhost nor in admin.hosts") \
    X(ADMIN_FOREIGN_ORIGIN, "the request comes from a page of elsewhere")
enum admin_verdict { ENUM_VALUES(ADMIN_VERDICTS) };
const char *admin_verdict_words(enum admin_verdict value);

/* The fields of a request that are judged; NULL: the field is missing. */
struct admin_request_source {
    const char *host, *origin, *fetch_site;
    bool acts;         /* the request would change something */
    bool local_socket; /* it came through a UNIX socket */
};

enum admin_verdict admin_guard_judge(const struct admin_settings *settings,
                                     const struct admin_request_source *source);

#endif
