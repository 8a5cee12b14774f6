/* The parts of a generation: routes, listeners, TLS, upstreams. */
#include "proxy/control/generation_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/control/control_state.h"
#include "proxy/control/tls_watch.h"
#include "proxy/fleet/fleet.h"
#include "proxy/policy/admission.h"
#include "steady/fds.h"
#include "tls/server.h"
#include "tls/tickets.h"

/* Highest number of route names with counters of their own, over all reloads. A reload with more is rejected. */
#define ROUTE_BOOK_MAX 32768

/* ---- the book of routes ---- */

static void route_figures_free(struct route_figures *figures)
{
    free((char *)(uintptr_t)figures->name);
    free(figures->by_worker);
    free(figures->admission);
    *figures = (struct route_figures){.name = NULL};
}

/* NULL: no memory, or too many. */
static struct route_figures *route_book_add(struct control *control, const char *name)
{
    struct route_book *book = &control->routes;
    if (book->count == ROUTE_BOOK_MAX) {
        log_error(control->log, "reload: more than %d route names since the start", ROUTE_BOOK_MAX);
        return NULL;
    }
    char *copy = strdup(name);
    struct route_stats *by_worker = calloc(control->workers.count, sizeof *by_worker);
    struct admission *admission = calloc(1, sizeof *admission);
    struct route_figures *added = &book->items[book->count];
    if (copy == NULL || by_worker == NULL || admission == NULL ||
        !text_index_add(&book->by_name, copy, added)) {
        free(copy);
        free(by_worker);
        free(admission);
        return NULL;
    }
    *added = (struct route_figures){copy, by_worker, admission, 0};
    book->count++;
    return added;
}

static struct route_figures *route_book_obtain(struct control *control, const char *name)
{
    struct route_figures *known = text_index_find(&control->routes.by_name, name);
    return known != NULL ? known : route_book_add(control, name);
}

void route_book_cut(struct control *control, size_t count)
{
    struct route_book *book = &control->routes;
    while (book->count > count) {
        struct route_figures *last = &book->items[--book->count];
        text_index_remove(&book->by_name, last->name);
        route_figures_free(last);
    }
}

/* The book has its full size from the start, because workers keep pointers to its rows. */
static bool route_book_open(struct control *control)
{
    if (control->routes.items == NULL) {
        control->routes.items = calloc(ROUTE_BOOK_MAX, sizeof *control->routes.items);
        control->routes.count = 0;
    }
    return control->routes.items != NULL;
}

void route_book_free(struct control *control)
{
    route_book_cut(control, 0);
    text_index_release(&control->routes.by_name);
    free(control->routes.items);
    control->routes.items = NULL;
    admission_leftovers_free(&control->routes.leftovers);
}

/* What each worker needs to match expressions, if there are any. */
static bool generation_add_scratch(const struct control *control, struct generation *generation)
{
    bool needed = false;
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        needed = needed || generation->routes[i].regex != NULL;
    }
    if (!needed) {
        return true;
    }
    generation->scratch = calloc(control->workers.count + 1, sizeof *generation->scratch);
    bool made = generation->scratch != NULL;
    for (unsigned i = 0; made && i < control->workers.count; i++) {
        generation->scratch[i] = path_regex_scratch_create();
        made = generation->scratch[i] != NULL;
    }
    return made;
}

static void generation_free_routes(struct control *control, struct generation *generation,
                                   size_t route_count)
{
    for (size_t i = 0; generation->routes != NULL && i < route_count; i++) {
        admission_leave(control->routes.leftovers, &generation->routes[i].admission);
        route_release(&generation->routes[i]);
    }
    for (unsigned i = 0; generation->scratch != NULL && i < control->workers.count; i++) {
        path_regex_scratch_free(&generation->scratch[i]);
    }
    route_index_free(&generation->index);
    free(generation->scratch);
    free(generation->routes);
}

static bool generation_add_routes(struct control *control, struct generation *generation)
{
    const struct settings *settings = generation->settings;
    generation->routes = calloc(settings->route_count + 1, sizeof *generation->routes);
    if (generation->routes == NULL || !route_book_open(control)) {
        return false;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        struct route_figures *figures = route_book_obtain(control, route->name);
        if (figures == NULL) {
            return false;
        }
        generation->routes[i].figures = figures;
        if (!route_prepare(&generation->routes[i], route)) {
            return false;
        }
        route_set_edge(&generation->routes[i], &settings->edge);
        if (admission_build(figures->admission, route, control->workers.count,
                            &generation->routes[i].admission) != ADMISSION_OK) {
            return false;
        }
    }
    generation->index = route_index_create(generation->routes, settings->route_count);
    return generation->index != NULL && generation_add_scratch(control, generation);
}

/* ---- listeners ---- */

static struct listener *listener_find(struct control *control, const struct address *address)
{
    struct listener *listener;
    TAILQ_FOREACH (listener, &control->listeners, link) {
        if (address_equal(&listener->address, address)) {
            return listener;
        }
    }
    return NULL;
}

static void listeners_mark(struct control *control, const struct generation *keep)
{
    struct listener *listener;
    TAILQ_FOREACH (listener, &control->listeners, link) {
        listener->wanted = false;
    }
    for (size_t i = 0; keep != NULL && i < keep->address_count; i++) {
        if (keep->listeners[i] != NULL) {
            keep->listeners[i]->wanted = true;
        }
    }
}

void listeners_hush(struct control *control, const struct generation *keep)
{
    struct listener *listener;
    listeners_mark(control, keep);
    TAILQ_FOREACH (listener, &control->listeners, link) {
        if (!listener->wanted) {
            if (keep != NULL) {
                listener_remove_file(listener);
            }
            listener_hush(listener);
        }
    }
}

void listeners_sweep(struct control *control, const struct generation *keep)
{
    struct listener *listener, *next;
    listeners_mark(control, keep);
    for (listener = TAILQ_FIRST(&control->listeners); listener != NULL; listener = next) {
        next = TAILQ_NEXT(listener, link);
        if (!listener->wanted) {
            TAILQ_REMOVE(&control->listeners, listener, link);
            bound_give(&control->limits.shared.fds, listener->fd_count);
            if (keep != NULL) {
                listener_remove_file(listener);
            }
            listener_close(&listener);
        }
    }
}

/* Opens an address that no listener has yet. NULL with LISTENER_OK: it is spare, and the machine has none of its kind. */
static enum listener_result open_listen(struct control *control,
                                        const struct listen_settings *listen,
                                        struct listener **ret_listener)
{
    unsigned fd_count =
        listener_fd_count(&listen->address, control->workers.count, &control->inherited);
    if (!fds_take(&control->limits.shared.fds, FD_FOR_CONTROL, fd_count)) {
        bound_refuse(&control->limits.shared.fds, 1);
        errno = EMFILE;
        return LISTENER_NO_FD;
    }
    enum listener_result result =
        listener_open(listen, control->workers.count, &control->inherited, ret_listener);
    if (result != LISTENER_OK) {
        bound_give(&control->limits.shared.fds, fd_count);
        *ret_listener = NULL;
        bool missing = errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL;
        return listen->spare && missing ? LISTENER_OK : result;
    }
    TAILQ_INSERT_TAIL(&control->listeners, *ret_listener, link);
    return LISTENER_OK;
}

static bool generation_add_listener(struct control *control, struct generation *generation,
                                    const struct listener_settings *wanted, char *why,
                                    size_t why_bytes)
{
    for (size_t i = 0; i < wanted->listen_count; i++) {
        const struct listen_settings *listen = &wanted->listens[i];
        struct listener *listener = listener_find(control, &listen->address);
        enum listener_result result =
            listener != NULL ? LISTENER_OK : open_listen(control, listen, &listener);
        if (result != LISTENER_OK) {
            snprintf(why, why_bytes, "listener %s: %s: %s: %s", wanted->name, listen->text,
                     listener_result_name(result), strerror(errno));
            return false;
        }
        generation->listeners[generation->address_count++] = listener;
    }
    return true;
}

static bool generation_add_listeners(struct control *control, struct generation *generation,
                                     char *why, size_t why_bytes)
{
    const struct settings *settings = generation->settings;
    size_t address_count = 0;
    for (size_t i = 0; i < settings->listener_count; i++) {
        address_count += settings->listeners[i].listen_count;
    }
    generation->listeners = calloc(address_count + 1, sizeof(struct listener *));
    if (generation->listeners == NULL) {
        snprintf(why, why_bytes, "no memory");
        return false;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (!generation_add_listener(control, generation, &settings->listeners[i], why,
                                     why_bytes)) {
            return false;
        }
    }
    return true;
}

/* ---- TLS ---- */

static bool generation_add_ticket_keys(struct generation *generation, char *why, size_t why_bytes)
{
    const char *path = generation->settings->tls_tickets.keys;
    enum tls_tickets_result loaded = tls_ticket_keys_load(path, &generation->ticket_keys);
    if (loaded != TLS_TICKETS_OK) {
        snprintf(why, why_bytes, "tls_tickets.keys %s: %s", path,
                 loaded == TLS_TICKETS_UNREADABLE ? strerror(errno)
                                                  : tls_tickets_result_name(loaded));
    }
    return loaded == TLS_TICKETS_OK;
}

static bool generation_add_fleet(struct control *control, struct generation *generation, char *why,
                                 size_t why_bytes)
{
    return fleet_access_load(pools_tls_clients(control->pools), &generation->settings->fleet,
                             &generation->fleet, why, why_bytes);
}

/* Before the files are read: a change from then on is seen. */
static bool generation_add_watch(struct control *control, struct generation *generation, char *why,
                                 size_t why_bytes)
{
    generation->watch = tls_watch_take(control, generation->settings, why, why_bytes);
    return generation->watch != NULL;
}

/* Files are read again at each reload, whether or not the settings have changed. Changed addresses of names, and files
   that have changed by themselves, are not a reload. */
static bool generation_add_tls(struct control *control, struct generation *generation, char *why,
                               size_t why_bytes)
{
    const struct settings *settings = generation->settings;
    const struct generation *now = control->generations.present;
    bool same = now != NULL && now->settings == settings;
    if (!same && (!generation_add_watch(control, generation, why, why_bytes) ||
                  !generation_add_ticket_keys(generation, why, why_bytes) ||
                  !generation_add_fleet(control, generation, why, why_bytes))) {
        return false;
    }
    generation->tls = calloc(settings->listener_count + 1, sizeof(struct tls_server *));
    if (generation->tls == NULL) {
        snprintf(why, why_bytes, "no memory");
        return false;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        char cause[448];
        if (same) {
            struct tls_server *fresh = tls_watch_fresh(control->generations.watch, i);
            generation->tls[i] = tls_server_get(fresh != NULL ? fresh : now->tls[i]);
        } else if (listener->tls.enabled &&
                   tls_server_create(&listener->tls, control->replica.tickets, &generation->tls[i],
                                     cause, sizeof cause) != TLS_SERVER_OK) {
            snprintf(why, why_bytes, "listeners.%s.%s", listener->name, cause);
            return false;
        }
    }
    return true;
}

/* ---- the whole ---- */

struct generation *generation_build(struct control *control, struct settings *settings,
                                    uint64_t number, char *why, size_t why_bytes)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL || !bound_take(&control->limits.generations, 1)) {
        snprintf(why, why_bytes,
                 generation == NULL ? "no memory" : "there are already two generations");
        free(generation);
        return NULL;
    }
    generation->number = number;
    generation->settings = settings_get(settings);
    generation->probe_path_bytes = strlen(settings->readiness.listener_path);
    bool built = generation_add_routes(control, generation);
    if (!built) {
        snprintf(why, why_bytes, "no memory for the routes");
    }
    built = built && generation_add_tls(control, generation, why, why_bytes);
    built = built && generation_add_listeners(control, generation, why, why_bytes);
    built = built && upstream_set_build(control->pools, settings, &generation->upstreams, why,
                                        why_bytes) == UPSTREAM_OK;
    if (!built) {
        generation_free(control, &generation);
        listeners_sweep(control, control->generations.present);
        return NULL;
    }
    control->names.changed = false; /* it has the current addresses of the names */
    return generation;
}

void generation_free(struct control *control, struct generation **generation_pointer)
{
    struct generation *generation = *generation_pointer;
    if (generation == NULL) {
        return;
    }
    size_t route_count = generation->settings->route_count;
    if (generation->upstreams != NULL) {
        upstream_set_retire(control->pools, &generation->upstreams);
    }
    for (size_t i = 0; generation->tls != NULL && i < generation->settings->listener_count; i++) {
        tls_server_put(&generation->tls[i]);
    }
    free(generation->tls);
    tls_ticket_keys_free(&generation->ticket_keys);
    fleet_access_free(&generation->fleet);
    tls_watch_free(&generation->watch);
    settings_put(&generation->settings);
    generation_free_routes(control, generation, route_count);
    free(generation->listeners);
    free(generation);
    bound_give(&control->limits.generations, 1);
    *generation_pointer = NULL;
}
