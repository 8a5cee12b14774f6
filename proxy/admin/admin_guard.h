/*
 * Who may speak to the admin listener through a browser: requests for a foreign host and from a foreign page are refused.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 6454 7 (Origin), Fetch Metadata (Sec-Fetch-Site).
 *
 * A page that an operator happens to visit can make the browser send requests here: as they are, with its Origin, or, once its own
 * name has been pointed at this address (DNS rebinding), with its name as Host. A name is therefore believed only when the
 * configuration has it; an address and "localhost" cannot be pointed anywhere. No page reaches a unix socket.
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

/* What of a request is judged; NULL: the field is not there. */
struct admin_request_source {
    const char *host, *origin, *fetch_site;
    bool acts; /* it would change something */
};

enum admin_verdict admin_guard_judge(const struct admin_settings *settings,
                                     const struct admin_request_source *source);

#endif
