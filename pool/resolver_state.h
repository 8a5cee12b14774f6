/*
 * The inside of a resolver, for its files: resolver.c (what is looked up, and when), resolver_report.c (log lines and
 * figures).
 *
 * Owns: the names, the channel, the questions that wait for it. Private to pool/. Thread: the one that made it
 * (control). Time base: CLOCK_MONOTONIC, ms.
 */
#ifndef EVENKEEL_POOL_RESOLVER_STATE_H
#define EVENKEEL_POOL_RESOLVER_STATE_H

#include <event2/event_struct.h>

#include "pool/dns_channel.h"
#include "pool/file_mark.h"
#include "pool/hosts.h"
#include "pool/names.h"
#include "pool/resolver.h"

struct resolver {
    struct resolver_env env;
    struct settings *settings; /* a reference; NULL: none yet */
    struct resolver_settings rules;
    struct names names;
    struct question_list waiting;
    struct hosts hosts;
    struct dns_channel *channel;
    struct bound queries;
    struct file_mark resolv_conf;
    size_t refused_count; /* names of the settings for which there was no room */
    uint64_t try_ms;
    uint64_t opened_ms, looked_ms; /* when the channel was opened; when resolv.conf was checked */
    uint64_t heard_ms;             /* when a server last answered */
    bool open_wanted;
    bool silence_told;
    bool ended, changed; /* since the last on_news */
    struct wheel wheel;
    struct event wheel_event, work;
    struct rng rng;
    struct resolver_figures figures;
};

uint64_t resolver_now_ms(void);

/* Writes a line to the log of the owner. */
__attribute__((format(printf, 3, 4))) void resolver_report(const struct resolver *resolver,
                                                           enum log_level level, const char *format,
                                                           ...);
/* Report that the records of a question have changed, that a lookup has failed, or that the answer was negative. */
void resolver_report_change(const struct resolver *resolver, const struct question *question,
                            bool was_holding);
void resolver_report_failure(const struct resolver *resolver, const struct question *question);
void resolver_report_no(const struct resolver *resolver, const struct question *question);

#endif
