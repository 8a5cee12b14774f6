/*
 * Heartbeat: whether every worker still handles messages. The service manager's watchdog gets signs of life only while
 * all of them do.
 *
 * Owns: its timer (in struct control). Thread: control; a worker only answers. A hanging worker does not answer, and a
 * hanging control thread does not ask: either way the signs of life end.
 */
#ifndef EVENKEEL_PROXY_CONTROL_HEARTBEAT_H
#define EVENKEEL_PROXY_CONTROL_HEARTBEAT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct control;

struct heartbeat {
    struct event *timer;
    struct heartbeat_worker {
        uint64_t answered_ms;
        bool asked; /* asked, and not answered yet */
    } * workers;
};

/* To be called after the workers run. */
__attribute__((warn_unused_result)) bool heartbeat_start(struct control *control);
void heartbeat_free(struct control *control);
/* Time since the last answer of the worker that has been silent longest. */
uint64_t heartbeat_silence_ms(const struct control *control);

#endif
