/*
 * Kinds of user agents: five, by what a User-Agent field says of itself. For figures only: anybody may say anything.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 9110 10.1.5.
 */
#ifndef EVENKEEL_PROXY_HTTP_USER_AGENT_H
#define EVENKEEL_PROXY_HTTP_USER_AGENT_H

#include <stddef.h>

#include "steady/enum_names.h"

/* Bots come first: many of them call themselves a browser, too. */
#define USER_AGENTS(X)                                                             \
    X(USER_AGENT_BOT, "bot")         /* crawlers, previews, monitors */            \
    X(USER_AGENT_BROWSER, "browser") /* what begins as all browsers do */          \
    X(USER_AGENT_TOOL, "tool")       /* curl, wget, load generators */             \
    X(USER_AGENT_LIBRARY, "library") /* HTTP and gRPC libraries of applications */ \
    X(USER_AGENT_OTHER, "other")     /* everything else, and requests that say nothing */
enum user_agent { ENUM_VALUES(USER_AGENTS) USER_AGENT_COUNT };
const char *user_agent_name(enum user_agent value);

/* Looks at the beginning of the text only; `text` may be NULL if there is none. */
enum user_agent user_agent_of(const char *text, size_t bytes);

#endif
