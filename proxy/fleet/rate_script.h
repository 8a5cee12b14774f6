/*
 * The script by which replicas share a rate in the store, and a question that runs it, as words.
 *
 * Owns: the space in which a question is made. Private to fleet/. Thread: control. Errors: false: no memory, or no HMAC.
 */
#ifndef EVENKEEL_PROXY_FLEET_RATE_SCRIPT_H
#define EVENKEEL_PROXY_FLEET_RATE_SCRIPT_H

#include "proxy/fleet/rate_lease.h"
#include "proxy/fleet/store.h"
#include "tls/seal.h"
#include "tls/token.h"

const char *rate_script(void);

/* What is said of one key, and where it goes. */
struct rate_entry {
    struct rate_lease *lease;
    uint64_t key;
    struct rate_lease_word word;
};

struct rates_space;
/* For questions of so many keys. NULL: no memory. */
struct rates_space *rates_space_create(size_t entries_most);
/* NULL is fine. */
void rates_space_free(struct rates_space **space);

struct rate_question {
    const char *command, *script; /* EVAL and the script, or EVALSHA and its name */
    const char *prefix;           /* of names of keys */
    const char *limit_name;       /* which limit they belong to */
    const struct seal_key *key;   /* names are made with it */
    const struct rate_lease_terms *terms;
    const struct rate_entry *entries;
    size_t entry_count;
};
/* *ret_words are good until the next question is made. */
__attribute__((warn_unused_result)) bool rate_question_make(struct rates_space *space,
                                                            const struct rate_question *question,
                                                            const struct store_word **ret_words,
                                                            size_t *ret_count);

#endif
