/*
 * Upgrade, the old process's side: starts the program anew, gives it the listening sockets and the warm state, and drains only
 * once the new one serves. What goes wrong before that ends the new one, and nothing has changed.
 *
 * Owns: the channel, the new process until it serves (in struct control). Thread: control. The words of the two: upgrade_wire.h.
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
    struct event *heard, *look; /* on the channel; at the process and the time */
    uint64_t since_ms;
    bool taking; /* it has been told to serve */
    struct upgrade_figures figures;
};

/* SIGUSR2. */
void upgrade_begin(struct control *control);
/* The process is to end: the new one with it, unless it serves. */
void upgrade_abort(struct control *control, const char *why);

#endif
