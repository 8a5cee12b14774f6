/*
 * Drain: the end of the process. It becomes unready, listeners close, idle clients are closed, exchanges finish,
 * tunnels are ended after a limit of their own, and the rest is cut, always within the grace.
 *
 * Owns: its timer (in struct control), and SIGALRM, which ends the process if even the cut does not. Thread: control.
 * Time base: CLOCK_MONOTONIC. drain_plan() and drain_next() are pure.
 */
#ifndef EVENKEEL_PROXY_CONTROL_DRAIN_H
#define EVENKEEL_PROXY_CONTROL_DRAIN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"

/* id, name in the log and in /status */
#define DRAIN_STAGES(X)                                                                      \
    X(DRAIN_SERVING, "serving")                                                              \
    X(DRAIN_UNREADY, "unready")     /* readiness is withdrawn, everything is still served */ \
    X(DRAIN_CLOSING, "closing")     /* listeners close */                                    \
    X(DRAIN_FINISHING, "finishing") /* exchanges in flight finish */                         \
    X(DRAIN_RUSHING, "rushing")     /* as finishing, without tunnels */                      \
    X(DRAIN_CUTTING, "cutting")     /* the rest is cut off */

enum drain_stage { ENUM_VALUES(DRAIN_STAGES) };
const char *drain_stage_name(enum drain_stage value);

/* When each stage ends at the latest, in ms since the drain began. */
struct drain_plan {
    uint64_t unready_ms; /* listeners close */
    uint64_t closing_ms; /* a worker that has not closed its listeners by then is not waited for */
    uint64_t tunnels_ms; /* tunnels are ended */
    uint64_t cut_ms;     /* everything is ended */
    uint64_t exit_ms;    /* the process is ended by force; before the grace is over */
};

/* `handed_over`: another process already serves the listeners, so no load balancer has to notice. */
struct drain_plan drain_plan(const struct drain_settings *settings, bool handed_over);
/* The stage at this time, given the current one; never goes back. */
enum drain_stage drain_next(const struct drain_plan *plan, enum drain_stage stage,
                            uint64_t elapsed_ms, bool listeners_closed);

struct drain {
    enum drain_stage stage; /* written only by drain_enter() */
    uint64_t since_ms;
    uint64_t told_ms;      /* when progress was last logged */
    uint64_t forced_at_ms; /* when the process is ended by force; 0: not */
    struct drain_plan plan;
    struct event *timer;
    unsigned listening_count; /* workers that still listen */
    unsigned undrained_count; /* workers that still have clients */
    bool handed_over;         /* another process serves the same sockets */
    bool cut;                 /* an exchange was cut off */
};

struct control;

__attribute__((warn_unused_result)) bool drain_init(struct control *control);
void drain_free(struct control *control);
/* Begins a drain; a second call changes nothing. */
void drain_begin(struct control *control, const char *why, bool handed_over);
/* A second signal: ends the process now. */
void drain_cut(struct control *control, const char *why);
/* What is left of the grace; 0 while serving. */
uint64_t drain_left_ms(const struct control *control);
/* Until the process is ended by force; UINT64_MAX: it is not. */
uint64_t drain_forced_ms(const struct control *control);

#endif
