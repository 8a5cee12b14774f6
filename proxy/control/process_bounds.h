/*
 * The bounds of the whole process: how much of each there may be, from the settings, the memory and the descriptors.
 *
 * Owns nothing: the bounds are in struct control. Thread: control, once at the start. Errors: none.
 */
#ifndef EVENKEEL_PROXY_CONTROL_PROCESS_BOUNDS_H
#define EVENKEEL_PROXY_CONTROL_PROCESS_BOUNDS_H

struct control;

/* Requests for files that wait for a disk, threads for them, further ones for folders that have none, and how many of both one folder
   may have, which may hang. */
#define FILE_TASKS_LIMIT 1024
#define FILE_THREADS_LIMIT 16
#define FILE_SPARE_THREADS_LIMIT 32
#define FILE_LANE_TASKS_LIMIT 256
#define FILE_LANE_THREADS_LIMIT 4

void process_bounds_init(struct control *control);

#endif
