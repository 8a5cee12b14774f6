/* A task that loads settings, and says what it waits for. */
#include "proxy/control/config_read.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reading.h"
#include "proxy/control/control_state.h"
#include "steady/check.h"
#include "steady/container_of.h"
#include "steady/hash.h"
#include "steady/task_pool.h"

/* One file takes longer only if its disk hangs. */
#define FILE_HANGS_MS 2000
/* Between two files: for a thread, to check what was read, or to look up a user. */
#define READ_HANGS_MS 30000
#define PATH_BYTES 400

struct config_read {
    struct task task;
    struct config_read_env env;
    char *config_path;
    /* of the task until it is done */
    struct settings *settings;
    struct settings_messages messages;
    enum settings_result result;
    pthread_mutex_t lock;  /* of the rest */
    char path[PATH_BYTES]; /* that is being read; "": none */
    uint64_t since_ms;
};

static void destroy(struct config_read *read)
{
    settings_put(&read->settings);
    settings_messages_free(&read->messages);
    pthread_mutex_destroy(&read->lock);
    free(read->config_path);
    free(read);
}

/* ---- on a thread of the pool ---- */

static void note_path(const char *path, void *owner)
{
    struct config_read *read = owner;
    pthread_mutex_lock(&read->lock);
    snprintf(read->path, sizeof read->path, "%s", path != NULL ? path : "");
    read->since_ms = control_now_ms();
    pthread_mutex_unlock(&read->lock);
}

static void run(struct task *task)
{
    struct config_read *read = container_of(task, struct config_read, task);
    const struct settings_reading reading = {note_path, read};
    read->result =
        settings_load_told(read->config_path, &reading, &read->settings, &read->messages);
}

/* ---- on control ---- */

static void on_done(struct task *task)
{
    const struct config_read *read = container_of(task, struct config_read, task);
    read->env.done(read->env.owner);
}

static void on_dropped(struct task *task)
{
    destroy(container_of(task, struct config_read, task));
}

struct config_read *config_read_begin(const char *path, const struct config_read_env *env)
{
    struct config_read *read = calloc(1, sizeof *read);
    if (read == NULL) {
        return NULL;
    }
    pthread_mutex_init(&read->lock, NULL);
    read->env = *env;
    read->task = (struct task){.run = run, .done = on_done, .dropped = on_dropped};
    read->since_ms = control_now_ms();
    read->config_path = strdup(path);
    uint64_t lane = hash_bytes(0, path, strlen(path));
    if (read->config_path == NULL ||
        task_submit_on(env->pool, &read->task, lane, env->home) != TASK_OK) {
        destroy(read);
        return NULL;
    }
    return read;
}

bool config_read_hangs(struct config_read *read, uint64_t now_ms, char *why, size_t why_bytes)
{
    pthread_mutex_lock(&read->lock);
    bool reads = read->path[0] != '\0';
    uint64_t waited_ms = now_ms > read->since_ms ? now_ms - read->since_ms : 0;
    bool hangs = waited_ms >= (reads ? FILE_HANGS_MS : READ_HANGS_MS);
    snprintf(why, why_bytes, "%s: %s", reads ? read->path : read->config_path,
             reads ? "its disk hangs" : "it cannot be read in time");
    pthread_mutex_unlock(&read->lock);
    return hangs;
}

enum settings_result config_read_take(struct config_read **read_pointer,
                                      struct settings **ret_settings,
                                      struct settings_messages *ret_messages)
{
    struct config_read *read = *read_pointer;
    enum settings_result result = read->result;
    CHECK(!task_submitted(&read->task));
    *read_pointer = NULL;
    *ret_settings = read->settings;
    *ret_messages = read->messages;
    read->settings = NULL;
    read->messages = (struct settings_messages){0};
    destroy(read);
    return result;
}

void config_read_leave(struct config_read **read_pointer)
{
    struct config_read *read = *read_pointer;
    *read_pointer = NULL;
    if (read != NULL) {
        task_cancel(&read->task);
    }
}
