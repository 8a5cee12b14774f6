/*
 * Names in the process: what waits for them, and what happens to upstreams when their addresses change.
 *
 * Owns: the resolver, the timer of the wait. Thread: control. The first generation, and a reload with new names, wait
 * for these, but not longer than timeouts.resolve; then an upstream may begin without endpoints. Workers adopt a
 * change as a set of its own, at most one in NAMES_SPACING_MS, and none while another set is on its way.
 */
#ifndef EVENKEEL_PROXY_CONTROL_NAMES_H
#define EVENKEEL_PROXY_CONTROL_NAMES_H

#include <stdbool.h>

#include "conf/settings.h"

#define NAMES_SPACING_MS 100

struct control;

__attribute__((warn_unused_result)) bool names_start(struct control *control);
void names_stop(struct control *control);
/* Blocks while the control thread's other events are handled. False: the process is to end. */
__attribute__((warn_unused_result)) bool names_await_first(struct control *control);
/* Calls reload_go_on() when the names of control->generations.coming have been looked up, at the latest after
   timeouts.resolve, possibly at once. */
void names_await(struct control *control);
/* Tells that the files that it waits for besides have been looked at; the owner is the control. */
void names_on_files(void *owner);
/* A generation has been adopted, or a reload has failed: only the names of the current settings are needed. */
void names_settle(struct control *control);
/* Logs the upstreams of the settings that have no address. */
void names_log_unresolved(struct control *control);

#endif
