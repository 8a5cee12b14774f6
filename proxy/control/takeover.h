/*
 * Upgrade, the side of the new process: it takes what the old process gives, and accepts no client before it is ready
 * and the old process has said so.
 *
 * Owns: its end of the channel (in struct control). Thread: control. The messages: upgrade_wire.h.
 */
#ifndef EVENKEEL_PROXY_CONTROL_TAKEOVER_H
#define EVENKEEL_PROXY_CONTROL_TAKEOVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;

enum takeover_stage {
    TAKEOVER_NONE,    /* an ordinary start, or the upgrade is over */
    TAKEOVER_WARMING, /* until the process is ready */
    TAKEOVER_OFFERED, /* the old process has been told */
    TAKEOVER_TAKING,  /* workers begin to accept */
    TAKEOVER_SERVING, /* until the old process has told the service manager */
};

struct takeover {
    enum takeover_stage stage;
    int channel;
    struct event *heard;
    uint8_t *warm_bytes; /* NULL: none was sent */
    size_t warm_length;
    unsigned held_count; /* workers that do not accept yet */
    bool failed;
};

/* To be called before anything is opened: if another process started this one to replace it, takes what it gives.
   False: the other process is gone, or has sent an invalid message. */
__attribute__((warn_unused_result)) bool takeover_open(struct control *control);
/* To be called when there is a loop. */
__attribute__((warn_unused_result)) bool takeover_start(struct control *control);
/* Whether this process must not accept clients, write its pid file or talk to the service manager yet. */
bool takeover_pending(const struct control *control);
/* The wait for readiness is over. */
void takeover_on_readiness(struct control *control);
void takeover_free(struct control *control);

#endif
