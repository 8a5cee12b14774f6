/*
 * Control: the thread that runs the process: signals, reload, drain, figures. No request passes through it.
 *
 * Owns: the event base of the main thread, workers, generations, listeners, the admin listener, the log. Thread: main.
 * A reload builds everything beside the current generation; if something cannot be built, nothing changes. At most two
 * generations exist: a reload that comes during a change-over, or while a removed upstream still drains, waits
 * (several become one).
 */
#ifndef EVENKEEL_PROXY_CONTROL_CONTROL_H
#define EVENKEEL_PROXY_CONTROL_CONTROL_H

#include <stdbool.h>

#include "conf/settings.h"

/* The exit status if something was cut off. */
#define CONTROL_EXIT_CUT 3

struct control;

/* What main() found on the command line. */
struct control_start {
    const char *config_path;       /* NULL: the demo, which cannot be reloaded */
    char *const *argv;             /* to start the program by again; NULL: the demo */
    struct settings *settings;     /* taken over */
    void (*on_ready)(void *owner); /* called when everything listens; may be NULL */
    void *owner;
};

/* Runs until the process is to end. Returns the exit status: 0 after a clean drain, 1 if it could not start,
   CONTROL_EXIT_CUT if the end of the grace or a second signal cut something off. */
int control_run(const struct control_start *start);

#endif
