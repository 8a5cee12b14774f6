/*
 * The fleet of the process: alone until its settings say otherwise.
 *
 * Owns nothing: the fleet is in struct control. Thread: control. Errors: false, and a line in the log.
 */
#ifndef EVENKEEL_PROXY_CONTROL_FLEET_START_H
#define EVENKEEL_PROXY_CONTROL_FLEET_START_H

#include <stdbool.h>

struct control;

/* Once there are pools and ticket keys, before the first generation. */
__attribute__((warn_unused_result)) bool fleet_start(struct control *control);

/* Before the first generation, while names are looked up: asks for the warm state of another replica as soon as the store has an
   address, since their addresses may be in it. */
void fleet_ask_first(struct control *control);
/* Before the first generation: waits for the warm state of another replica, for as long as an answer of the store may take, while the
   control thread's other events are handled. False: the process is to end. */
__attribute__((warn_unused_result)) bool fleet_await_first(struct control *control);

/* A generation is about to serve, and its limits are adopted: its rates over the fleet take the place of those before. */
void fleet_follow_rates(struct control *control);

#endif
