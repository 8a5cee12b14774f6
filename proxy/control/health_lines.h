/*
 * What the log says of the health of endpoints.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_CONTROL_HEALTH_LINES_H
#define EVENKEEL_PROXY_CONTROL_HEALTH_LINES_H

struct health_change;

/* The on_change of struct health_env; owner: the control. */
void health_lines_say(const struct health_change *change, void *owner);

#endif
