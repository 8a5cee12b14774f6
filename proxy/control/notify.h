/*
 * Messages to the service manager: the datagrams of sd_notify(3), and whether it wants a watchdog.
 *
 * Owns: a datagram socket, if NOTIFY_SOCKET names one. Thread: control. Time base: CLOCK_MONOTONIC. Errors: none are
 * reported, because a manager that does not listen must not stop the service. Spec: sd_notify(3),
 * sd_watchdog_enabled(3).
 */
#ifndef EVENKEEL_PROXY_CONTROL_NOTIFY_H
#define EVENKEEL_PROXY_CONTROL_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "steady/address.h"

struct notifier {
    int fd;     /* -1: there is no manager */
    bool muted; /* another process is the service */
    struct address to;
    uint64_t watchdog_ms; /* a sign of life is due within this time; 0: none */
};

/* Reads NOTIFY_SOCKET (a path, or an abstract name after "@"), WATCHDOG_USEC and WATCHDOG_PID. Removes the latter two
   from the environment. */
void notifier_open(struct notifier *notifier);
void notifier_close(struct notifier *notifier);

void notify_ready(const struct notifier *notifier);
/* notify_ready() reports the end of the reload. */
void notify_reloading(const struct notifier *notifier);
void notify_stopping(const struct notifier *notifier);
void notify_alive(const struct notifier *notifier);
/* Another process is the service from now on. */
void notify_main_pid(const struct notifier *notifier, pid_t pid);
/* One line for people. */
__attribute__((format(printf, 2, 3))) void notify_status(const struct notifier *notifier,
                                                         const char *format, ...);

#endif
