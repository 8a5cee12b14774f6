/*
 * The pid file names the process that is the service. It may name another process when this one ends.
 *
 * Owns nothing. Thread: control. Errors: false, errno says why.
 */
#ifndef EVENKEEL_PROXY_CONTROL_PID_FILE_H
#define EVENKEEL_PROXY_CONTROL_PID_FILE_H

#include <stdbool.h>

/* Replaces the file in one step: a reader finds the old number or the new one. */
__attribute__((warn_unused_result)) bool pid_file_write(const char *path);
/* Removes the file if it names this process. */
void pid_file_remove(const char *path);

#endif
