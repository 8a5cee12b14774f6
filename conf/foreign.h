/*
 * Words of nginx, HAProxy, Caddy and Traefik, and what is written here in their place.
 *
 * Owns nothing. Thread: the one that loads. Private to conf/.
 */
#ifndef EVENKEEL_CONF_FOREIGN_H
#define EVENKEEL_CONF_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

struct foreign_key {
    const char *group; /* of the keys, such as "routes.files."; "": at the top */
    const char *words; /* keys of others, or what people try, with a space between two */
    const char *meant; /* the key of the group; NULL: none does the same */
    const char *text;  /* what else there is to say; NULL: nothing */
};

extern const struct foreign_key foreign_keys[]; /* ends with group NULL */

/* NULL: nobody calls a key of this group so. */
const struct foreign_key *foreign_key_find(const char *group, const char *key);

/* Whether the word is one of those in a text with a space between two. */
bool foreign_is_among(const char *words, const char *word);

/* The placeholder that does what one of others does, as in "{uri}"; NULL: none. word: without its braces. */
const char *foreign_placeholder(const char *word);

/* Whether a text has a variable of others, which would be sent as it is written. Then ret_hint says what to write. groups: "$1" is one. */
bool foreign_variable_in(const char *text, bool groups, char *ret_hint, size_t hint_bytes);

#endif
