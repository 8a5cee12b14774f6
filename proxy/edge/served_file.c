/* The steps of a file, each a task; and its end. */
#include "proxy/edge/served_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/worker/worker.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/fds.h"
#include "steady/hash.h"

static struct served_file *file_of(struct task *task)
{
    return container_of(task, struct served_file, task);
}

static struct bound *buffers_of(const struct served_file *file)
{
    return &file->request.worker->env.bounds->buffers_bytes;
}

/* ---- on a thread of the pool ---- */

static void close_file(struct served_file *file)
{
    if (file->found.fd >= 0) {
        close(file->found.fd);
        file->found.fd = -1;
    }
}

/* As many bytes as there are, up to the end of the file. */
static void read_data(struct served_file *file)
{
    while (file->data_bytes < file->wanted_bytes) {
        ssize_t n =
            pread(file->found.fd, file->data + file->data_bytes,
                  file->wanted_bytes - file->data_bytes, (off_t)(file->read_at + file->data_bytes));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        file->failed = n < 0;
        if (n <= 0) {
            return;
        }
        file->data_bytes += (size_t)n;
    }
}

static void run_search(struct task *task)
{
    struct served_file *file = file_of(task);
    const struct served_request *request = &file->request;
    file->result = file_search(request->files, &file->path, request->codings, &file->found);
    if (file->result != FILE_SEARCH_FOUND || task_cancelled(task)) {
        close_file(file);
        return;
    }
    if (file->wanted_bytes >= file->found.bytes) {
        file->wanted_bytes = (size_t)file->found.bytes;
        file->closes = file->data != NULL;
    }
    read_data(file);
    if (file->closes && file->data_bytes == file->wanted_bytes) {
        close_file(file);
    }
}

static void run_read(struct task *task)
{
    struct served_file *file = file_of(task);
    read_data(file);
    bool over = file->closes && file->data_bytes == file->wanted_bytes;
    if (over || task_cancelled(task)) {
        close_file(file);
    }
}

static void run_close(struct task *task)
{
    close_file(file_of(task));
}

/* ---- on the worker ---- */

static void served_file_free(struct served_file *file)
{
    struct worker *worker = file->request.worker;
    served_file_drop_data(file);
    bound_give(buffers_of(file), sizeof *file);
    settings_put(&file->request.settings);
    free(file);
    worker_give_fds(worker, 1);
}

static enum task_result submit_on(struct served_file *file, void (*run)(struct task *task))
{
    struct worker *worker = file->request.worker;
    file->task.run = run;
    return task_submit_on(worker->env.files, &file->task, file->task.lane, worker->loop.mailbox);
}

/* Nothing of it is in progress, and it has no owner any more. A pool that has stopped takes no task: the process ends, and leaves the
   closing to the kernel, for a thread of its own would wait for the disk. */
static void served_file_end(struct served_file *file)
{
    served_file_drop_data(file);
    file->step = SERVED_CLOSE;
    if (file->found.fd < 0 || submit_on(file, run_close) != TASK_OK) {
        served_file_free(file);
    }
}

static void on_done(struct task *task)
{
    struct served_file *file = file_of(task);
    if (file->step == SERVED_CLOSE) {
        served_file_free(file);
        return;
    }
    file->step = SERVED_REST;
    file->request.ready(file->request.owner);
}

static void on_dropped(struct task *task)
{
    struct served_file *file = file_of(task);
    if (file->step == SERVED_CLOSE) {
        served_file_free(file); /* the pool has stopped */
        return;
    }
    served_file_end(file);
}

/* False: no memory for so much data. */
static bool take_data(struct served_file *file, size_t bytes)
{
    if (!bound_take(buffers_of(file), bytes)) {
        return false;
    }
    file->data = fault_hits(FAULT_ALLOC) ? NULL : malloc(bytes);
    if (file->data == NULL) {
        bound_give(buffers_of(file), bytes);
        return false;
    }
    file->held_bytes = file->wanted_bytes = bytes;
    file->data_bytes = 0;
    return true;
}

void served_file_drop_data(struct served_file *file)
{
    if (file->data != NULL) {
        free(file->data);
        file->data = NULL;
        bound_give(buffers_of(file), file->held_bytes);
    }
}

/* What a file needs from the beginning on. */
static enum served_result served_file_take(struct worker *worker, struct served_file **ret_file)
{
    struct shared_bounds *bounds = worker->env.bounds;
    struct served_file *file;
    if (!fds_take(&bounds->fds, FD_FOR_CLIENT, 1)) {
        return SERVED_NO_FD;
    }
    if (bound_take(&bounds->buffers_bytes, sizeof *file)) {
        file = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *file);
        if (file != NULL) {
            *ret_file = file;
            return SERVED_OK;
        }
        bound_give(&bounds->buffers_bytes, sizeof *file);
    }
    worker_give_fds(worker, 1);
    return SERVED_NO_MEMORY;
}

enum served_result served_file_search(const struct served_request *request,
                                      const struct file_path *path, struct served_file **ret_file)
{
    struct worker *worker = request->worker;
    struct served_file *file;
    enum served_result result = served_file_take(worker, &file);
    if (result != SERVED_OK) {
        return result;
    }
    file->request = *request;
    file->request.settings = settings_get(request->settings);
    file->path = *path;
    file->found.fd = -1;
    file->task = (struct task){.run = run_search, .done = on_done, .dropped = on_dropped};
    if (request->ahead && !take_data(file, SERVED_FIRST_BYTES)) {
        served_file_free(file);
        return SERVED_NO_MEMORY;
    }
    const char *root = request->files->root;
    uint64_t lane = hash_bytes(0, root, strlen(root));
    if (task_submit(worker->env.files, &file->task, lane, worker->loop.mailbox) != TASK_OK) {
        served_file_free(file);
        return SERVED_BUSY;
    }
    file_pace_begin(&file->pace, worker->env.file_crowd, request->client_slot,
                    worker_now_ms(worker));
    *ret_file = file;
    return SERVED_OK;
}

bool served_file_has_data(const struct served_file *file)
{
    return file->data != NULL && file->data_bytes > 0;
}

enum served_result served_file_read(struct served_file *file, struct file_range range, bool last)
{
    size_t bytes = (size_t)(range.last - range.first + 1);
    CHECK(file->step == SERVED_REST && file->data == NULL && bytes <= SERVED_READ_BYTES &&
          file->found.fd >= 0);
    if (!take_data(file, bytes)) {
        return SERVED_NO_MEMORY;
    }
    file->read_at = range.first;
    file->closes = last;
    if (submit_on(file, run_read) != TASK_OK) {
        served_file_drop_data(file);
        return SERVED_BUSY;
    }
    file->step = SERVED_READ;
    return SERVED_OK;
}

/* What a client of a file holds: descriptors and buffers. */
static bool clients_lack(const struct worker *worker)
{
    return !fds_left(&worker->env.bounds->fds, FD_FOR_CLIENT) || !worker_has_ample_buffers(worker);
}

bool served_file_has_to_go(struct served_file *file, uint64_t taken_bytes)
{
    struct worker *worker = file->request.worker;
    return file_pace_judge(&file->pace, worker->env.file_crowd, taken_bytes,
                           worker_now_ms(worker)) &&
           clients_lack(worker);
}

void served_file_let_go(struct served_file **file_pointer)
{
    struct served_file *file = *file_pointer;
    *file_pointer = NULL;
    if (file == NULL) {
        return;
    }
    file_pace_end(&file->pace, file->request.worker->env.file_crowd);
    if (file->step == SERVED_REST) {
        served_file_end(file);
    } else {
        task_cancel(&file->task);
    }
}
