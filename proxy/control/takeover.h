/*
 * Upgrade, the new process's side: what the old one gives is taken, and nothing is accepted before this one is ready and the old
 * one has said so.
 *
 * Owns: its end of the channel (in struct control). Thread: control. The words of the two: upgrade_wire.h.
 */
#ifndef EVENKEEL_PROXY_CONTROL_TAKEOVER_H
#define EVENKEEL_PROXY_CONTROL_TAKEOVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;

enum takeover_stage {
    TAKEOVER_NONE,    /* an ordinary start, or it is over */
    TAKEOVER_WARMING, /* until readiness */
    TAKEOVER_OFFERED, /* the old process has been told */
    TAKEOVER_TAKING,  /* workers begin to accept */
    TAKEOVER_SERVING, /* until the old process has told the service manager */
};

struct takeover {
    enum takeover_stage stage;
    int channel;
    struct event *heard;
    uint8_t *warm_bytes; /* NULL: none came */
    size_t warm_length;
    unsigned held_count; /* workers that do not accept yet */
    bool failed;
};

/* Before anything is opened: if another process started this one to replace it, takes what it gives. False: it is gone, or says
   what it should not. */
__attribute__((warn_unused_result)) bool takeover_open(struct control *control);
/* Once there is a loop. */
__attribute__((warn_unused_result)) bool takeover_start(struct control *control);
/* This process must not accept clients, name itself or speak to the service manager yet. */
bool takeover_pending(const struct control *control);
/* Readiness has settled. */
void takeover_on_readiness(struct control *control);
void takeover_free(struct control *control);

#endif
