/*
 * Files of listening UNIX sockets: who may use them, and whose they are.
 *
 * A file on which nobody listens is what an ended process has left, and is replaced. One on which somebody listens, and one that
 * is no socket, is never touched.
 *
 * Owns nothing but the file, which outlives it. Thread: control. Errors: errno. Spec: unix(7).
 */
#ifndef EVENKEEL_PROXY_CLIENT_LOCAL_FILE_H
#define EVENKEEL_PROXY_CLIENT_LOCAL_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "conf/settings.h"

/* A file as it was when its socket was bound; inode 0: none. */
struct local_file {
    dev_t device;
    ino_t inode;
};

/* Why the path could not be bound now, as an errno; 0: it could. EADDRINUSE: somebody listens. EEXIST: it is no socket. */
int local_file_probe(const struct address *address);
/* Replaces what is left there, and listens. False: errno. */
__attribute__((warn_unused_result)) bool local_file_bind(const struct listen_settings *wanted,
                                                         int backlog, int *ret_fd);
/* The file that is there now. */
struct local_file local_file_of(const struct address *address);
/* Removes the file, unless another one is there by now; *file is none after that. */
void local_file_remove(struct local_file *file, const struct address *address);

#endif
