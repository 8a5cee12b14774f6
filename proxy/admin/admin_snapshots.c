/* The waiters for a snapshot. */
#include "proxy/admin/admin_snapshots.h"

#include <stdlib.h>

#include "proxy/admin/admin_places.h"

struct admin_snapshots {
    struct admin_snapshots_env env;
    struct evhttp_request *waiters[ADMIN_CONNECTIONS];
    size_t count;
};

/* When the connection of a request in progress ends, evhttp detaches the request and leaves it to its handler. */
static bool is_orphan(struct evhttp_request *request)
{
    return evhttp_request_get_connection(request) == NULL;
}

struct admin_snapshots *admin_snapshots_create(const struct admin_snapshots_env *env)
{
    struct admin_snapshots *snapshots = calloc(1, sizeof *snapshots);
    if (snapshots != NULL) {
        snapshots->env = *env;
    }
    return snapshots;
}

static void drop_orphans(struct admin_snapshots *snapshots)
{
    size_t kept_count = 0;
    for (size_t i = 0; i < snapshots->count; i++) {
        if (is_orphan(snapshots->waiters[i])) {
            evhttp_request_free(snapshots->waiters[i]);
        } else {
            snapshots->waiters[kept_count++] = snapshots->waiters[i];
        }
    }
    snapshots->count = kept_count;
}

bool admin_snapshots_ask(struct admin_snapshots *snapshots, struct evhttp_request *request)
{
    drop_orphans(snapshots);
    if (snapshots->count == ADMIN_CONNECTIONS || !snapshots->env.begin(snapshots->env.owner)) {
        return false;
    }
    snapshots->waiters[snapshots->count++] = request;
    return true;
}

void admin_snapshots_over(struct admin_snapshots *snapshots, struct evbuffer *head)
{
    drop_orphans(snapshots);
    size_t count = snapshots->count;
    snapshots->count = 0;
    for (size_t i = 0; i < count; i++) {
        snapshots->env.finish(snapshots->waiters[i], head, snapshots->env.owner);
    }
}

void admin_snapshots_free(struct admin_snapshots **snapshots_pointer)
{
    if (*snapshots_pointer != NULL) {
        drop_orphans(*snapshots_pointer);
    }
    free(*snapshots_pointer);
    *snapshots_pointer = NULL;
}
