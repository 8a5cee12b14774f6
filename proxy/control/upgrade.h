/*
 * Upgrade, the side of the old process: it starts the program again, gives it the listening sockets and the warm
 * state, and drains only when the new process serves. Any failure before that ends the new process and changes
 * nothing.
 *
 * Owns: the channel, and the new process until it serves (in struct control). Thread: control. The messages:
 * upgrade_wire.h.
 */
#ifndef EVENKEEL_PROXY_CONTROL_UPGRADE_H
#define EVENKEEL_PROXY_CONTROL_UPGRADE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/admin/overview.h"

struct control;

struct upgrade {
    int channel;
    struct event *heard,
        *look; /* events: on the channel; of the check of the process and the time */
    uint64_t since_ms;
    bool taking; /* the new process was told to serve */
    bool said;   /* the operator has said something since the new process was sent the warm state */
    struct upgrade_figures figures;
};

/* SIGUSR2. */
void upgrade_begin(struct control *control);
/* The operator has drained an endpoint or forced a breaker, or taken that back: a new process that warms up is told before it serves. */
void upgrade_on_word(struct control *control);
/* The process is to end: it ends the new process too, unless that one serves. */
void upgrade_abort(struct control *control, const char *why);

#endif
