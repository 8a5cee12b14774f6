/*
 * Whether a request to the admin listener shows one of the tokens of admin.token_file: as "Bearer TOKEN", or as the
 * password of "Basic", which a browser can be made to ask for.
 *
 * Owns nothing; pure. Thread: any. Errors: none. Spec: RFC 6750 2.1 and 3, RFC 7617.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_TOKEN_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_TOKEN_H

#include "conf/admin_settings.h"

/* id, what the answer's WWW-Authenticate says of it */
#define ADMIN_CLAIMS(X)                                     \
    X(ADMIN_CLAIM_GOOD, "") /* or nobody has to show one */ \
    X(ADMIN_CLAIM_NONE, "")                                 \
    X(ADMIN_CLAIM_WRONG, ", error=\"invalid_token\"")
enum admin_claim {
#define X(id, words) id,
    ADMIN_CLAIMS(X)
#undef X
};

/* authorization: the value of the field, NULL: it is missing. Takes the same time whichever bytes of a token are right. */
enum admin_claim admin_token_judge(const struct admin_settings *settings,
                                   const char *authorization);
/* What makes a browser ask its user; in a field of its own, because browsers read one challenge of a field. */
#define ADMIN_BROWSER_CHALLENGE "Basic realm=\"evenkeel\", charset=\"UTF-8\""
/* The challenge of a 401 for programs, without the name of the field. */
const char *admin_token_challenge(enum admin_claim claim);

#endif
