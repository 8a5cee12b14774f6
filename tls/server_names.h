/*
 * Which certificate a name gets: an exact match, then a wildcard, then the default.
 *
 * Owns: the names. Thread: built by one, then read by all. Errors: false when memory is exhausted. Spec: RFC 6066 3,
 * RFC 6125 6.4.3 (a wildcard stands for one whole label, the first).
 */
#ifndef EVENKEEL_TLS_SERVER_NAMES_H
#define EVENKEEL_TLS_SERVER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_NAME_MOST_BYTES 255 /* RFC 1035 3.1 */

struct server_name {
    char *name; /* lower case; a wildcard's without the "*" */
    bool wildcard;
    unsigned index; /* index of its group */
};

struct server_names {
    struct server_name *items; /* sorted once sealed */
    size_t count, capacity;
};

/* "*.x" is a wildcard. A name that is there already keeps its index. */
__attribute__((warn_unused_result)) bool server_names_add(struct server_names *names,
                                                          const char *name, size_t length,
                                                          unsigned index);
void server_names_seal(struct server_names *names);
/* False: no name matches. Case does not matter. */
bool server_names_find(const struct server_names *names, const char *name, unsigned *ret_index);
void server_names_release(struct server_names *names);

#endif
