/* The new process of an upgrade, from its start until it has replaced the old one. */
#include "proxy/control/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/pid_file.h"
#include "proxy/control/upgrade_wire.h"

/* Longest wait for what the old process sends, which is on its way when this process starts. */
#define GIVE_WAIT_MS 5000

static void takeover_on_heard(evutil_socket_t fd, short what, void *arg);
static void takeover_on_listening(struct message *message, void *receiver);

/* ---- what is given ---- */

static bool take_warm(struct takeover *takeover, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (uint64_t)status.st_size > WARM_PAYLOAD_MAX_BYTES + WARM_HEAD_BYTES) {
        return false;
    }
    size_t length = (size_t)status.st_size, got = 0;
    uint8_t *bytes = malloc(length);
    while (bytes != NULL && got < length) {
        ssize_t n = pread(fd, bytes + got, length - got, (off_t)got);
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    if (got < length || takeover->warm_bytes != NULL) {
        free(bytes);
        return false;
    }
    takeover->warm_bytes = bytes;
    takeover->warm_length = length;
    return true;
}

static bool take_message(struct control *control, enum upgrade_message message, const int *fds,
                         size_t fd_count)
{
    bool sockets = message == UPGRADE_SOCKETS || message == UPGRADE_SHARED_SOCKETS;
    for (size_t i = 0; i < fd_count; i++) {
        if (sockets) {
            (void)inherited_add(&control->inherited, fds[i], message == UPGRADE_SHARED_SOCKETS);
            continue;
        }
        bool good = message == UPGRADE_WARM && take_warm(&control->takeover, fds[i]);
        close(fds[i]);
        if (!good) {
            return false;
        }
    }
    return sockets || message == UPGRADE_WARM || message == UPGRADE_BEGIN;
}

bool takeover_open(struct control *control)
{
    struct takeover *takeover = &control->takeover;
    const char *number = getenv(UPGRADE_VARIABLE);
    int type = 0;
    socklen_t type_bytes = sizeof type;
    takeover->channel = -1;
    if (number == NULL) {
        return true;
    }
    int channel = (int)strtol(number, NULL, 10);
    unsetenv(UPGRADE_VARIABLE);
    if (getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &type_bytes) != 0 ||
        type != SOCK_SEQPACKET || fcntl(channel, F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "evenkeel: %s names no channel\n", UPGRADE_VARIABLE);
        return false;
    }
    takeover->channel = channel;
    control->upgrade.figures.took_over = true;
    takeover->stage = TAKEOVER_WARMING;
    control->notifier.muted = true;
    for (;;) {
        enum upgrade_message message;
        int fds[UPGRADE_FDS];
        size_t fd_count;
        enum upgrade_receipt receipt =
            upgrade_receive(channel, GIVE_WAIT_MS, &message, fds, &fd_count);
        if (receipt != UPGRADE_RECEIVED || !take_message(control, message, fds, fd_count)) {
            fprintf(stderr, "evenkeel: the old process has not sent what this process needs\n");
            return false;
        }
        if (message == UPGRADE_BEGIN) {
            return true;
        }
    }
}

bool takeover_start(struct control *control)
{
    struct takeover *takeover = &control->takeover;
    if (takeover->channel < 0) {
        return true;
    }
    takeover->heard = event_new(control->loop.base, takeover->channel, EV_READ | EV_PERSIST,
                                takeover_on_heard, control);
    return takeover->heard != NULL && event_add(takeover->heard, NULL) == 0;
}

void takeover_free(struct control *control)
{
    struct takeover *takeover = &control->takeover;
    if (takeover->heard != NULL) {
        event_free(takeover->heard);
        takeover->heard = NULL;
    }
    if (takeover->channel >= 0) {
        close(takeover->channel);
        takeover->channel = -1;
    }
    free(takeover->warm_bytes);
    takeover->warm_bytes = NULL;
}

/* ---- stages ---- */

bool takeover_pending(const struct control *control)
{
    return control->takeover.stage != TAKEOVER_NONE;
}

static void takeover_fail(struct control *control, const char *why)
{
    log_error(control->log, "takeover: %s: this process ends", why);
    control->takeover.failed = true;
    event_base_loopbreak(control->loop.base);
}

static void takeover_log(struct control *control, enum upgrade_message message,
                         enum takeover_stage next)
{
    if (upgrade_send(control->takeover.channel, message, NULL, 0)) {
        control->takeover.stage = next;
    } else {
        takeover_fail(control, "the old process does not take messages");
    }
}

void takeover_on_readiness(struct control *control)
{
    if (control->takeover.stage != TAKEOVER_WARMING) {
        return;
    }
    if (readiness_is_ready(&control->readiness.readiness)) {
        takeover_log(control, UPGRADE_READY, TAKEOVER_OFFERED);
    } else {
        takeover_fail(control, "it did not become ready");
    }
}

static void takeover_take(struct control *control)
{
    control->takeover.stage = TAKEOVER_TAKING;
    control->takeover.held_count = control->workers.count;
    for (unsigned i = 0; i < control->workers.count; i++) {
        worker_thread_ask(control->workers.threads[i], WORKER_LISTEN, takeover_on_listening);
    }
}

static void takeover_on_listening(struct message *message, void *receiver)
{
    struct control *control = receiver;
    (void)message;
    control->takeover.held_count--;
    if (control->takeover.held_count > 0) {
        return;
    }
    admin_serve_on(control->admin);
    if (control->program.pid_path != NULL && !pid_file_write(control->program.pid_path)) {
        log_warn(control->log, "pid_file %s still names the old process: %s",
                 control->program.pid_path, strerror(errno));
    }
    log_event(control->log, EVENT_UPGRADE, LOG_LEVEL_INFO, "takeover: every worker accepts");
    takeover_log(control, UPGRADE_SERVING, TAKEOVER_SERVING);
}

/* The old process has told the service manager that this one is the service, or has ended. */
static void takeover_done(struct control *control)
{
    control->takeover.stage = TAKEOVER_NONE;
    control->notifier.muted = false;
    takeover_free(control);
    readiness_watch_log(control);
}

static bool takeover_hear_word(struct control *control, int fd)
{
    struct takeover *takeover = &control->takeover;
    if (!take_warm(takeover, fd)) {
        return false;
    }
    uint8_t *bytes = takeover->warm_bytes;
    takeover->warm_bytes = NULL;
    return warm_take_word(control, bytes, takeover->warm_length);
}

static void takeover_on_heard(evutil_socket_t fd, short what, void *arg)
{
    struct control *control = arg;
    struct takeover *takeover = &control->takeover;
    enum upgrade_message message;
    int fds[UPGRADE_FDS];
    size_t fd_count;
    (void)what;
    enum upgrade_receipt receipt = upgrade_receive(fd, 0, &message, fds, &fd_count);
    if (receipt == UPGRADE_NOTHING_YET) {
        return;
    }
    bool word = receipt == UPGRADE_RECEIVED && message == UPGRADE_WORD && fd_count == 1 &&
                takeover->stage == TAKEOVER_OFFERED && takeover_hear_word(control, fds[0]);
    for (size_t i = 0; receipt == UPGRADE_RECEIVED && i < fd_count; i++) {
        close(fds[i]);
    }
    if (word) {
        return;
    }
    if (takeover->stage == TAKEOVER_SERVING) {
        takeover_done(control);
    } else if (receipt == UPGRADE_GONE) {
        takeover_fail(control, "the old process is gone");
    } else if (message == UPGRADE_TAKE && takeover->stage == TAKEOVER_OFFERED) {
        takeover_take(control);
    } else {
        takeover_fail(control, "the old process has sent an invalid message");
    }
}
