/*
 * The user that the process changes to after it has opened everything that only root may open.
 *
 * Owns nothing. Thread: control (and main, for `-t`). Errors: false, errno says why (0: there is no such user).
 */
#ifndef EVENKEEL_PROXY_CONTROL_USER_H
#define EVENKEEL_PROXY_CONTROL_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct user {
    const char *name; /* the caller's */
    uid_t uid;
    gid_t gid;
};

__attribute__((warn_unused_result)) bool user_find(const char *name, struct user *ret_user);
/* Whether this process already runs as that user, like one that its predecessor started. */
bool user_is_present(const struct user *user);
__attribute__((warn_unused_result)) bool user_become(const struct user *user);
/* Why user_find() or user_become() failed; to be called right after it. */
const char *user_error(void);

#endif
