/* The table of signals, and which thread handles them when. */
#include "proxy/control/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/reload.h"

static void signal_reload(struct control *control, int number)
{
    (void)number;
    (void)reload_request(control);
}

static void signal_reopen(struct control *control, int number)
{
    (void)number;
    log_reopen(control->log);
    log_info(control->log, "logs reopened");
}

static void signal_upgrade(struct control *control, int number)
{
    (void)number;
    upgrade_begin(control);
}

static void signal_end(struct control *control, int number)
{
    if (control->drain.stage == DRAIN_SERVING) {
        drain_begin(control, strsignal(number), false);
    } else {
        drain_cut(control, strsignal(number));
    }
}

static const struct signal_row {
    int number;
    bool ends; /* the signal ends the process */
    void (*act)(struct control *control, int number);
} rows[SIGNALS_COUNT] = {
    {SIGHUP, false, signal_reload},   {SIGUSR1, false, signal_reopen},
    {SIGUSR2, false, signal_upgrade}, {SIGTERM, true, signal_end},
    {SIGINT, true, signal_end},
};

/* Nothing has begun that would have to be finished. The default action would not do, because it does not end process 1. */
static void signal_end_at_once(int number)
{
    (void)number;
    _exit(0);
}

static void signals_kept(sigset_t *ret_kept)
{
    sigemptyset(ret_kept);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        if (!rows[i].ends) {
            sigaddset(ret_kept, rows[i].number);
        }
    }
}

void signals_hold(void)
{
    const struct sigaction end = {.sa_handler = signal_end_at_once};
    sigset_t kept;
    signals_kept(&kept);
    pthread_sigmask(SIG_BLOCK, &kept, NULL);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        if (rows[i].ends) {
            sigaction(rows[i].number, &end, NULL);
        }
    }
}

static void signals_on_one(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        if (rows[i].number == (int)number) {
            rows[i].act(arg, (int)number);
        }
    }
}

bool signals_listen(struct control *control)
{
    struct event **events = control->signals.events;
    sigset_t kept;
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        events[i] = evsignal_new(control->loop.base, rows[i].number, signals_on_one, control);
        if (events[i] == NULL || event_add(events[i], NULL) != 0) {
            return false;
        }
    }
    signals_kept(&kept);
    pthread_sigmask(SIG_UNBLOCK, &kept, NULL);
    return true;
}

void signals_free(struct signals *signals)
{
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        if (signals->events[i] != NULL) {
            event_free(signals->events[i]);
            signals->events[i] = NULL;
        }
    }
}
