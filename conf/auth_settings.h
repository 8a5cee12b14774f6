/*
 * What a route asks of those who use it, as a part of the settings.
 *
 * Owns nothing: texts are in the arena of the settings. Thread: built on the one that loads, then read by all.
 */
#ifndef EVENKEEL_CONF_AUTH_SETTINGS_H
#define EVENKEEL_CONF_AUTH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A service is asked whether a request may pass. */
struct auth_forward_settings {
    const char *upstream; /* NULL: not given */
    size_t upstream_index;
    const char *path;        /* and query */
    const char *const *copy; /* fields of the service's answer that go on with the request */
    size_t copy_count;
    uint64_t timeout_ms;
};

struct auth_user {
    const char *name;
    const char *hash; /* of crypt(3) */
};

/* A name and a password are asked for (RFC 7617). */
struct auth_basic_settings {
    const char *file; /* NULL: not given */
    const char *realm;
    struct auth_user *users; /* by name */
    size_t user_count;
    uint64_t mark; /* a hash of the file's text */
    uint64_t remember_ms;
    bool pass; /* Authorization goes on to the upstream */
};

/* Who may use a route; at most one of them. */
struct auth_settings {
    struct auth_forward_settings forward;
    struct auth_basic_settings basic;
};

static inline bool auth_asked(const struct auth_settings *auth)
{
    return auth->forward.upstream != NULL || auth->basic.file != NULL;
}

#endif
