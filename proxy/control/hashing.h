/*
 * Threads for hashes of passwords, which take a tenth of a second each, on purpose.
 *
 * Owns nothing: the threads are in struct control. Thread: control. Errors: false, and a line in the log.
 */
#ifndef EVENKEEL_PROXY_CONTROL_HASHING_H
#define EVENKEEL_PROXY_CONTROL_HASHING_H

#include <stdbool.h>

struct control;

/* Once there is a log, before the workers. */
__attribute__((warn_unused_result)) bool hashing_start(struct control *control);

#endif
