/*
 * When the warm state is saved: now and then, when the operator has said something, and when the process drains.
 *
 * A disk may hang: a task writes the file, one at a time, and whatever else is to be saved waits for its end.
 *
 * Owns: struct warm_saver, its timer, and the bytes until they are written. Thread: control. Errors: figures and the log.
 */
#ifndef EVENKEEL_PROXY_CONTROL_WARM_SAVE_H
#define EVENKEEL_PROXY_CONTROL_WARM_SAVE_H

#include <stdbool.h>

struct control;
struct warm_saver;

/* Saves now and then. False: no memory. */
__attribute__((warn_unused_result)) bool warm_save_start(struct control *control);
/* Several times a second: tells of a disk that hangs. */
void warm_save_housekeeping(struct control *control);
/* Begins to save, if there is a path. */
void warm_save_now(struct control *control);
/* The operator has said something, which is to outlive a process that is killed: saves it, while this process is warm, and waits for
   the disk, for a tenth of a second. */
void warm_save_word(struct control *control);
/* At the end of the process: waits for what is being saved, for a second, or less if the process is soon ended by force. Nothing is
   saved after that. */
void warm_save_finish(struct control *control);
/* The pool of tasks has stopped. */
void warm_save_free(struct control *control);

#endif
