/*
 * Names and the process: who waits for them, and what becomes of the upstreams when they stand for other addresses.
 *
 * Owns: the resolver, the timer of what waits. Thread: control. The first generation, and a reload that brings new names, wait for
 * these, but no longer than timeouts.resolve; then an upstream may begin without endpoints. A change is adopted by the workers as
 * a set of its own, at most one each NAMES_SPACING_MS, and never while another set is on its way.
 */
#ifndef EVENKEEL_PROXY_CONTROL_NAMES_H
#define EVENKEEL_PROXY_CONTROL_NAMES_H

#include <stdbool.h>

#include "conf/settings.h"

#define NAMES_SPACING_MS 100

struct control;

__attribute__((warn_unused_result)) bool names_start(struct control *control);
void names_stop(struct control *control);
/* Blocks, serving the control thread's other events; false: the process is to end. */
__attribute__((warn_unused_result)) bool names_await_first(struct control *control);
/* Calls reload_go_on() once the names of control->generations.coming have been asked for, at the latest after timeouts.resolve. Perhaps
   at once. */
void names_await(struct control *control);
/* A generation has been adopted or a reload has failed: only the names of the present settings are needed. */
void names_settle(struct control *control);
/* Upstreams of the settings that cannot serve for want of addresses are said in the log. */
void names_log_unresolved(struct control *control);

#endif
