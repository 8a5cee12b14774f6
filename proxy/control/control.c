/* Start, signals, drain and end of the process. */
#include "config.h"

#include "proxy/control/control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pool/health.h"
#include "proxy/control/control_state.h"
#include "proxy/control/fleet_start.h"
#include "proxy/control/hashing.h"
#include "proxy/control/health_lines.h"
#include "proxy/control/maintenance_watch.h"
#include "proxy/control/names.h"
#include "proxy/control/operator_words.h"
#include "proxy/control/pid_file.h"
#include "proxy/control/process_bounds.h"
#include "proxy/control/reload.h"
#include "proxy/control/snapshots.h"
#include "proxy/control/sticky_key.h"
#include "proxy/control/tls_watch.h"
#include "proxy/control/tracing.h"
#include "proxy/control/upstream_tls.h"
#include "proxy/control/user.h"
#include "proxy/control/warm_save.h"
#include "proxy/policy/admission.h"
#include "proxy/upstream/h2_connection.h"
#include "proxy/upstream/h2_probe.h"
#include "steady/check.h"
#include "steady/rng.h"
#include "steady/task_pool.h"
#include "tls/scratch.h"
#include "tls/tickets.h"

/* A disk that hangs does not hold the end of the process up. */
#define FILE_STOP_MS 200
/* At the end, how long to wait for hashes that run. */
#define HASHING_STOP_MS 5000
#define HOUSEKEEPING_MS 250
/* At the end, how long to wait for answers of the admin listener in progress. */
#define CONTROL_FLUSH_MS 250

static void control_on_mail(evutil_socket_t fd, short what, void *arg);
static void control_on_housekeeping(evutil_socket_t fd, short what, void *arg);

uint64_t control_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t control_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- start ---- */

static bool control_start_log(struct control *control)
{
    enum log_result result =
        log_create(&control->generations.settings->log, control->generations.settings->worker_count,
                   &control->limits.registry, &control->log);
    if (result != LOG_OK) {
        fprintf(stderr, "evenkeel: log: %s: %s\n", log_result_name(result), strerror(errno));
        return false;
    }
    return true;
}

static uint64_t random_number(void)
{
    struct rng rng;
    rng_init_random(&rng);
    return rng_next(&rng);
}

static bool control_start_workers(struct control *control)
{
    control->workers.count = control->generations.settings->worker_count;
    control->workers.threads = calloc(control->workers.count, sizeof *control->workers.threads);
    control->workers.stats = calloc(control->workers.count, sizeof *control->workers.stats);
    control->routes.leftovers = admission_leftovers_create(&control->limits.registry);
    control->replica.tickets = tls_tickets_create(control_now_ms());
    const struct task_pool_env files = {"files",
                                        &control->limits.shared.file_tasks,
                                        FILE_THREADS_LIMIT,
                                        FILE_SPARE_THREADS_LIMIT,
                                        FILE_LANE_THREADS_LIMIT,
                                        FILE_LANE_TASKS_LIMIT};
    control->workers.files = task_pool_create(&files);
    control->pools = pools_create(control->workers.count, &control->limits.registry,
                                  &control->limits.shared.fds);
    control->probe.bufs = buf_pool_create(&control->limits.shared.buffers_bytes);
    control->probe.scratch = control->probe.bufs != NULL
                                 ? tls_scratch_create(control->probe.bufs, &control->probe.clock)
                                 : NULL;
    const struct health_env health = {control->loop.base, control->loop.mailbox, health_lines_say,
                                      control, control->probe.scratch};
    if (control->workers.threads == NULL || control->workers.stats == NULL ||
        control->workers.files == NULL || control->pools == NULL ||
        control->replica.tickets == NULL || control->routes.leftovers == NULL ||
        control->probe.scratch == NULL || !pools_start_health(control->pools, &health)) {
        log_error(control->log, "start: no memory");
        return false;
    }
    if (!sticky_key_begin(control) || !fleet_start(control)) {
        return false;
    }
    pools_set_http2(control->pools, &h2_connection_protocol);
    control->policy = (struct policy_env){control->log, control->workers.count};
    pools_set_probe_http2(control->pools, &h2_probe_speech);
    policy_accompany(control->pools, &control->policy);
    uint64_t strata_seed = random_number();
    for (unsigned i = 0; i < control->workers.count; i++) {
        const struct worker_env env = {.index = i,
                                       .worker_count = control->workers.count,
                                       .log = control->log,
                                       .bounds = &control->limits.shared,
                                       .pools = control->pools,
                                       .files = control->workers.files,
                                       .file_crowd = &control->workers.file_crowd,
                                       .control = control->loop.mailbox,
                                       .shared = &control->workers.shared,
                                       .strata_seed = strata_seed,
                                       .hashing = control->workers.hashing,
                                       .spans = tracing_rings(control),
                                       .held = takeover_pending(control)};
        enum worker_result result = worker_thread_create(&env, &control->workers.threads[i]);
        if (result != WORKER_OK) {
            log_error(control->log, "start: worker %u: %s", i, worker_result_name(result));
            return false;
        }
        control->workers.stats[i] = &control->workers.threads[i]->worker->stats;
    }
    return true;
}

static void control_overview(struct overview *ret_overview, void *owner)
{
    struct control *control = owner;
    *ret_overview = (struct overview){
        .version = PACKAGE_VERSION,
        .started_wall_ms = control->program.started_wall_ms,
        .started_ms = control->program.started_ms,
        .config_path = control->program.config_path,
        .settings = control->generations.settings,
        .generation =
            control->generations.present != NULL ? control->generations.present->number : 0,
        .generations_alive = bound_used(&control->limits.generations),
        .reloads_ok = control->reloads.ok_count,
        .reloads_failed = control->reloads.failed_count,
        .last_reload_wall_ms = control->reloads.last_wall_ms,
        .last_reload_ok = control->reloads.last_ok,
        .last_reload_error = control->reloads.last_error,
        .prewarming = control->generations.prewarm.generation != NULL
                          ? control->generations.prewarm.generation->upstreams
                          : NULL,
        .draining = control->drain.stage != DRAIN_SERVING,
        .warm = &control->warm.figures,
        .upgrade = &control->upgrade.figures,
        .readiness = &control->readiness.readiness,
        .drain_stage = drain_stage_name(control->drain.stage),
        .drain_left_ms = drain_left_ms(control),
        .silence_ms = heartbeat_silence_ms(control),
        .worker_count = control->workers.count,
        .workers = control->workers.stats,
        .tls = control->generations.present != NULL ? control->generations.present->tls : NULL,
        .maintenance = control->generations.maintenance.words,
        .said = &control->replica.said,
        .routes = control->routes.items,
        .route_count = control->routes.count,
        .tls_files = &control->reloads.tls_files,
        .registry = &control->limits.registry,
        .drift = control->limits.drift.book,
        .fleet = control->replica.fleet,
        .pools = control->pools,
        .resolver = control->names.resolver,
        .wrong_tokens_count = admin_wrong_tokens(control->admin),
        .traces = tracing_figures(control),
        .name_adoptions = control->names.adoptions,
        .log = control->log,
        .memory_budget_bytes = control->limits.memory_budget_bytes,
        .memory_share = control->limits.memory.share,
        .pressure = &control->limits.memory.pressure,
    };
}

static void control_admin_drain(void *owner)
{
    drain_begin(owner, "asked by POST /drain", false);
}

/* It is to outlive this process, even one that is killed. */
static void control_admin_said(const struct operator_word *word, void *owner)
{
    struct control *control = owner;
    operator_words_here(control, word);
    fleet_say(control->replica.fleet, word);
    maintenance_watch_apply(control);
    warm_save_word(owner);
    upgrade_on_word(owner);
}

static bool control_admin_spreads(void *owner)
{
    const struct control *control = owner;
    return fleet_spreads(control->replica.fleet);
}

static const char *control_admin_reload(void *owner)
{
    return reload_request(owner);
}

static bool control_start_admin(struct control *control)
{
    const struct admin_env env = {.base = control->loop.base,
                                  .registry = &control->limits.registry,
                                  .overview = control_overview,
                                  .drain = control_admin_drain,
                                  .reload = control_admin_reload,
                                  .snapshot = snapshots_begin,
                                  .said = control_admin_said,
                                  .spreads = control_admin_spreads,
                                  .owner = control};
    enum admin_result result =
        admin_create(&control->generations.settings->admin, &control->inherited,
                     takeover_pending(control), &env, &control->admin);
    if (result != ADMIN_OK) {
        log_error(control->log, "admin listener %s: %s: %s",
                  control->generations.settings->admin.listen_text, admin_result_name(result),
                  strerror(result == ADMIN_CANNOT_BIND ? errno : ENOMEM));
        return false;
    }
    return true;
}

static bool control_write_pid(struct control *control)
{
    const char *path = control->generations.settings->pid_file;
    if (path[0] == '\0') {
        return true;
    }
    control->program.pid_path = strdup(path);
    if (control->program.pid_path == NULL ||
        (!takeover_pending(control) && !pid_file_write(path))) {
        log_error(control->log, "pid_file %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static bool control_drop_user(struct control *control)
{
    const char *name = control->generations.settings->user;
    if (name[0] == '\0') {
        return true;
    }
    struct user user;
    if (!user_find(name, &user)) {
        log_error(control->log, "user %s: %s", name, user_error());
        return false;
    }
    if (user_is_present(&user)) {
        return true;
    }
    log_give_files(control->log, user.uid);
    if (!user_become(&user)) {
        log_error(control->log, "user %s: %s", name, user_error());
        return false;
    }
    return true;
}

static bool control_start_loop(struct control *control)
{
    control->loop.base = event_base_new();
    if (control->loop.base == NULL || mailbox_create(&control->loop.mailbox) != MAILBOX_OK) {
        fprintf(stderr, "evenkeel: no file descriptors are available\n");
        return false;
    }
    control->loop.mail_event = event_new(control->loop.base, mailbox_fd(control->loop.mailbox),
                                         EV_READ | EV_PERSIST, control_on_mail, control);
    control->loop.housekeeping =
        event_new(control->loop.base, -1, EV_PERSIST, control_on_housekeeping, control);
    const struct timeval period = {HOUSEKEEPING_MS / 1000, HOUSEKEEPING_MS % 1000 * 1000};
    if (control->loop.mail_event == NULL || control->loop.housekeeping == NULL ||
        !drain_init(control) || !takeover_start(control) ||
        event_add(control->loop.mail_event, NULL) != 0 ||
        event_add(control->loop.housekeeping, &period) != 0) {
        return false;
    }
    return signals_listen(control);
}

/* Only the control thread gets signals: every other thread is started with all of them blocked. */
static bool control_start_threads(struct control *control)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = true;
    for (unsigned i = 0; i < control->workers.count && started; i++) {
        started = worker_thread_start(control->workers.threads[i]) == WORKER_OK;
    }
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        log_error(control->log, "start: cannot start a thread: %s", strerror(why));
    }
    return started;
}

static void control_on_left_over(const struct address *address, void *owner)
{
    const struct control *control = owner;
    char text[ADDRESS_TEXT_BYTES];
    address_format(&address->any, text);
    log_warn(control->log, "inherited socket %s belongs to no listener: closed", text);
}

static bool control_start_everything(struct control *control)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool logging = control_start_log(control);
    control->generations.maintenance.words = maintenance_create();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!logging || control->generations.maintenance.words == NULL ||
        !control_start_loop(control) || !hashing_start(control) || !tracing_create(control) ||
        !control_start_workers(control) || !warm_open(control) || !names_start(control) ||
        !control_start_admin(control) || !names_await_first(control) ||
        !fleet_await_first(control) || !reload_first(control)) {
        return false;
    }
    warm_restore_rest(control);
    inherited_close(&control->inherited, control_on_left_over, control);
    return control_write_pid(control) && control_drop_user(control) &&
           control_start_threads(control) && heartbeat_start(control) &&
           readiness_watch_start(control) && warm_save_start(control) &&
           drift_watch_start(control) && memory_watch_start(control);
}

/* ---- end ---- */

/* Workers send each other messages until the end, so messages on their way are delivered before any worker is freed. */
static void control_settle(struct control *control)
{
    uint64_t delivered_count;
    do {
        delivered_count = 0;
        for (unsigned i = 0; control->workers.threads != NULL && i < control->workers.count; i++) {
            if (control->workers.threads[i] != NULL) {
                delivered_count += worker_thread_settle(control->workers.threads[i]);
            }
        }
    } while (delivered_count > 0);
}

static void control_stop_workers(struct control *control)
{
    struct control_workers *workers = &control->workers;
    for (unsigned i = 0; workers->threads != NULL && i < workers->count; i++) {
        if (workers->threads[i] != NULL) {
            worker_thread_stop(workers->threads[i]);
        }
    }
    warm_save_finish(control);
    if (control->workers.files != NULL && !task_pool_stop(control->workers.files, FILE_STOP_MS)) {
        log_warn(control->log, "files: a disk still hangs");
        control->workers.hangs = true;
    }
    if (workers->hashing != NULL && !task_pool_stop(workers->hashing, HASHING_STOP_MS)) {
        log_warn(control->log, "stop: a hash of a password takes longer than %d ms",
                 HASHING_STOP_MS);
    }
    control_settle(control);
    task_pool_free(&control->workers.files);
    /* answers that were on their way */
    if (control->loop.mailbox != NULL) {
        mailbox_drain(control->loop.mailbox, control);
    }
    for (unsigned i = 0; workers->threads != NULL && i < workers->count; i++) {
        worker_thread_free(&workers->threads[i]);
    }
    task_pool_free(&workers->hashing);
    /* reports about endpoints from the last exchanges of the workers */
    if (control->loop.mailbox != NULL) {
        mailbox_drain(control->loop.mailbox, control);
    }
}

static void control_free_loop(struct control_loop *loop)
{
    struct event *const events[] = {loop->mail_event, loop->housekeeping};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    mailbox_free(loop->mailbox);
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
}

static void control_stop(struct control *control)
{
    control_stop_workers(control);
    snapshots_free(control);
    heartbeat_free(control);
    drain_free(control);
    readiness_watch_free(control);
    fleet_free(&control->replica.fleet);
    drift_watch_free(control);
    memory_watch_free(control);
    warm_save_free(control);
    warm_free(control);
    tracing_free(control);
    admin_free(&control->admin);
    names_stop(control);
    reload_free(control);
    maintenance_watch_free(control);
    operator_book_release(&control->replica.said);
    pools_free(&control->pools);
    tls_scratch_free(&control->probe.scratch);
    buf_pool_free(control->probe.bufs);
    tls_tickets_free(&control->replica.tickets);
    if (control->program.pid_path != NULL) {
        pid_file_remove(control->program.pid_path);
        free(control->program.pid_path);
    }
    log_free(&control->log);
    /* The last visible act: the old process kills this one when the channel of an upgrade is closed. */
    takeover_free(control);
    settings_put(&control->generations.settings);
    signals_free(&control->signals);
    control_free_loop(&control->loop);
    free(control->workers.threads);
    free(control->workers.stats);
    notifier_close(&control->notifier);
}

int control_run(const struct control_start *start)
{
    struct control control = {
        .program = {.argv = start->argv,
                    .config_path = start->config_path,
                    .started_ms = control_now_ms(),
                    .started_wall_ms = control_wall_ms()},
        .generations = {.settings = start->settings},
        .reloads = {.last_error = ""},
        .upgrade = {.channel = -1, .figures.last_error = ""},
    };
    signal(SIGPIPE, SIG_IGN);
    TAILQ_INIT(&control.listeners);
    notifier_open(&control.notifier);
    inherited_from_environment(&control.inherited);
    ssize_t path_bytes =
        readlink("/proc/self/exe", control.program.path, sizeof control.program.path - 1);
    control.program.path[path_bytes > 0 ? path_bytes : 0] = '\0';
    process_bounds_init(&control);
    bool started = takeover_open(&control) && control_start_everything(&control);
    if (started) {
        log_event(control.log, EVENT_PROCESS, LOG_LEVEL_INFO,
                  "evenkeel %s: %u workers, generation 1, %zu listeners, %zu upstreams",
                  PACKAGE_VERSION, control.workers.count,
                  control.generations.settings->listener_count,
                  control.generations.settings->upstream_count);
        if (start->on_ready != NULL) {
            start->on_ready(start->owner);
        }
        event_base_loop(control.loop.base, 0);
    }
    tracing_flush(&control);
    if (started || control.drain.stage != DRAIN_SERVING) {
        admin_flush(control.admin, CONTROL_FLUSH_MS);
    }
    /* unless it was told to end meanwhile */
    bool failed = control.takeover.failed || (!started && control.drain.stage == DRAIN_SERVING);
    int status = failed ? 1 : control.drain.cut ? CONTROL_EXIT_CUT : 0;
    upgrade_abort(&control, "this process ends");
    control_stop(&control);
    if (control.workers.hangs) {
        _exit(status); /* what runs at an exit may wait for every thread, as leak checkers do */
    }
    return status;
}

/* ---- while it runs ---- */

static void control_on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    mailbox_drain(control->loop.mailbox, control);
}

static void control_on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    (void)fd;
    (void)what;
    loop_clock_expire(&control->probe.clock);
    fleet_housekeeping(control->replica.fleet, control_now_ms());
    tls_tickets_rotate(control->replica.tickets,
                       control->generations.settings->tls_tickets.rotate_ms, control_now_ms());
    upstream_tls_housekeeping(control);
    reload_housekeeping(control);
    maintenance_watch_housekeeping(control);
    warm_save_housekeeping(control);
    tls_watch_step(control);
    trouble_look(control);
}
