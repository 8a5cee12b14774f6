/* The log's lines, and the interval. */
#include "proxy/control/maintenance_watch.h"

#include <string.h>

#include "proxy/control/control_state.h"
#include "proxy/control/watched_files.h"
#include "proxy/policy/maintenance.h"

#define WATCH_MS 1000

/* ---- what is closed ---- */

static void on_changed(enum maintenance_of of, const char *name, unsigned why,
                       const struct maintenance_word *word, void *owner)
{
    const struct control *control = owner;
    const char *kind = of == MAINTENANCE_OF_ROUTE ? "route" : "upstream";
    if (why == 0) {
        log_event(control->log, EVENT_MAINTENANCE, LOG_LEVEL_INFO, "%s %s: maintenance is over",
                  kind, name);
        return;
    }
    const char *by = word != NULL && word->by[0] != '\0' ? word->by : "the operator";
    log_event(control->log, EVENT_MAINTENANCE, LOG_LEVEL_WARN,
              "%s %s: maintenance begins: requests are answered 503 (%s%s%s)", kind, name,
              why & MAINTENANCE_SAID   ? by
              : why & MAINTENANCE_FILE ? "maintenance.file is there"
                                       : "maintenance.enabled",
              word != NULL && word->reason[0] != '\0' ? ": " : "",
              word != NULL ? word->reason : "");
}

static bool is_there(const struct maintenance_settings *settings, void *owner)
{
    const struct control *control = owner;
    const struct watched_file *file =
        watched_files_find(control->generations.maintenance.files, settings->file);
    return file != NULL ? file->there : settings->file_was_there;
}

void maintenance_watch_apply(struct control *control)
{
    const struct maintenance_env env = {is_there, on_changed, control};
    if (!maintenance_apply(control->generations.maintenance.words, control->generations.present,
                           &env)) {
        log_error(control->log, "maintenance: no memory to look for it");
    }
}

static bool has_route(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        if (strcmp(settings->routes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The figures of a route outlive it. */
void maintenance_watch_forget(struct control *control)
{
    for (size_t i = 0; i < control->routes.count; i++) {
        struct route_figures *figures = &control->routes.items[i];
        if (figures->maintenance != 0 &&
            !has_route(control->generations.present->settings, figures->name)) {
            __atomic_store_n(&figures->maintenance, 0, __ATOMIC_RELAXED);
        }
    }
}

/* ---- files ---- */

static void on_looked(void *owner)
{
    struct control *control = owner;
    if (control->generations.present != NULL) {
        maintenance_watch_apply(control);
    }
}

static bool add_file(struct watched_files *files, const struct maintenance_settings *settings)
{
    if (settings->file[0] == '\0') {
        return true;
    }
    struct watched_file *file = watched_files_add(files, settings->file);
    if (file != NULL) {
        file->there = settings->file_was_there;
    }
    return file != NULL;
}

static struct watched_files *files_of(const struct settings *settings)
{
    struct watched_files *files =
        watched_files_create(settings->upstream_count + settings->route_count);
    bool whole = files != NULL;
    for (size_t i = 0; whole && i < settings->upstream_count; i++) {
        whole = add_file(files, &settings->upstreams[i].maintenance);
    }
    for (size_t i = 0; whole && i < settings->route_count; i++) {
        whole = add_file(files, &settings->routes[i].maintenance);
    }
    if (!whole) {
        watched_files_free(&files);
    }
    return files;
}

void maintenance_watch_follow(struct control *control)
{
    struct control_maintenance *maintenance = &control->generations.maintenance;
    struct watched_files *files = files_of(control->generations.present->settings);
    if (files == NULL) {
        log_error(control->log, "maintenance: no memory to look for its files");
    } else {
        watched_files_on_quiet(files, on_looked, control);
    }
    watched_files_free(&maintenance->files);
    maintenance->files = files;
    maintenance->looked_ms = 0; /* the load may be older than a second */
}

static void tell_hanging(struct control *control)
{
    const struct watched_group *group;
    while ((group = watched_files_turned(control->generations.maintenance.files,
                                         control_now_ms())) != NULL) {
        log_write(control->log, group->told ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
                  "maintenance: %s: %s", group->first->path,
                  group->told ? "its disk hangs: what was last known of it holds"
                              : "its disk answers again");
    }
}

/* What is known of files whose disk answers is taken even while that of others hangs, when nothing is ever quiet. */
void maintenance_watch_housekeeping(struct control *control)
{
    struct control_maintenance *maintenance = &control->generations.maintenance;
    uint64_t now_ms = control_now_ms();
    if (maintenance->files == NULL || now_ms - maintenance->looked_ms < WATCH_MS) {
        return;
    }
    maintenance->looked_ms = now_ms;
    if (watched_files_busy(maintenance->files) != NULL) {
        maintenance_watch_apply(control);
    }
    watched_files_look(maintenance->files, control->workers.files, control->loop.mailbox, now_ms);
    tell_hanging(control);
}

void maintenance_watch_free(struct control *control)
{
    watched_files_free(&control->generations.maintenance.files);
    maintenance_free(&control->generations.maintenance.words);
}
