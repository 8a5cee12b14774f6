/* The key is a text of all that tls_client_obtain() reads in the settings. */
#include "tls/client_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steady/fault.h"

struct tls_client_index_entry {
    SLIST_ENTRY(tls_client_index_entry) link;
    struct tls_client *client;
    char *trust;
};

/* To be freed; NULL: no memory. A path has no NUL, but may have any other byte: the lengths keep them apart. */
static char *trust_text(const struct upstream_tls_settings *settings)
{
    char *text;
    if (fault_hits(FAULT_ALLOC)) {
        return NULL;
    }
    int bytes = asprintf(&text, "%d %zu %zu %s%s%s", settings->verify, strlen(settings->ca),
                         strlen(settings->cert), settings->ca, settings->cert, settings->key);
    return bytes < 0 ? NULL : text;
}

/* NULL: there is none, or no memory. */
static struct tls_client_index_entry *find_entry(const struct tls_client_index *index,
                                                 const struct upstream_tls_settings *settings)
{
    char *trust = trust_text(settings);
    struct tls_client_index_entry *entry =
        trust != NULL ? text_index_find(&index->by_trust, trust) : NULL;
    free(trust);
    return entry;
}

struct tls_client *tls_client_index_find(const struct tls_client_index *index,
                                         const struct upstream_tls_settings *settings)
{
    const struct tls_client_index_entry *entry = find_entry(index, settings);
    return entry != NULL ? entry->client : NULL;
}

void tls_client_index_replace(struct tls_client_index *index,
                              const struct upstream_tls_settings *settings,
                              struct tls_client *client)
{
    struct tls_client_index_entry *entry = find_entry(index, settings);
    if (entry != NULL) {
        struct tls_client *before = entry->client;
        entry->client = tls_client_get(client);
        tls_client_put(&before);
    }
}

bool tls_client_index_add(struct tls_client_index *index,
                          const struct upstream_tls_settings *settings, struct tls_client *client)
{
    struct tls_client_index_entry *entry = fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *entry);
    char *trust = trust_text(settings);
    bool known = trust != NULL && text_index_find(&index->by_trust, trust) != NULL;
    if (entry == NULL || trust == NULL || known ||
        !text_index_add(&index->by_trust, trust, entry)) {
        free(entry);
        free(trust);
        return known;
    }
    entry->trust = trust;
    entry->client = tls_client_get(client);
    SLIST_INSERT_HEAD(&index->entries, entry, link);
    return true;
}

void tls_client_index_release(struct tls_client_index *index)
{
    text_index_release(&index->by_trust);
    while (!SLIST_EMPTY(&index->entries)) {
        struct tls_client_index_entry *entry = SLIST_FIRST(&index->entries);
        SLIST_REMOVE_HEAD(&index->entries, link);
        tls_client_put(&entry->client);
        free(entry->trust);
        free(entry);
    }
}
