/* Collects what workers tell of themselves. */
#include "proxy/control/snapshots.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin/snapshot.h"
#include "proxy/client/client_census.h"
#include "proxy/control/control_state.h"

/* How long workers have to answer. One that is busy answers within milliseconds. */
#define SNAPSHOT_WAIT_MS 1000
/* Threads that are looked through for that of a stuck worker. */
#define THREADS_MOST 1024

/* `census` belongs to the worker while it is asked. */
struct snapshot_ask {
    struct census *census; /* NULL: no memory, or no snapshot is being collected */
    bool asked;
    bool answered; /* to the snapshot that is being collected */
};

struct snapshots {
    struct event *timer; /* pending while a snapshot is being collected */
    uint64_t began_ms;
    struct snapshot_ask *asks; /* of each worker */
};

static void snapshots_on_answer(struct message *message, void *receiver);
static void snapshots_on_timer(evutil_socket_t fd, short what, void *arg);

/* ---- stuck workers ---- */

static bool read_line(const char *thread, const char *file, char *line, size_t line_bytes)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%.16s/%s", thread, file);
    FILE *from = fopen(path, "re");
    bool read = from != NULL && fgets(line, (int)line_bytes, from) != NULL;
    if (from != NULL) {
        fclose(from);
    }
    return read;
}

static bool is_named(const char *thread, const char *name)
{
    char line[32];
    if (!read_line(thread, "comm", line, sizeof line)) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return strcmp(line, name) == 0;
}

/* The letter behind the name in parentheses (proc(5)). */
static char state_of(const char *thread)
{
    char line[256];
    if (!read_line(thread, "stat", line, sizeof line)) {
        return '\0';
    }
    const char *end = strrchr(line, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

static char thread_state(unsigned index)
{
    char name[24], state = '\0';
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *thread;
    snprintf(name, sizeof name, "worker %u", index);
    for (unsigned i = 0; threads != NULL && state == '\0' && i < THREADS_MOST &&
                         (thread = readdir(threads)) != NULL;
         i++) {
        state = is_named(thread->d_name, name) ? state_of(thread->d_name) : '\0';
    }
    if (threads != NULL) {
        closedir(threads);
    }
    return state;
}

/* ---- the end of a snapshot ---- */

static void describe_worker(const struct control *control, unsigned index,
                            struct snapshot_worker *ret_worker)
{
    const struct snapshot_ask *ask = &control->workers.snapshots->asks[index];
    uint64_t silence_ms = control_now_ms() - control->heartbeat.workers[index].answered_ms;
    *ret_worker = (struct snapshot_worker){
        .census = ask->answered ? ask->census : NULL,
        .heartbeat_wall_ms = control_wall_ms() - silence_ms,
        .silence_ms = silence_ms,
        .thread_state = ask->answered ? '\0' : thread_state(index),
    };
}

static void snapshots_answer(const struct control *control)
{
    unsigned count = control->workers.count;
    struct snapshot_worker *workers = calloc(count > 0 ? count : 1, sizeof *workers);
    const struct snapshot snapshot = {.taken_wall_ms = control_wall_ms(),
                                      .took_ms =
                                          control_now_ms() - control->workers.snapshots->began_ms,
                                      .workers = workers,
                                      .worker_count = workers != NULL ? count : 0};
    for (unsigned i = 0; i < snapshot.worker_count; i++) {
        describe_worker(control, i, &workers[i]);
    }
    admin_answer_snapshot(control->admin, workers != NULL ? &snapshot : NULL);
    free(workers);
}

static void ask_release(struct snapshot_ask *ask)
{
    if (!ask->asked) {
        free(ask->census);
        ask->census = NULL;
    }
}

static void snapshots_finish(struct control *control)
{
    event_del(control->workers.snapshots->timer);
    snapshots_answer(control);
    for (unsigned i = 0; i < control->workers.count; i++) {
        ask_release(&control->workers.snapshots->asks[i]);
    }
}

static bool snapshots_collecting(const struct control *control)
{
    return evtimer_pending(control->workers.snapshots->timer, NULL) != 0;
}

static void snapshots_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    snapshots_finish(arg);
}

/* ---- its beginning ---- */

/* One that has not answered the last snapshot yet is not asked again: what it says then is as good. */
static void ask_worker(struct control *control, unsigned index)
{
    struct snapshot_ask *ask = &control->workers.snapshots->asks[index];
    ask->answered = false;
    if (ask->asked) {
        return;
    }
    ask->census = calloc(1, sizeof *ask->census);
    if (ask->census != NULL) {
        ask->asked = true;
        worker_thread_census(control->workers.threads[index], ask->census, snapshots_on_answer);
    }
}

static void snapshots_on_answer(struct message *message, void *receiver)
{
    struct control *control = receiver;
    struct snapshots *snapshots = control->workers.snapshots;
    struct snapshot_ask *ask = &snapshots->asks[worker_thread_of(message)->worker->env.index];
    bool all = true;
    ask->asked = false;
    if (!snapshots_collecting(control)) {
        ask_release(ask);
        return;
    }
    ask->answered = true;
    for (unsigned i = 0; i < control->workers.count; i++) {
        all = all && snapshots->asks[i].answered;
    }
    if (all) {
        snapshots_finish(control);
    }
}

/* NULL: no memory. */
static struct snapshots *snapshots_create(struct control *control)
{
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    if (snapshots == NULL) {
        return NULL;
    }
    control->workers.snapshots = snapshots;
    snapshots->asks = calloc(control->workers.count, sizeof *snapshots->asks);
    snapshots->timer = evtimer_new(control->loop.base, snapshots_on_timer, control);
    if (snapshots->asks == NULL || snapshots->timer == NULL) {
        snapshots_free(control);
    }
    return control->workers.snapshots;
}

bool snapshots_begin(void *owner)
{
    const struct timeval wait = {.tv_sec = SNAPSHOT_WAIT_MS / 1000};
    struct control *control = owner;
    if (control->workers.snapshots == NULL && snapshots_create(control) == NULL) {
        return false;
    }
    if (snapshots_collecting(control)) {
        return true;
    }
    control->workers.snapshots->began_ms = control_now_ms();
    event_add(control->workers.snapshots->timer, &wait);
    for (unsigned i = 0; i < control->workers.count; i++) {
        ask_worker(control, i);
    }
    return true;
}

void snapshots_free(struct control *control)
{
    struct snapshots *snapshots = control->workers.snapshots;
    if (snapshots == NULL) {
        return;
    }
    for (unsigned i = 0; snapshots->asks != NULL && i < control->workers.count; i++) {
        free(snapshots->asks[i].census);
    }
    if (snapshots->timer != NULL) {
        event_free(snapshots->timer);
    }
    free(snapshots->asks);
    free(snapshots);
    control->workers.snapshots = NULL;
}
