/*
 * Splice: large payloads that need no new framing move from socket to socket through a pipe, without a copy to user
 * space.
 *
 * Owns: a few empty pipes for each worker, kept for reuse. A pipe with bytes in it belongs to its attempt. Thread: its
 * worker's.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_SPLICE_H
#define EVENKEEL_PROXY_UPSTREAM_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct worker;

/* A step of splicing moves at most as much as this many reads. */
#define SPLICE_STEP_READS 2

struct splice_pipe {
    SLIST_ENTRY(splice_pipe) link;
    int read_fd, write_fd;
    size_t held_bytes; /* bytes in the pipe */
};

/* Shorter payloads are copied, because the system calls of the pipe would cost more. */
#define SPLICE_MIN_BYTES (48u * 1024)

enum splice_result {
    SPLICE_MOVED,
    SPLICE_SOURCE_BLOCKED,
    SPLICE_SINK_BLOCKED, /* bytes may be in the pipe */
    SPLICE_SOURCE_END,
    SPLICE_SOURCE_BROKEN,
    SPLICE_SINK_BROKEN,
};

/* NULL: there is no pipe (no descriptors); copy instead. */
struct splice_pipe *splice_pipe_take(struct worker *worker);
/* Gives the pipe back to the worker if it is empty, else closes it. Nulls *pipe; *pipe may be NULL. */
void splice_pipe_give(struct worker *worker, struct splice_pipe **pipe);
void splice_pipes_free(struct worker *worker);

/* Moves at most max_bytes from source to sink. *ret_in: taken from the source; *ret_out: given to the sink. Both are
   always set. */
enum splice_result splice_move(struct splice_pipe *pipe, int source_fd, int sink_fd,
                               uint64_t max_bytes, size_t *ret_in, size_t *ret_out);
/* Empties the pipe into the sink. SPLICE_MOVED: empty now. */
enum splice_result splice_flush(struct splice_pipe *pipe, int sink_fd, size_t *ret_out);

#endif
