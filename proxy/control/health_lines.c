/* A line for each change. */
#include "proxy/control/health_lines.h"

#include "pool/health.h"
#include "proxy/control/control_state.h"

void health_lines_say(const struct health_change *change, void *owner)
{
    static const enum log_level levels[] = {
        [HEALTH_EVENT_UP] = LOG_LEVEL_INFO,        [HEALTH_EVENT_DOWN] = LOG_LEVEL_WARN,
        [HEALTH_EVENT_EJECTED] = LOG_LEVEL_WARN,   [HEALTH_EVENT_DRAINED] = LOG_LEVEL_INFO,
        [HEALTH_EVENT_UNDRAINED] = LOG_LEVEL_INFO, [HEALTH_EVENT_PANIC] = LOG_LEVEL_ERROR,
        [HEALTH_EVENT_CALM] = LOG_LEVEL_INFO,
    };
    const struct control *control = owner;
    if (change->endpoint != NULL) {
        log_event(control->log, EVENT_ENDPOINT, levels[change->event],
                  "upstream %s: endpoint %s (%s): %s: %s", change->upstream, change->endpoint,
                  change->address, health_event_name(change->event), change->why);
    } else {
        log_event(control->log, EVENT_ENDPOINT, levels[change->event], "upstream %s: %s: %s",
                  change->upstream, health_event_name(change->event), change->why);
    }
}
