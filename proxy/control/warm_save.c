/* A task for each file that is written. */
#include "proxy/control/warm_save.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/drain.h"
#include "proxy/control/warm.h"
#include "steady/container_of.h"
#include "steady/hash.h"
#include "steady/task_pool.h"
#include "steady/timed_wait.h"

/* A save that takes so long is told of. */
#define SAVE_HANGS_MS 10000
#define WORD_WAIT_MS 100
#define END_WAIT_MS 1000
#define OWNER_BYTES 96
/* Disks that hang, and that reloads have left. */
#define WRITINGS_MOST 8

/* One file that is being written. */
struct writing {
    struct task task;
    struct control *control;
    struct warm_saver *saver;
    char *path;
    char owner[OWNER_BYTES];
    uint8_t *bytes;
    size_t length;
    struct warm_terms terms;
    uint64_t since_ms;
    bool told; /* that it hangs */
    /* of the task until it is over */
    enum warm_result result;
    int why;   /* errno */
    bool over; /* under the saver's lock */
};

struct warm_saver {
    struct event *timer;
    struct writing *writing; /* the last one until it is done; NULL: none */
    size_t writing_count;    /* more than one only where a reload left a disk that hangs */
    bool again;              /* it is followed by another one */
    pthread_mutex_t lock;
    pthread_cond_t over;
};

static void writing_free(struct writing *writing)
{
    free(writing->path);
    free(writing->bytes);
    free(writing);
}

/* ---- on a thread of the pool ---- */

static void run(struct task *task)
{
    struct writing *writing = container_of(task, struct writing, task);
    struct warm_saver *saver = writing->saver;
    writing->result =
        warm_save(writing->path, writing->owner, writing->bytes, writing->length, &writing->terms);
    writing->why = errno;
    pthread_mutex_lock(&saver->lock);
    writing->over = true;
    pthread_cond_signal(&saver->over);
    pthread_mutex_unlock(&saver->lock);
}

/* ---- on control ---- */

static void tell_failed(struct control *control, const char *path, enum warm_result result, int why)
{
    bool system = result == WARM_UNWRITABLE;
    log_error(control->log, "warm state %s: %s%s%s", path, warm_result_words(result),
              system ? ": " : "", system ? strerror(why) : "");
}

static void leave(struct writing *writing)
{
    if (writing->saver->writing == writing) {
        writing->saver->writing = NULL;
    }
    writing->saver->writing_count--;
    writing_free(writing);
}

/* The state of a process that has handed over is the next one's to save. */
static bool is_due_again(const struct control *control)
{
    return control->warm.saver->again && !control->drain.handed_over;
}

static void on_done(struct task *task)
{
    struct writing *writing = container_of(task, struct writing, task);
    struct control *control = writing->control;
    struct warm_figures *figures = &control->warm.figures;
    struct warm_saver *saver = control->warm.saver;
    if (writing->told) {
        log_info(control->log, "warm state %s: its disk answers again", writing->path);
    }
    if (writing->result == WARM_OK) {
        figures->saves_ok++;
        figures->saved_wall_ms = writing->terms.wall_ms;
        figures->saved_bytes = writing->length;
    } else {
        figures->saves_failed += !writing->told; /* else it was counted then */
        tell_failed(control, writing->path, writing->result, writing->why);
    }
    leave(writing);
    if (is_due_again(control) && saver->writing == NULL) {
        warm_save_now(control);
    }
}

/* By a pool that stops. */
static void on_dropped(struct task *task)
{
    leave(container_of(task, struct writing, task));
}

/* In a shared directory: this host, and what distinguishes two processes of one host and stays the same over restarts. */
static void owner_of(const struct control *control, char owner[OWNER_BYTES])
{
    char host[64] = "";
    const char *listen = control->generations.settings->admin.listen_text;
    const char *config = control->program.config_path != NULL ? control->program.config_path : "";
    gethostname(host, sizeof host - 1);
    for (char *byte = host; *byte != '\0'; byte++) {
        *byte = (char)(isalnum((unsigned char)*byte) ? *byte : '-');
    }
    uint64_t which = hash_bytes(hash_bytes(0, listen, strlen(listen)), config, strlen(config));
    snprintf(owner, OWNER_BYTES, "%s-%08" PRIx32, host, (uint32_t)which);
}

/* NULL: no memory. */
static struct writing *writing_create(struct control *control, const char *path)
{
    struct writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        return NULL;
    }
    *writing = (struct writing){
        .task = {.run = run, .done = on_done, .dropped = on_dropped},
        .control = control,
        .saver = control->warm.saver,
        .path = strdup(path),
        .terms = {.wall_ms = control_wall_ms(),
                  .max_age_ms = control->generations.settings->warm_state.max_age_ms},
        .since_ms = control_now_ms(),
    };
    owner_of(control, writing->owner);
    const struct warm *warm = &control->warm;
    if (writing->path == NULL ||
        !warm_make(control, warm->sealed ? &warm->key : NULL, &writing->bytes, &writing->length)) {
        writing_free(writing);
        return NULL;
    }
    return writing;
}

/* Nothing is being written; what is over may not have come home yet. Waits so long for that. */
static bool is_quiet(struct warm_saver *saver, const struct timespec *until)
{
    int error = 0;
    pthread_mutex_lock(&saver->lock);
    while (saver->writing != NULL && !saver->writing->over && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&saver->over, &saver->lock, until);
    }
    bool quiet = saver->writing == NULL || saver->writing->over;
    pthread_mutex_unlock(&saver->lock);
    return quiet;
}

static void begin(struct control *control, const char *path)
{
    struct warm_saver *saver = control->warm.saver;
    struct writing *writing = writing_create(control, path);
    uint64_t lane = hash_bytes(0, path, strlen(path));
    saver->again = false;
    if (writing == NULL) {
        control->warm.figures.saves_failed++;
        tell_failed(control, path, WARM_NO_MEMORY, 0);
        return;
    }
    saver->writing = writing;
    saver->writing_count++;
    if (task_submit_on(control->workers.files, &writing->task, lane, control->loop.mailbox) !=
        TASK_OK) {
        leave(writing);
    }
}

static void save(struct control *control, const struct timespec *until)
{
    struct warm_saver *saver = control->warm.saver;
    const char *path = control->generations.settings->warm_state.path;
    if (path[0] == '\0' || saver == NULL) {
        return;
    }
    if (is_quiet(saver, until) ||
        (strcmp(saver->writing->path, path) != 0 && saver->writing_count < WRITINGS_MOST)) {
        begin(control, path);
    } else {
        saver->again = true;
    }
}

void warm_save_now(struct control *control)
{
    const struct timespec until = timed_wait_until(0);
    save(control, &until);
}

static bool is_warm(const struct control *control)
{
    return control->drain.stage == DRAIN_SERVING &&
           readiness_is_ready(&control->readiness.readiness);
}

void warm_save_word(struct control *control)
{
    struct warm_saver *saver = control->warm.saver;
    if (!is_warm(control) || saver == NULL) {
        return;
    }
    bool hangs = saver->writing != NULL && saver->writing->told;
    const struct timespec until = timed_wait_until(hangs ? 0 : WORD_WAIT_MS);
    save(control, &until);
    (void)is_quiet(saver, &until);
}

void warm_save_finish(struct control *control)
{
    struct warm_saver *saver = control->warm.saver;
    if (saver == NULL) {
        return;
    }
    uint64_t forced_ms = drain_forced_ms(control);
    const struct timespec until =
        timed_wait_until(forced_ms / 4 < END_WAIT_MS ? forced_ms / 4 : END_WAIT_MS);
    if (is_quiet(saver, &until) && is_due_again(control)) {
        save(control, &until);
    }
    if (!is_quiet(saver, &until)) {
        log_error(control->log, "warm state %s: its disk hangs: what was saved last stays",
                  saver->writing->path);
    }
    saver->again = false; /* what comes home from now on finds no pool to go on with */
}

/* ---- now and then ---- */

void warm_save_housekeeping(struct control *control)
{
    const struct timespec until = timed_wait_until(0);
    struct warm_saver *saver = control->warm.saver;
    struct writing *writing = saver != NULL ? saver->writing : NULL;
    if (writing != NULL && !writing->told && !is_quiet(saver, &until) &&
        control_now_ms() - writing->since_ms >= SAVE_HANGS_MS) {
        writing->told = true;
        control->warm.figures.saves_failed++;
        log_error(control->log, "warm state %s: its disk hangs", writing->path);
    }
}

static void arm(struct control *control)
{
    uint64_t interval_ms = control->generations.settings->warm_state.interval_ms;
    const struct timeval next = {(time_t)(interval_ms / 1000),
                                 (suseconds_t)(interval_ms % 1000) * 1000};
    event_add(control->warm.saver->timer, &next);
}

/* What a process that is not warm yet knows must not replace what a warm one knew. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    if (is_warm(control)) {
        warm_save_now(control);
    }
    arm(control);
}

bool warm_save_start(struct control *control)
{
    struct warm_saver *saver = calloc(1, sizeof *saver);
    if (saver == NULL) {
        return false;
    }
    control->warm.saver = saver;
    pthread_mutex_init(&saver->lock, NULL);
    timed_wait_init(&saver->over);
    saver->timer = event_new(control->loop.base, -1, 0, on_timer, control);
    if (saver->timer != NULL) {
        arm(control);
    }
    return saver->timer != NULL;
}

void warm_save_free(struct control *control)
{
    struct warm_saver *saver = control->warm.saver;
    control->warm.saver = NULL;
    if (saver == NULL) {
        return;
    }
    if (saver->timer != NULL) {
        event_free(saver->timer);
    }
    if (saver->writing_count == 0) { /* else a task hangs, and will look at it */
        pthread_cond_destroy(&saver->over);
        pthread_mutex_destroy(&saver->lock);
        free(saver);
    }
}
