/*
 * Heartbeat: whether every worker still takes messages. The service manager's watchdog is fed only while all of them do.
 *
 * Owns: its timer (in struct control). Thread: control; a worker only answers. A worker that hangs stops answering; the control
 * thread that hangs stops asking: either way the signs of life end.
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
        bool asked; /* and not answered yet */
    } * workers;
};

/* After the workers run. */
__attribute__((warn_unused_result)) bool heartbeat_start(struct control *control);
void heartbeat_free(struct control *control);
/* How long ago the worker that has been silent longest answered last. */
uint64_t heartbeat_silence_ms(const struct control *control);

#endif
