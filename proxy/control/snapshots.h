/*
 * Snapshots: asks every worker for a census of itself, and waits for the answers no longer than a second. A worker that
 * does not answer is told as stuck.
 *
 * Owns: its timer; each census from the question to the end of the snapshot, or, if the worker answers later, until
 * then. Thread: control; a worker only fills the census that it is given. Time base: ms, monotonic. Memory: a census for
 * each worker, and none between snapshots but those of stuck workers.
 */
#ifndef EVENKEEL_PROXY_CONTROL_SNAPSHOTS_H
#define EVENKEEL_PROXY_CONTROL_SNAPSHOTS_H

#include <stdbool.h>

struct control;
struct snapshots;

/* For struct admin_env; `owner` is the control. admin_answer_snapshot() follows, never from within. False: no memory. */
bool snapshots_begin(void *owner);
/* After the workers have ended. */
void snapshots_free(struct control *control);

#endif
