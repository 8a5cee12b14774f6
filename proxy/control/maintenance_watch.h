/*
 * Watches over maintenance: looks for the files of routes and upstreams once a second, and tells the log what begins and ends.
 *
 * A disk may hang: tasks look for the files (proxy/control/watched_files.h), and while a look is in progress the last one holds.
 *
 * Owns: the operator's words (proxy/policy/maintenance.h) and the files, in struct control. Thread: control.
 */
#ifndef EVENKEEL_PROXY_CONTROL_MAINTENANCE_WATCH_H
#define EVENKEEL_PROXY_CONTROL_MAINTENANCE_WATCH_H

struct control;

/* The present generation has new settings: their files are watched from now on. */
void maintenance_watch_follow(struct control *control);
/* Sets what is closed: a generation is about to be used, or something is known anew. */
void maintenance_watch_apply(struct control *control);
/* A generation is in use: routes that it has not are not closed any more. */
void maintenance_watch_forget(struct control *control);
/* Once a second. */
void maintenance_watch_housekeeping(struct control *control);
void maintenance_watch_free(struct control *control);

#endif
