/* Has generations built aside, and swaps them. */
#include "proxy/control/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/control/config_read.h"
#include "proxy/control/control_state.h"
#include "proxy/control/fleet_start.h"
#include "proxy/control/generation_build.h"
#include "proxy/control/maintenance_watch.h"
#include "proxy/control/names.h"
#include "proxy/control/tls_watch.h"
#include "proxy/control/tracing.h"
#include "proxy/policy/admission.h"
#include "steady/check.h"
#include "tls/tickets.h"

static void reload_on_adopted(struct message *message, void *receiver);

/* ---- the swap ---- */

/* While the service manager waits for the start, a reload is not reported to it. */
static void reload_log_over(struct control *control)
{
    if (control->readiness.told) {
        notify_ready(&control->notifier);
    }
}

/* Tells those who asked for it by the admin listener what became of a reload. `why`: what no message of the file says. */
static void reload_tell(struct control *control, enum reload_verdict verdict, const char *why)
{
    const struct reload_outcome outcome = {.verdict = verdict,
                                           .generation = control->generations.present->number,
                                           .why = why,
                                           .messages = &control->reloads.messages};
    admin_reloads_over(admin_reloads(control->admin), &outcome);
    settings_messages_free(&control->reloads.messages);
}

/* Sessions that clients have been given stay good until the keys of a generation that serves are others. */
static void reload_follow_keys(struct control *control)
{
    struct generation *generation = control->generations.present;
    if (generation->ticket_keys != NULL) {
        tls_tickets_follow(control->replica.tickets, generation->ticket_keys, control_now_ms());
        tls_ticket_keys_free(&generation->ticket_keys);
    }
}

/* The files of other settings are watched, and their store is the fleet's. */
static void reload_follow_files(struct control *control)
{
    struct generation *generation = control->generations.present;
    if (generation->watch != NULL) {
        fleet_follow(control->replica.fleet, generation->settings, &generation->fleet);
        tls_watch_free(&control->generations.watch);
        control->generations.watch = generation->watch;
        generation->watch = NULL;
        maintenance_watch_follow(control);
    }
}

static void reload_post(struct control *control)
{
    const struct generation *generation = control->generations.present;
    reload_follow_keys(control);
    reload_follow_files(control);
    fleet_look_again(control->replica.fleet);
    upstream_set_use(control->pools, generation->upstreams);
    maintenance_watch_apply(control);
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        admission_adopt(control->routes.leftovers, &generation->routes[i].admission,
                        generation->routes[i].settings);
    }
    fleet_follow_rates(control);
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
        reload_tell(control, RELOAD_TAKEN, NULL);
    }
    generation_free(control, &control->generations.leaving);
    maintenance_watch_forget(control);
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
    log_event(control->log, EVENT_RELOAD, LOG_LEVEL_ERROR,
              "reload rejected, generation %llu stays in use: %s",
              (unsigned long long)control->generations.present->number, why);
    reload_log_over(control);
}

/* Keys that are read at the start only. */
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
    if (strcmp(settings->sticky.key_file, now->sticky.key_file) != 0) {
        log_warn(control->log, "reload: sticky.key_file stays as it is until a restart");
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

/* What a reload may change before it is sure to be taken, as it was before. */
struct reload_mark {
    size_t route_count;
    bool names_changed;
};

/* Undoes a reload that has failed; `generation`: what was built of it; NULL: nothing. */
static void reload_undo(struct control *control, const struct reload_mark *mark,
                        struct generation **generation)
{
    generation_free(control, generation);
    listeners_sweep(control, control->generations.present);
    pools_collect(control->pools);
    route_book_cut(control, mark->route_count);
    control->names.changed = control->names.changed || mark->names_changed;
}

static struct generation *reload_build(struct control *control, struct settings *settings,
                                       char *why, size_t why_bytes)
{
    const struct reload_mark mark = {control->routes.count, control->names.changed};
    uint64_t number = control->generations.present->number + 1;
    if (!admin_may_take(control->admin, &settings->admin)) {
        snprintf(why, why_bytes,
                 "admin.token_file: the admin listener stays where other machines reach it until a "
                 "restart, so it needs a token: keep token_file");
        return NULL;
    }
    struct generation *generation =
        tracing_prepare(control, settings, why, why_bytes)
            ? generation_build(control, settings, number, why, why_bytes)
            : NULL;
    if (generation != NULL) {
        enum log_result logged = log_apply(control->log, &settings->log);
        if (logged == LOG_OK) {
            return generation;
        }
        snprintf(why, why_bytes, "log: %s: %s", log_result_name(logged), strerror(errno));
    }
    reload_undo(control, &mark, &generation);
    return NULL;
}

/* Takes over the settings' reference. */
static void reload_to(struct control *control, struct settings *settings)
{
    char why[512] = "";
    struct generation *generation = reload_build(control, settings, why, sizeof why);
    if (generation == NULL) {
        reload_failed(control, why);
        reload_tell(control, RELOAD_REJECTED, why);
        settings_put(&settings);
        return;
    }
    reload_warn_fixed(control, settings);
    if (!prewarm_begin(control, generation, settings)) {
        reload_swap(control, generation, settings);
    }
}

static void reload_note_ok(struct control *control, const struct generation *generation)
{
    const struct settings *settings = generation->settings;
    control->reloads.ok_count++;
    control->reloads.last_ok = true;
    log_event(control->log, EVENT_RELOAD, LOG_LEVEL_INFO,
              "generation %llu: %zu listeners, %zu upstreams, %zu routes",
              (unsigned long long)generation->number, settings->listener_count,
              settings->upstream_count, settings->route_count);
}

void reload_swap(struct control *control, struct generation *generation, struct settings *settings)
{
    bool reloaded = generation->number != control->generations.present->number;
    bound_set_limit(&control->limits.shared.clients, settings->limits.clients_count);
    bound_set_limit(&control->limits.shared.handshakes, settings->limits.handshakes_count);
    bound_set_limit(&control->limits.shared.exchanges,
                    exchanges_limit(settings, bound_limit(&control->limits.shared.refusals)));
    control->generations.leaving = control->generations.present;
    control->generations.present = generation;
    settings_put(&control->generations.settings);
    control->generations.settings = settings;
    if (reloaded) {
        reload_note_ok(control, generation);
    }
    names_log_unresolved(control);
    listeners_hush(control, generation);
    tracing_use(control, settings);
    reload_post(control);
}

/* The file says nothing that can be used. `why`: what no message of it says; NULL: the first one does. */
static void reload_reject_file(struct control *control, const char *why)
{
    reload_failed(control, why != NULL ? why : control->reloads.messages.items[0].text);
    reload_tell(control, RELOAD_REJECTED, why);
    names_settle(control);
}

static void reload_on_read(void *owner)
{
    struct control *control = owner;
    struct settings_messages *messages = &control->reloads.messages;
    struct settings *settings = NULL;
    enum settings_result result = config_read_take(&control->reloads.reading, &settings, messages);
    if (control->drain.stage != DRAIN_SERVING) {
        settings_put(&settings);
        return;
    }
    reload_log_messages(control, messages);
    if (result != SETTINGS_OK) {
        reload_reject_file(control, messages->count > 0 ? NULL : settings_result_name(result));
        return;
    }
    control->generations.coming = settings;
    tls_watch_begin(control, settings);
    names_await(control);
}

/* While a disk hangs nothing else does. */
static void reload_watch_reading(struct control *control)
{
    char why[512];
    if (control->reloads.reading == NULL || control->drain.stage != DRAIN_SERVING ||
        !config_read_hangs(control->reloads.reading, control_now_ms(), why, sizeof why)) {
        return;
    }
    config_read_leave(&control->reloads.reading);
    reload_reject_file(control, why);
}

static void reload_now(struct control *control)
{
    const struct config_read_env env = {control->workers.files, control->loop.mailbox,
                                        reload_on_read, control};
    if (control->readiness.told) {
        notify_reloading(&control->notifier);
    }
    control->reloads.wanted = false;
    control->reloads.last_wall_ms = control_wall_ms();
    admin_reloads_begun(admin_reloads(control->admin));
    settings_messages_free(&control->reloads.messages);
    control->reloads.reading = config_read_begin(control->program.config_path, &env);
    if (control->reloads.reading == NULL) {
        reload_reject_file(control, "no memory, or no thread, to read the file");
    }
}

void reload_go_on(struct control *control)
{
    struct settings *settings = control->generations.coming;
    uint64_t failed = control->reloads.failed_count;
    control->generations.coming = NULL;
    if (control->drain.stage != DRAIN_SERVING) {
        settings_put(&settings);
        tls_watch_free(&control->generations.coming_watch);
        return;
    }
    reload_to(control, settings);
    tls_watch_free(&control->generations.coming_watch); /* that nothing has come to take */
    if (control->reloads.failed_count != failed) {
        names_settle(control);
    }
}

bool reload_settled(const struct control *control)
{
    return control->generations.present != NULL &&
           control->generations.present->waiting_count == 0 &&
           control->generations.leaving == NULL && control->reloads.reading == NULL &&
           control->generations.coming == NULL && control->generations.prewarm.generation == NULL;
}

bool reload_names(struct control *control)
{
    char why[512] = "";
    struct generation *now = control->generations.present;
    struct generation *generation =
        generation_build(control, control->generations.settings, now->number, why, sizeof why);
    if (generation == NULL) {
        log_error(control->log, "the addresses of names have changed, but cannot be used: %s", why);
        return false;
    }
    control->generations.leaving = now;
    control->generations.present = generation;
    names_log_unresolved(control);
    reload_post(control);
    return true;
}

bool reload_refresh(struct control *control, char *why, size_t why_bytes)
{
    struct settings *settings = control->generations.settings;
    struct generation *generation =
        generation_build(control, settings, control->generations.present->number, why, why_bytes);
    if (generation == NULL) {
        return false;
    }
    settings = settings_get(settings);
    if (!prewarm_begin(control, generation, settings)) {
        reload_swap(control, generation, settings);
    }
    return true;
}

/* One change-over at a time, and no third generation while an upstream that was removed still drains. */
static bool reload_possible(struct control *control)
{
    return reload_settled(control) && pools_collect(control->pools) == 0;
}

/* NULL: nothing is in the way of a reload. */
static const char *reload_obstacle(const struct control *control)
{
    if (control->program.config_path == NULL) {
        return "the demo has no file to reload";
    }
    if (control->drain.stage != DRAIN_SERVING) {
        return "draining";
    }
    return control->upgrade.figures.pid != 0 || takeover_pending(control)
               ? "an upgrade is in progress"
               : NULL;
}

const char *reload_request(struct control *control)
{
    const char *obstacle = reload_obstacle(control);
    if (obstacle != NULL) {
        log_event(control->log, EVENT_RELOAD, LOG_LEVEL_WARN, "reload ignored: %s", obstacle);
        return obstacle;
    }
    control->reloads.wanted = true;
    if (reload_possible(control)) {
        reload_now(control);
    } else {
        log_info(control->log, "this reload waits until the last one is over");
    }
    return NULL;
}

void reload_housekeeping(struct control *control)
{
    reload_watch_reading(control);
    bool possible = reload_possible(control);
    admission_collect(control->routes.leftovers);
    if (possible && control->reloads.wanted && control->drain.stage == DRAIN_SERVING) {
        reload_now(control);
    }
}

bool reload_first(struct control *control)
{
    char why[512] = "";
    struct settings *settings = control->generations.settings;
    control->generations.present = tracing_prepare(control, settings, why, sizeof why)
                                       ? generation_build(control, settings, 1, why, sizeof why)
                                       : NULL;
    if (control->generations.present == NULL) {
        log_error(control->log, "start: %s", why);
        return false;
    }
    tracing_use(control, settings);
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
    control->reloads.reading = NULL; /* the pool has stopped: it is gone, or hangs for ever */
    settings_put(&control->generations.coming);
    prewarm_stop(control);
    if (control->generations.prewarm.generation != NULL) {
        generation_free(control, &control->generations.prewarm.generation);
        settings_put(&control->generations.prewarm.settings);
    }
    generation_free(control, &control->generations.leaving);
    generation_free(control, &control->generations.present);
    tls_watch_free(&control->generations.watch);
    tls_watch_free(&control->generations.coming_watch);
    tls_watch_free(&control->generations.hung_watch);
    listeners_sweep(control, NULL);
    if (control->pools != NULL) {
        pools_collect(control->pools);
    }
    route_book_free(control);
    settings_messages_free(&control->reloads.messages);
    if (control->reloads.last_error[0] != '\0') {
        free((char *)(uintptr_t)control->reloads.last_error);
    }
}
