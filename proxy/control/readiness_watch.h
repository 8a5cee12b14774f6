/*
 * Watches readiness: collects the figures, takes the steps, tells the workers, the log and the service manager.
 *
 * Owns: its timer (in struct control). Thread: control; workers read one flag.
 */
#ifndef EVENKEEL_PROXY_CONTROL_READINESS_WATCH_H
#define EVENKEEL_PROXY_CONTROL_READINESS_WATCH_H

#include <event2/event.h>
#include <stdbool.h>

#include "proxy/admin/readiness.h"

struct control;

struct readiness_watch {
    struct readiness readiness;
    struct event *timer;
    bool told; /* the service manager knows that the start is over */
};

__attribute__((warn_unused_result)) bool readiness_watch_start(struct control *control);
void readiness_watch_free(struct control *control);
/* Something has changed that readiness may depend on. */
void readiness_watch_look(struct control *control);
/* Tells the service manager what could not be told earlier. */
void readiness_watch_log(struct control *control);

#endif
