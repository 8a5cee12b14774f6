/* The log's lines, and the interval. */
#include "proxy/control/maintenance_watch.h"

#include <string.h>

#include "proxy/control/control_state.h"
#include "proxy/policy/maintenance.h"

#define WATCH_MS 1000

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

void maintenance_watch_look(struct control *control)
{
    control->generations.maintenance.looked_ms = control_now_ms();
    if (!maintenance_look(control->generations.maintenance.words, control->generations.present,
                          on_changed, control)) {
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

void maintenance_watch_housekeeping(struct control *control)
{
    if (control->generations.present != NULL &&
        control_now_ms() - control->generations.maintenance.looked_ms >= WATCH_MS) {
        maintenance_watch_look(control);
    }
}
