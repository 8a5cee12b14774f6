/* Connects the resolver and reload.c. */
#include "proxy/control/names.h"

#include <event2/event.h>

#include "pool/resolver.h"
#include "proxy/control/control_state.h"
#include "proxy/control/fleet_start.h"
#include "proxy/control/reload.h"
#include "proxy/control/tls_watch.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS "/etc/hosts"
/* After each name has an address: how long the remaining lookups are waited for (RFC 8305 section 3). */
#define SECOND_FAMILY_MS 50

static void names_look(struct control *control);

static void names_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    names_look(arg);
}

void names_on_files(void *owner)
{
    names_look(owner);
}

static void names_on_news(bool changed, void *owner)
{
    struct control *control = owner;
    control->names.changed = control->names.changed || changed;
    names_look(control);
}

static void names_say(enum log_level level, const char *text, void *owner)
{
    struct control *control = owner;
    log_write(control->log, level, "%s", text);
}

bool names_start(struct control *control)
{
    const struct resolver_env env = {
        .base = control->loop.base,
        .registry = &control->limits.registry,
        .resolv_conf = RESOLV_CONF,
        .hosts = HOSTS,
        .on_news = names_on_news,
        .say = names_say,
        .owner = control,
    };
    control->names.timer = event_new(control->loop.base, -1, 0, names_on_timer, control);
    control->names.resolver = control->names.timer != NULL ? resolver_create(&env) : NULL;
    if (control->names.resolver == NULL) {
        log_error(control->log, "start: no memory for the resolver");
        return false;
    }
    pools_set_names(control->pools, resolver_addresses, control->names.resolver);
    return true;
}

void names_stop(struct control *control)
{
    resolver_free(&control->names.resolver);
    if (control->names.timer != NULL) {
        event_free(control->names.timer);
    }
}

static void names_use(struct control *control, struct settings *settings)
{
    size_t refused = resolver_use(control->names.resolver, settings);
    if (refused > 0) {
        log_error(control->log, "no room for %zu names: they are not resolved", refused);
    }
}

/* ---- waiting ---- */

static void names_arm(struct control *control, uint64_t at_ms)
{
    uint64_t now_ms = control_now_ms();
    uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    const struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};
    event_add(control->names.timer, &wait);
}

static void names_begin(struct control *control, struct settings *settings)
{
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        uint64_t resolve_ms = settings->upstreams[i].timeouts.resolve_ms;
        longest_ms = resolve_ms > longest_ms ? resolve_ms : longest_ms;
    }
    control->names.until_ms = control_now_ms() + longest_ms;
    control->names.usable_ms = 0;
    names_use(control, settings);
}

/* Whether there is nothing left to wait for; else the timer is armed. */
static bool names_awaited(struct control *control)
{
    uint64_t now_ms = control_now_ms(), until_ms = control->names.until_ms;
    enum names_state state = resolver_state(control->names.resolver);
    if (state == NAMES_USABLE) {
        if (control->names.usable_ms == 0) {
            control->names.usable_ms = now_ms;
        }
        uint64_t soon_ms = control->names.usable_ms + SECOND_FAMILY_MS;
        until_ms = soon_ms < until_ms ? soon_ms : until_ms;
    }
    if (state == NAMES_ASKED || now_ms >= until_ms) {
        return true;
    }
    names_arm(control, until_ms);
    return false;
}

bool names_await_first(struct control *control)
{
    names_begin(control, control->generations.settings);
    warm_restore_names(control);
    while (!names_awaited(control) && !event_base_got_break(control->loop.base)) {
        fleet_ask_first(control);
        event_base_loop(control->loop.base, EVLOOP_ONCE);
    }
    return !event_base_got_break(control->loop.base);
}

void names_await(struct control *control)
{
    names_begin(control, control->generations.coming);
    names_look(control);
}

void names_settle(struct control *control)
{
    names_use(control, control->generations.settings);
    resolver_forget_others(control->names.resolver);
    names_look(control);
}

/* ---- adopting ---- */

static void names_look(struct control *control)
{
    if (control->generations.present == NULL) {
        return;
    }
    if (control->generations.coming != NULL) {
        if (!names_awaited(control)) {
            return;
        }
        uint64_t files_until_ms;
        if (tls_watch_waits(control, &files_until_ms)) {
            names_arm(control, files_until_ms);
        } else {
            reload_go_on(control);
        }
        return;
    }
    if (!control->names.changed || control->drain.stage != DRAIN_SERVING ||
        !reload_settled(control)) {
        return;
    }
    uint64_t soonest_ms = control->names.adopted_ms + NAMES_SPACING_MS;
    if (control_now_ms() < soonest_ms) {
        names_arm(control, soonest_ms);
        return;
    }
    control->names.adopted_ms = control_now_ms();
    if (reload_names(control)) {
        control->names.adoptions++;
    } else {
        names_arm(control, control->names.adopted_ms + 10 * NAMES_SPACING_MS);
    }
}

void names_log_unresolved(struct control *control)
{
    const struct upstream_set *set = control->generations.present->upstreams;
    for (size_t i = 0; i < set->count; i++) {
        if (set->views[i].endpoint_count == 0) {
            log_warn(control->log,
                     "upstream %s has no endpoints: none of its names has an address yet; its "
                     "requests are answered with 503 until one has",
                     set->views[i].settings->name);
        }
    }
}
