/*
 * Control: the thread that rules the others. Signals, reload, drain, figures; no request ever passes through it.
 *
 * Owns: the event base of the main thread, workers, generations, listeners, the admin listener, the log. Thread: main.
 * A reload builds everything aside; what cannot be built changes nothing. At most two generations are alive: a reload that comes
 * while one is being swapped, or while a removed upstream still drains, waits its turn (several become one).
 */
#ifndef EVENKEEL_PROXY_CONTROL_CONTROL_H
#define EVENKEEL_PROXY_CONTROL_CONTROL_H

#include <stdbool.h>

#include "conf/settings.h"

/* The exit status when something was cut off. */
#define CONTROL_EXIT_CUT 3

struct control;

/* What main() found on the command line. */
struct control_start {
    const char *config_path;       /* NULL: the demo, which cannot be reloaded */
    char *const *argv;             /* to start the program by again; NULL: the demo */
    struct settings *settings;     /* taken over */
    void (*on_ready)(void *owner); /* after everything listens; may be NULL */
    void *owner;
};

/* Runs until the process is to end. Returns the exit status: 0 after a clean drain, 1 when it could not start,
   CONTROL_EXIT_CUT when the grace or a second signal cut something short. */
int control_run(const struct control_start *start);

#endif
