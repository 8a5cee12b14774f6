/*
 * Signals: what each does at every moment of the process's life.
 *
 * Owns: the dispositions of SIGHUP, SIGUSR1, SIGUSR2, SIGTERM and SIGINT, and their events (in struct control).
 * Thread: main, whose loop does what a signal asks for; every other thread is started with all of them blocked. Before
 * there is a loop, a signal that asks for something is kept until there is one, and a signal that asks for the end
 * ends the process.
 */
#ifndef EVENKEEL_PROXY_CONTROL_SIGNALS_H
#define EVENKEEL_PROXY_CONTROL_SIGNALS_H

#include <event2/event.h>
#include <stdbool.h>

#define SIGNALS_COUNT 5

struct control;

struct signals {
    struct event *events[SIGNALS_COUNT];
};

/* To be called first, before the configuration is read. */
void signals_hold(void);
/* To be called when there is a loop, which handles signals from now on, kept ones first. False: no memory. */
__attribute__((warn_unused_result)) bool signals_listen(struct control *control);
void signals_free(struct signals *signals);

#endif
