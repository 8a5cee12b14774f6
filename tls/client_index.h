/*
 * The TLS clients of many upstreams by the settings that they were made for, so that the files of each are read once.
 *
 * Owns its table, and holds every client in it. Thread: control. Errors: no memory.
 */
#ifndef EVENKEEL_TLS_CLIENT_INDEX_H
#define EVENKEEL_TLS_CLIENT_INDEX_H

#include <stdbool.h>
#include <sys/queue.h>

#include "conf/settings.h"
#include "steady/text_index.h"
#include "tls/client.h"

/* Zeroed is empty. */
struct tls_client_index {
    struct text_index by_trust;
    SLIST_HEAD(, tls_client_index_entry) entries;
};

/* Not held for the caller. NULL: none is known, or no memory. */
struct tls_client *tls_client_index_find(const struct tls_client_index *index,
                                         const struct upstream_tls_settings *settings);
/* Nothing happens if there is one for these settings. False: no memory. */
__attribute__((warn_unused_result)) bool tls_client_index_add(
    struct tls_client_index *index, const struct upstream_tls_settings *settings,
    struct tls_client *client);
/* The client takes the place of the one for these settings, if there is one. */
void tls_client_index_replace(struct tls_client_index *index,
                              const struct upstream_tls_settings *settings,
                              struct tls_client *client);
void tls_client_index_release(struct tls_client_index *index);

#endif
