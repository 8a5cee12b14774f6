/* Messages to the service manager. */
#include "proxy/control/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Longest wait for a manager that is slow to read. */
#define NOTIFY_WAIT_MS 500

static bool notifier_address(const char *name, struct address *ret_address)
{
    struct address address = {.local = {.sun_family = AF_UNIX}};
    size_t bytes = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || bytes < 2 || bytes >= sizeof address.local.sun_path) {
        return false;
    }
    memcpy(address.local.sun_path, name, bytes);
    if (name[0] == '@') {
        address.local.sun_path[0] = '\0';
    }
    /* an abstract name has exactly this length, without a terminator */
    address.length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (name[0] == '/' ? 1 : 0));
    *ret_address = address;
    return true;
}

/* The variable as a number; 0: there is none. It is removed, so that child processes do not inherit it. */
static uint64_t take_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    uint64_t value = text != NULL && text[0] != '-' ? strtoull(text, &end, 10) : 0;
    value = end != NULL && *end == '\0' ? value : 0;
    unsetenv(name);
    return value;
}

void notifier_open(struct notifier *notifier)
{
    const char *name = getenv("NOTIFY_SOCKET");
    const bool has_pid = getenv("WATCHDOG_PID") != NULL;
    uint64_t watchdog_us = take_number("WATCHDOG_USEC");
    uint64_t watchdog_pid = take_number("WATCHDOG_PID");
    *notifier = (struct notifier){.fd = -1};
    if (name == NULL || !notifier_address(name, &notifier->to)) {
        return;
    }
    notifier->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct timeval wait = {0, NOTIFY_WAIT_MS * 1000};
    if (notifier->fd >= 0) {
        setsockopt(notifier->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        notifier->watchdog_ms =
            !has_pid || watchdog_pid == (uint64_t)getpid() ? watchdog_us / 1000 : 0;
    }
}

void notifier_close(struct notifier *notifier)
{
    if (notifier->fd >= 0) {
        close(notifier->fd);
    }
    notifier->fd = -1;
}

__attribute__((format(printf, 2, 3))) static void notify(const struct notifier *notifier,
                                                         const char *format, ...)
{
    char text[512];
    va_list args;
    if (notifier->fd < 0 || notifier->muted) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    while (sendto(notifier->fd, text, strlen(text), MSG_NOSIGNAL, &notifier->to.any,
                  notifier->to.length) < 0 &&
           errno == EINTR) {
    }
}

void notify_ready(const struct notifier *notifier)
{
    notify(notifier, "READY=1");
}

void notify_reloading(const struct notifier *notifier)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify(notifier, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
           (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(const struct notifier *notifier)
{
    notify(notifier, "STOPPING=1");
}

void notify_alive(const struct notifier *notifier)
{
    notify(notifier, "WATCHDOG=1");
}

void notify_main_pid(const struct notifier *notifier, pid_t pid)
{
    notify(notifier, "MAINPID=%ld", (long)pid);
}

void notify_status(const struct notifier *notifier, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    notify(notifier, "STATUS=%s", text);
}
