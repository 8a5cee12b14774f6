/*
 * New upstreams of a reload are warm before they get traffic: the built and checked generation waits, while workers
 * that still use the previous one open its connections.
 *
 * Owns: the waiting generation and its timer, in struct control. Thread: control. The wait is bounded by
 * readiness.give_up_after of the new settings; an endpoint that does not accept a dial is not waited for.
 */
#ifndef EVENKEEL_PROXY_CONTROL_PREWARM_H
#define EVENKEEL_PROXY_CONTROL_PREWARM_H

#include <stdbool.h>
#include <stdint.h>

struct control;
struct event;
struct generation;
struct settings;

/* What proxy/control/prewarm.c keeps in struct control. */
struct prewarm {
    struct generation *generation; /* NULL: none waits */
    struct settings *settings;     /* its settings; a reference */
    struct event *timer;
    uint64_t started_ms;
};

/* True: the generation waits, and reload_swap() is called with both when the wait is over. False: there is nothing to
   wait for. */
__attribute__((warn_unused_result)) bool prewarm_begin(struct control *control,
                                                       struct generation *generation,
                                                       struct settings *settings);
/* The process ends: the wait is over. The caller frees the generation and the settings. */
void prewarm_stop(struct control *control);

#endif
