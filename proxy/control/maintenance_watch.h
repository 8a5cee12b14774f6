/*
 * Watches over maintenance: looks for the files of routes and upstreams once a second, and tells the log what begins and ends.
 *
 * Owns: the operator's words (proxy/policy/maintenance.h), in struct control. Thread: control, so that a file system that hangs holds
 * up no request.
 */
#ifndef EVENKEEL_PROXY_CONTROL_MAINTENANCE_WATCH_H
#define EVENKEEL_PROXY_CONTROL_MAINTENANCE_WATCH_H

struct control;

/* At once: a generation is about to be used, or the operator has said something. */
void maintenance_watch_look(struct control *control);
/* A generation is in use: routes that it has not are not closed any more. */
void maintenance_watch_forget(struct control *control);
/* Once a second. */
void maintenance_watch_housekeeping(struct control *control);

#endif
