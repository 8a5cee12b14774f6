/*
 * Descriptors on the way out of a function that has failed.
 *
 * Owns nothing. Thread: any. Errors: none.
 */
#ifndef EVENKEEL_STEADY_DESCRIPTOR_H
#define EVENKEEL_STEADY_DESCRIPTOR_H

#include <errno.h>
#include <unistd.h>

/* Closes, and leaves errno as it is: it says why what came before has failed. */
static inline void close_keeping_errno(int fd)
{
    int why = errno;
    close(fd);
    errno = why;
}

#endif
