/* Starts the new program and hands over to it. */
#include "proxy/control/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/upgrade_wire.h"
#include "steady/check.h"

/* How often to check whether the new process still lives, and is in time. */
#define LOOK_MS 50

static void upgrade_on_heard(evutil_socket_t fd, short what, void *arg);
static void upgrade_on_look(evutil_socket_t fd, short what, void *arg);

/* ---- the end of it, either way ---- */

static void upgrade_release(struct upgrade *upgrade)
{
    struct event **events[] = {&upgrade->heard, &upgrade->look};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (*events[i] != NULL) {
            event_free(*events[i]);
            *events[i] = NULL;
        }
    }
    if (upgrade->channel >= 0) {
        close(upgrade->channel);
    }
    upgrade->channel = -1;
    upgrade->figures.pid = 0;
    upgrade->taking = false;
}

void upgrade_abort(struct control *control, const char *why)
{
    struct upgrade *upgrade = &control->upgrade;
    if (upgrade->figures.pid == 0) {
        return;
    }
    siginfo_t end = {.si_code = 0};
    kill(upgrade->figures.pid, SIGKILL); /* nothing, if it has ended by itself */
    while (waitid(P_PID, (id_t)upgrade->figures.pid, &end, WEXITED) != 0 && errno == EINTR) {
    }
    log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_ERROR,
              "upgrade: %s: process %ld (%s %d) is ended, this process continues", why,
              (long)upgrade->figures.pid, end.si_code == CLD_EXITED ? "exit status" : "signal",
              end.si_status);
    upgrade->figures.failed_count++;
    upgrade->figures.last_error = why;
    upgrade_release(upgrade);
}

static void upgrade_succeed(struct control *control)
{
    struct upgrade *upgrade = &control->upgrade;
    char why[64];
    snprintf(why, sizeof why, "process %ld serves from now on", (long)upgrade->figures.pid);
    upgrade->figures.last_error = "";
    admin_hand_over(control->admin);
    notify_main_pid(&control->notifier, upgrade->figures.pid);
    control->notifier.muted = true;
    /* if the message cannot be sent, the end of the channel says the same */
    (void)!upgrade_send(upgrade->channel, UPGRADE_DONE, NULL, 0);
    upgrade_release(upgrade);
    drain_begin(control, why, true);
}

/* ---- what it is sent ---- */

/* In memory, never on a disk. */
static bool send_warm(struct control *control, int channel, enum upgrade_message message)
{
    uint8_t *bytes;
    size_t length, written = 0;
    if (!warm_snapshot(control, &bytes, &length)) {
        return false;
    }
    int fd = memfd_create("evenkeel-warm", MFD_CLOEXEC);
    while (fd >= 0 && written < length) {
        ssize_t n = write(fd, bytes + written, length - written);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    bool sent = fd >= 0 && written == length && upgrade_send(channel, message, &fd, 1);
    free(bytes);
    if (fd >= 0) {
        close(fd);
    }
    return sent;
}

/* Says what the operator has said since the new process was sent everything, and lets it take over. */
static bool upgrade_let_take(struct control *control, int channel)
{
    struct upgrade *upgrade = &control->upgrade;
    if (upgrade->said && !send_warm(control, channel, UPGRADE_WORD)) {
        return false;
    }
    upgrade->said = false;
    return upgrade_send(channel, UPGRADE_TAKE, NULL, 0);
}

/* ---- while it warms up ---- */

static void upgrade_on_heard(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    enum upgrade_message message;
    int fds[UPGRADE_FDS];
    size_t fd_count;
    (void)what;
    enum upgrade_receipt receipt = upgrade_receive(fd, 0, &message, fds, &fd_count);
    if (receipt == UPGRADE_NOTHING_YET) {
        return;
    }
    for (size_t i = 0; receipt == UPGRADE_RECEIVED && i < fd_count; i++) {
        close(fds[i]);
    }
    if (receipt == UPGRADE_GONE) {
        upgrade_abort(control, "the new process has ended");
    } else if (message == UPGRADE_READY && !control->upgrade.taking) {
        log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_INFO, "upgrade: process %ld is ready",
                  (long)control->upgrade.figures.pid);
        control->upgrade.taking = upgrade_let_take(control, fd);
        if (!control->upgrade.taking) {
            upgrade_abort(control, "the new process does not take messages");
        }
    } else if (message == UPGRADE_SERVING && control->upgrade.taking) {
        upgrade_succeed(control);
    } else {
        upgrade_abort(control, "the new process has sent an invalid message");
    }
}

/* A program that does not know the channel can end, or hang, without a message. */
static void upgrade_on_look(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    const struct upgrade *upgrade = &control->upgrade;
    siginfo_t ended = {.si_pid = 0};
    (void)fd;
    (void)what;
    if (waitid(P_PID, (id_t)upgrade->figures.pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        ended.si_pid != 0) {
        upgrade_abort(control, "the new process has ended");
    } else if (control_now_ms() - upgrade->since_ms >
               control->generations.settings->upgrade.ready_within_ms) {
        upgrade_abort(control, "the new process did not become ready within upgrade.ready_within");
    }
}

/* ---- the start ---- */

/* Listening sockets to be sent, as many in a message as fit. */
struct socket_sender {
    int channel;
    enum upgrade_message message;
    int fds[UPGRADE_FDS];
    size_t count;
};

static bool sender_flush(struct socket_sender *sender)
{
    size_t count = sender->count;
    sender->count = 0;
    return count == 0 || upgrade_send(sender->channel, sender->message, sender->fds, count);
}

static bool sender_add(struct socket_sender *sender, int fd)
{
    sender->fds[sender->count++] = fd;
    return sender->count < UPGRADE_FDS || sender_flush(sender);
}

static bool sender_add_listener(struct socket_sender *sender, const struct listener *listener)
{
    /* duplicates of a socket would be the same socket for the new process */
    for (unsigned i = 0; i < listener->socket_count; i++) {
        if (!sender_add(sender, listener->fds[i])) {
            return false;
        }
    }
    return true;
}

static bool send_listeners(const struct control *control, int channel, bool shared)
{
    struct socket_sender sender = {.channel = channel,
                                   .message = shared ? UPGRADE_SHARED_SOCKETS : UPGRADE_SOCKETS};
    const struct listener *listener;
    if (!shared && !sender_add(&sender, admin_fd(control->admin))) {
        return false;
    }
    TAILQ_FOREACH (listener, &control->listeners, link) {
        if (listener->shared == shared && !sender_add_listener(&sender, listener)) {
            return false;
        }
    }
    return sender_flush(&sender);
}

static bool send_sockets(const struct control *control, int channel)
{
    return send_listeners(control, channel, false) && send_listeners(control, channel, true);
}

/* Variables that describe this process are not passed on. */
static bool is_ours(const char *variable)
{
    static const char *const names[] = {UPGRADE_VARIABLE "=", "WATCHDOG_USEC=", "WATCHDOG_PID="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int spawn_with(const struct control *control, int their_channel, char **environment,
                      pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char *const *argv = control->program.argv;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, their_channel, UPGRADE_FD);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    /* the name is looked up again, because it may stand for another file by now */
    int error = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environment);
    if (error == ENOENT && control->program.path[0] != '\0') {
        error =
            posix_spawn(ret_pid, control->program.path, &actions, &attributes, argv, environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int spawn(const struct control *control, int their_channel, pid_t *ret_pid)
{
    char channel[32], watchdog[48];
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **environment = calloc(count + 3, sizeof *environment);
    if (environment == NULL) {
        return ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_ours(environ[i])) {
            environment[kept++] = environ[i];
        }
    }
    snprintf(channel, sizeof channel, UPGRADE_VARIABLE "=%d", UPGRADE_FD);
    environment[kept++] = channel;
    if (control->notifier.watchdog_ms > 0) {
        snprintf(watchdog, sizeof watchdog, "WATCHDOG_USEC=%" PRIu64,
                 control->notifier.watchdog_ms * 1000);
        environment[kept++] = watchdog;
    }
    int error = spawn_with(control, their_channel, environment, ret_pid);
    free(environment);
    return error;
}

static const char *upgrade_refusal(const struct control *control)
{
    if (control->program.config_path == NULL) {
        return "the demo cannot be upgraded";
    }
    if (control->generations.present == NULL) {
        return "this process does not serve yet";
    }
    if (control->drain.stage != DRAIN_SERVING) {
        return "the process drains";
    }
    if (control->upgrade.figures.pid != 0) {
        return "an upgrade is in progress";
    }
    if (takeover_pending(control)) {
        return "this process has not taken over yet";
    }
    /* the end of process 1 would end all others in the container */
    return getpid() == 1 ? "process 1 cannot be replaced: replace the container" : NULL;
}

static bool upgrade_watch(struct control *control, int channel)
{
    struct upgrade *upgrade = &control->upgrade;
    const struct timeval period = {0, LOOK_MS * 1000};
    upgrade->channel = channel;
    upgrade->heard =
        event_new(control->loop.base, channel, EV_READ | EV_PERSIST, upgrade_on_heard, control);
    upgrade->look = event_new(control->loop.base, -1, EV_PERSIST, upgrade_on_look, control);
    return upgrade->heard != NULL && upgrade->look != NULL &&
           event_add(upgrade->heard, NULL) == 0 && event_add(upgrade->look, &period) == 0;
}

void upgrade_on_word(struct control *control)
{
    control->upgrade.said = true;
}

void upgrade_begin(struct control *control)
{
    struct upgrade *upgrade = &control->upgrade;
    const char *refusal = upgrade_refusal(control);
    int ends[2];
    if (refusal != NULL) {
        log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_WARN, "upgrade refused: %s", refusal);
        return;
    }
    upgrade->figures.begun_count++;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        upgrade->figures.failed_count++;
        log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_ERROR, "upgrade: %s", strerror(errno));
        return;
    }
    int error = spawn(control, ends[1], &upgrade->figures.pid);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        upgrade->figures.pid = 0;
        upgrade->figures.failed_count++;
        upgrade->figures.last_error = "the program cannot be started";
        log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_ERROR, "upgrade: %s: %s",
                  control->program.argv[0], strerror(error));
        return;
    }
    upgrade->since_ms = control_now_ms();
    upgrade->said = false;
    log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_INFO, "upgrade: process %ld warms up",
              (long)upgrade->figures.pid);
    if (!upgrade_watch(control, ends[0]) || !send_sockets(control, ends[0]) ||
        !send_warm(control, ends[0], UPGRADE_WARM) ||
        !upgrade_send(ends[0], UPGRADE_BEGIN, NULL, 0)) {
        upgrade_abort(control, "the new process cannot be sent what it needs");
    }
}
