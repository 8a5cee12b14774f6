/* Builds generations aside and swaps them. */
#include "proxy/control/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/control/control_state.h"
#include "proxy/control/names.h"
#include "proxy/policy/admission.h"
#include "steady/check.h"
#include "steady/fds.h"
#include "tls/server.h"

/* Route names that have counters of their own, over all reloads: a reload that brings more is rejected. */
#define ROUTE_BOOK_MAX 4096

static void reload_on_adopted(struct message *message, void *receiver);
static void generation_free(struct control *control, struct generation **generation);

/* ---- parts of a generation ---- */

static struct route_figures *route_book_find(const struct route_book *book, const char *name)
{
    for (size_t i = 0; i < book->count; i++) {
        if (book->items[i].name != NULL && strcmp(book->items[i].name, name) == 0) {
            return &book->items[i];
        }
    }
    return NULL;
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
    if (copy == NULL || by_worker == NULL || admission == NULL) {
        free(copy);
        free(by_worker);
        free(admission);
        return NULL;
    }
    struct route_figures *added = &book->items[book->count++];
    *added = (struct route_figures){copy, by_worker, admission};
    return added;
}

static struct route_figures *route_book_obtain(struct control *control, const char *name)
{
    struct route_figures *known = route_book_find(&control->routes, name);
    return known != NULL ? known : route_book_add(control, name);
}

/* The book is as long as it may ever get: workers keep pointers to its rows. */
static bool route_book_open(struct control *control)
{
    if (control->routes.items == NULL) {
        control->routes.items = calloc(ROUTE_BOOK_MAX, sizeof *control->routes.items);
        control->routes.count = 0;
    }
    return control->routes.items != NULL;
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
        const struct route_figures *figures = route_book_obtain(control, route->name);
        if (figures == NULL) {
            return false;
        }
        generation->routes[i] = (struct route){
            .settings = route,
            .figures = figures,
            .host_bytes = route->host != NULL ? strlen(route->host) : 0,
            .path_prefix_bytes = route->path_prefix != NULL ? strlen(route->path_prefix) : 0,
            .header_name_bytes = route->header_name != NULL ? strlen(route->header_name) : 0,
        };
        if (admission_build(figures->admission, route, control->workers.count,
                            &generation->routes[i].admission) != ADMISSION_OK) {
            return false;
        }
    }
    return true;
}

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
    for (size_t i = 0; keep != NULL && i < keep->settings->listener_count; i++) {
        keep->listeners[i]->wanted = true;
    }
}

/* Those that `keep` leaves out are about to be left by the workers. NULL: all. */
static void listeners_hush(struct control *control, const struct generation *keep)
{
    const struct listener *listener;
    listeners_mark(control, keep);
    TAILQ_FOREACH (listener, &control->listeners, link) {
        if (!listener->wanted) {
            listener_hush(listener);
        }
    }
}

/* Closes the listeners no generation uses: those opened for one that failed, or that the present one left out. */
static void listeners_sweep(struct control *control, const struct generation *keep)
{
    struct listener *listener, *next;
    listeners_mark(control, keep);
    for (listener = TAILQ_FIRST(&control->listeners); listener != NULL; listener = next) {
        next = TAILQ_NEXT(listener, link);
        if (!listener->wanted) {
            TAILQ_REMOVE(&control->listeners, listener, link);
            bound_give(&control->limits.shared.fds, listener->fd_count);
            listener_close(&listener);
        }
    }
}

static bool generation_add_listeners(struct control *control, struct generation *generation,
                                     char *why, size_t why_bytes)
{
    const struct settings *settings = generation->settings;
    generation->listeners = calloc(settings->listener_count + 1, sizeof(struct listener *));
    if (generation->listeners == NULL) {
        snprintf(why, why_bytes, "no memory");
        return false;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *wanted = &settings->listeners[i];
        struct listener *listener = listener_find(control, &wanted->listen);
        if (listener == NULL) {
            unsigned fd_count =
                listener_fd_count(&wanted->listen, control->workers.count, &control->inherited);
            if (!fds_take(&control->limits.shared.fds, FD_FOR_CONTROL, fd_count)) {
                snprintf(why, why_bytes, "listener %s: no descriptors left", wanted->name);
                return false;
            }
            enum listener_result result = listener_open(&wanted->listen, control->workers.count,
                                                        &control->inherited, &listener);
            if (result != LISTENER_OK) {
                snprintf(why, why_bytes, "listener %s: %s: %s: %s", wanted->name,
                         wanted->listen_text, listener_result_name(result), strerror(errno));
                bound_give(&control->limits.shared.fds, fd_count);
                return false;
            }
            TAILQ_INSERT_TAIL(&control->listeners, listener, link);
        }
        generation->listeners[i] = listener;
    }
    return true;
}

/* Files are read anew at each reload, whether or not the settings have changed; other addresses of names are no reload. */
static bool generation_add_tls(struct control *control, struct generation *generation, char *why,
                               size_t why_bytes)
{
    const struct settings *settings = generation->settings;
    enum tls_tickets_result followed =
        tls_tickets_follow(control->tickets, settings->tls_tickets.keys, control_now_ms());
    if (followed != TLS_TICKETS_OK) {
        snprintf(why, why_bytes, "tls_tickets.keys %s: %s", settings->tls_tickets.keys,
                 followed == TLS_TICKETS_UNREADABLE ? strerror(errno)
                                                    : tls_tickets_result_name(followed));
        return false;
    }
    generation->tls = calloc(settings->listener_count + 1, sizeof(struct tls_server *));
    if (generation->tls == NULL) {
        snprintf(why, why_bytes, "no memory");
        return false;
    }
    const struct generation *now = control->generations.present;
    bool same = now != NULL && now->settings == settings;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        char cause[448];
        if (same) {
            generation->tls[i] = tls_server_get(now->tls[i]);
        } else if (listener->tls.enabled &&
                   tls_server_create(&listener->tls, control->tickets, &generation->tls[i], cause,
                                     sizeof cause) != TLS_SERVER_OK) {
            snprintf(why, why_bytes, "listeners.%s.%s", listener->name, cause);
            return false;
        }
    }
    return true;
}

static struct generation *generation_build(struct control *control, struct settings *settings,
                                           uint64_t number, char *why, size_t why_bytes)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL || !bound_take(&control->limits.generations, 1)) {
        snprintf(why, why_bytes,
                 generation == NULL ? "no memory" : "two generations are alive already");
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
    control->names.changed = false; /* it has what the names stand for now */
    return generation;
}

static void generation_free(struct control *control, struct generation **generation_pointer)
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
    settings_put(&generation->settings);
    for (size_t i = 0; generation->routes != NULL && i < route_count; i++) {
        admission_leave(control->routes.leftovers, &generation->routes[i].admission);
    }
    free(generation->listeners);
    free(generation->routes);
    free(generation);
    bound_give(&control->limits.generations, 1);
    *generation_pointer = NULL;
}

/* ---- the swap ---- */

/* While the service manager waits for the start, a reload is no event of its own. */
static void reload_log_over(struct control *control)
{
    if (control->readiness.told) {
        notify_ready(&control->notifier);
    }
}

static void reload_post(struct control *control)
{
    const struct generation *generation = control->generations.present;
    upstream_set_use(control->pools, generation->upstreams);
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        admission_adopt(control->routes.leftovers, &generation->routes[i].admission,
                        generation->routes[i].settings);
    }
    control->generations.present->waiting_count = control->workers.count;
    for (unsigned i = 0; i < control->workers.count; i++) {
        worker_thread_adopt(control->workers.threads[i], control->generations.present,
                            reload_on_adopted);
    }
}

static void reload_on_adopted(struct message *message, void *receiver)
{
    struct control *control = receiver;
    (void)message;
    CHECK(control->generations.present->waiting_count > 0);
    control->generations.present->waiting_count--;
    if (control->generations.present->waiting_count > 0) {
        return;
    }
    if (control->generations.leaving != NULL &&
        control->generations.leaving->number != control->generations.present->number) {
        reload_log_over(control);
    }
    generation_free(control, &control->generations.leaving);
    listeners_sweep(control, control->generations.present);
    pools_collect(control->pools);
    readiness_watch_look(control);
    names_settle(control);
    reload_housekeeping(control);
}

static void reload_failed(struct control *control, const char *why)
{
    control->reloads.failed_count++;
    control->reloads.last_ok = false;
    if (control->reloads.last_error[0] != '\0') {
        free((char *)(uintptr_t)control->reloads.last_error);
    }
    char *copy = strdup(why);
    control->reloads.last_error = copy != NULL ? copy : "";
    log_error(control->log, "reload rejected, generation %llu goes on: %s",
              (unsigned long long)control->generations.present->number, why);
    reload_log_over(control);
}

/* Keys that are read once, at the start. */
static void reload_warn_fixed(struct control *control, const struct settings *settings)
{
    const struct settings *now = control->generations.settings;
    if (settings->worker_count != now->worker_count) {
        log_warn(control->log, "reload: workers stays %u until a restart", now->worker_count);
    }
    if (strcmp(settings->admin.listen_text, now->admin.listen_text) != 0) {
        log_warn(control->log, "reload: admin.listen stays %s until a restart",
                 now->admin.listen_text);
    }
    if (strcmp(settings->user, now->user) != 0 || strcmp(settings->pid_file, now->pid_file) != 0) {
        log_warn(control->log, "reload: user and pid_file stay as they are until a restart");
    }
}

static void reload_log_messages(struct control *control, const struct settings_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        const struct settings_message *message = &messages->items[i];
        log_write(control->log,
                  message->severity == SETTINGS_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "%s",
                  message->text);
    }
}

/* Takes over the settings' reference when it succeeds. */
static void reload_to(struct control *control, struct settings *settings)
{
    char why[512] = "";
    struct generation *generation = generation_build(
        control, settings, control->generations.present->number + 1, why, sizeof why);
    if (generation == NULL) {
        reload_failed(control, why);
        settings_put(&settings);
        return;
    }
    enum log_result logged = log_apply(control->log, &settings->log);
    if (logged != LOG_OK) {
        snprintf(why, sizeof why, "log: %s: %s", log_result_name(logged), strerror(errno));
        generation_free(control, &generation);
        listeners_sweep(control, control->generations.present);
        reload_failed(control, why);
        settings_put(&settings);
        return;
    }
    reload_warn_fixed(control, settings);
    if (!prewarm_begin(control, generation, settings)) {
        reload_swap(control, generation, settings);
    }
}

void reload_swap(struct control *control, struct generation *generation, struct settings *settings)
{
    bound_set_limit(&control->limits.shared.clients, settings->limits.clients_count);
    bound_set_limit(&control->limits.shared.handshakes, settings->limits.handshakes_count);
    bound_set_limit(&control->limits.shared.exchanges,
                    settings->limits.clients_count + bound_limit(&control->limits.shared.refusals));
    control->generations.leaving = control->generations.present;
    control->generations.present = generation;
    settings_put(&control->generations.settings);
    control->generations.settings = settings;
    control->reloads.ok_count++;
    control->reloads.last_ok = true;
    log_info(control->log, "generation %llu: %zu listeners, %zu upstreams, %zu routes",
             (unsigned long long)generation->number, settings->listener_count,
             settings->upstream_count, settings->route_count);
    names_log_unresolved(control);
    listeners_hush(control, generation);
    reload_post(control);
}

static void reload_now(struct control *control)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    if (control->readiness.told) {
        notify_reloading(&control->notifier);
    }
    control->reloads.wanted = false;
    control->reloads.last_wall_ms = control_wall_ms();
    enum settings_result result = settings_load(control->program.config_path, &settings, &messages);
    reload_log_messages(control, &messages);
    if (result != SETTINGS_OK) {
        reload_failed(control,
                      messages.count > 0 ? messages.items[0].text : settings_result_name(result));
    } else {
        control->generations.coming = settings;
        names_await(control);
    }
    settings_messages_free(&messages);
}

void reload_go_on(struct control *control)
{
    struct settings *settings = control->generations.coming;
    uint64_t failed = control->reloads.failed_count;
    control->generations.coming = NULL;
    if (control->drain.stage != DRAIN_SERVING) {
        settings_put(&settings);
        return;
    }
    reload_to(control, settings);
    if (control->reloads.failed_count != failed) {
        names_settle(control);
    }
}

bool reload_settled(const struct control *control)
{
    return control->generations.present != NULL &&
           control->generations.present->waiting_count == 0 &&
           control->generations.leaving == NULL && control->generations.coming == NULL &&
           control->generations.prewarm.generation == NULL;
}

bool reload_names(struct control *control)
{
    char why[512] = "";
    struct generation *now = control->generations.present;
    struct generation *generation =
        generation_build(control, control->generations.settings, now->number, why, sizeof why);
    if (generation == NULL) {
        log_error(control->log, "names stand for other addresses, but: %s", why);
        return false;
    }
    control->generations.leaving = now;
    control->generations.present = generation;
    names_log_unresolved(control);
    reload_post(control);
    return true;
}

/* One swap at a time, and no third generation while something of the one before the last still drains. */
static bool reload_possible(struct control *control)
{
    return reload_settled(control) && pools_collect(control->pools) == 0;
}

void reload_request(struct control *control)
{
    if (control->program.config_path == NULL) {
        log_warn(control->log, "the demo has no file to reload");
        return;
    }
    if (control->drain.stage != DRAIN_SERVING) {
        log_warn(control->log, "reload ignored: draining");
        return;
    }
    if (control->upgrade.figures.pid != 0 || takeover_pending(control)) {
        log_warn(control->log, "reload ignored: an upgrade is under way");
        return;
    }
    control->reloads.wanted = true;
    if (reload_possible(control)) {
        reload_now(control);
    } else {
        log_info(control->log, "reload waits until the last one is over");
    }
}

void reload_housekeeping(struct control *control)
{
    bool possible = reload_possible(control);
    admission_collect(control->routes.leftovers);
    if (possible && control->reloads.wanted && control->drain.stage == DRAIN_SERVING) {
        reload_now(control);
    }
}

bool reload_first(struct control *control)
{
    char why[512] = "";
    control->generations.present =
        generation_build(control, control->generations.settings, 1, why, sizeof why);
    if (control->generations.present == NULL) {
        log_error(control->log, "start: %s", why);
        return false;
    }
    names_log_unresolved(control);
    reload_post(control);
    return true;
}

void reload_hush_listeners(struct control *control)
{
    listeners_hush(control, NULL);
}

void reload_close_listeners(struct control *control)
{
    listeners_sweep(control, NULL);
}

void reload_free(struct control *control)
{
    settings_put(&control->generations.coming);
    prewarm_stop(control);
    if (control->generations.prewarm.generation != NULL) {
        generation_free(control, &control->generations.prewarm.generation);
        settings_put(&control->generations.prewarm.settings);
    }
    generation_free(control, &control->generations.leaving);
    generation_free(control, &control->generations.present);
    listeners_sweep(control, NULL);
    if (control->pools != NULL) {
        pools_collect(control->pools);
    }
    for (size_t i = 0; i < control->routes.count; i++) {
        free((char *)(uintptr_t)control->routes.items[i].name);
        free(control->routes.items[i].by_worker);
        free(control->routes.items[i].admission);
    }
    free(control->routes.items);
    admission_leftovers_free(&control->routes.leftovers);
    if (control->reloads.last_error[0] != '\0') {
        free((char *)(uintptr_t)control->reloads.last_error);
    }
}
