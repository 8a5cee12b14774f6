/* Pipes and splice(2). */
#include "proxy/upstream/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/worker/worker.h"
#include "steady/fds.h"

#define SPLICE_PIPE_BYTES (SPLICE_STEP_READS * WORKER_READ_BYTES)
/* Number of empty pipes that a worker keeps, unless the pipes of all workers hold more than their share of descriptors. */
#define SPLICE_KEPT_PIPES 64
#define SPLICE_KEPT_FDS_SHARE 16

static void splice_pipe_close(struct worker *worker, struct splice_pipe *pipe);

struct splice_pipe *splice_pipe_take(struct worker *worker)
{
    struct splice_pipe *pipe = SLIST_FIRST(&worker->pipes.list);
    if (pipe != NULL) {
        SLIST_REMOVE_HEAD(&worker->pipes.list, link);
        worker->pipes.count--;
        return pipe;
    }
    if (!bound_try(&worker->env.bounds->pipes, 1)) {
        return NULL;
    }
    if (!fds_take(&worker->env.bounds->fds, FD_FOR_CLIENT, 2)) {
        bound_give(&worker->env.bounds->pipes, 1);
        return NULL;
    }
    int fds[2];
    pipe = malloc(sizeof *pipe);
    if (pipe == NULL || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        free(pipe);
        bound_give(&worker->env.bounds->pipes, 1);
        worker_give_fds(worker, 2);
        return NULL;
    }
    /* if this is refused (pipe-user-pages-soft) the pipe has its default size, which works as well */
    (void)fcntl(fds[1], F_SETPIPE_SZ, SPLICE_PIPE_BYTES);
    *pipe = (struct splice_pipe){.read_fd = fds[0], .write_fd = fds[1]};
    return pipe;
}

static bool splice_pipe_keeps(const struct worker *worker)
{
    const struct shared_bounds *bounds = worker->env.bounds;
    return worker->pipes.count < SPLICE_KEPT_PIPES && fds_left(&bounds->fds, FD_FOR_CLIENT) &&
           bound_used(&bounds->pipes) * 2 <= bound_limit(&bounds->fds) / SPLICE_KEPT_FDS_SHARE;
}

void splice_pipe_give(struct worker *worker, struct splice_pipe **pipe_pointer)
{
    struct splice_pipe *pipe = *pipe_pointer;
    *pipe_pointer = NULL;
    if (pipe == NULL) {
        return;
    }
    if (pipe->held_bytes == 0 && splice_pipe_keeps(worker)) {
        SLIST_INSERT_HEAD(&worker->pipes.list, pipe, link);
        worker->pipes.count++;
        return;
    }
    splice_pipe_close(worker, pipe);
}

void splice_pipes_free(struct worker *worker)
{
    while (!SLIST_EMPTY(&worker->pipes.list)) {
        struct splice_pipe *pipe = SLIST_FIRST(&worker->pipes.list);
        SLIST_REMOVE_HEAD(&worker->pipes.list, link);
        splice_pipe_close(worker, pipe);
    }
    worker->pipes.count = 0;
}

enum splice_result splice_flush(struct splice_pipe *pipe, int sink_fd, size_t *ret_out)
{
    *ret_out = 0;
    while (pipe->held_bytes > 0) {
        ssize_t moved = splice(pipe->read_fd, NULL, sink_fd, NULL, pipe->held_bytes,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (moved > 0) {
            pipe->held_bytes -= (size_t)moved;
            *ret_out += (size_t)moved;
        } else if (moved < 0 && errno == EINTR) {
            continue;
        } else {
            return moved < 0 && errno == EAGAIN ? SPLICE_SINK_BLOCKED : SPLICE_SINK_BROKEN;
        }
    }
    return SPLICE_MOVED;
}

enum splice_result splice_move(struct splice_pipe *pipe, int source_fd, int sink_fd,
                               uint64_t max_bytes, size_t *ret_in, size_t *ret_out)
{
    *ret_in = 0;
    *ret_out = 0;
    size_t wanted = max_bytes < SPLICE_PIPE_BYTES ? (size_t)max_bytes : SPLICE_PIPE_BYTES;
    ssize_t taken;
    do {
        taken = splice(source_fd, NULL, pipe->write_fd, NULL, wanted,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (taken < 0 && errno == EINTR);
    if (taken == 0) {
        return SPLICE_SOURCE_END;
    }
    if (taken < 0) {
        return errno == EAGAIN ? SPLICE_SOURCE_BLOCKED : SPLICE_SOURCE_BROKEN;
    }
    pipe->held_bytes += (size_t)taken;
    *ret_in = (size_t)taken;
    return splice_flush(pipe, sink_fd, ret_out);
}

static void splice_pipe_close(struct worker *worker, struct splice_pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    worker_give_fds(worker, 2);
    bound_give(&worker->env.bounds->pipes, 1);
}
