/* The process, its readiness, reloads, upgrades and warm state. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/admin/scrape.h"
#include "steady/budget.h"

#define PROCESS_METRICS(X)                                                                         \
    X(build_info, GAUGE, (LABEL_VERSION), "", "Always 1", series.labels[0] = overview->version;    \
      ONE(1))                                                                                      \
    X(generation, GAUGE, (), "", "Number of the current configuration; the first is 1",            \
      ONE(overview->generation))                                                                   \
    X(generations_alive, GAUGE, (), "", "Configurations in memory, the current one included",      \
      ONE(overview->generations_alive))                                                            \
    X(ready, GAUGE, (), "", "1 while /readyz answers 200",                                         \
      ONE(readiness_is_ready(overview->readiness)))                                                \
    X(readiness_state, GAUGE, (LABEL_READINESS_STATE), "",                                         \
      "1 for the current state of readiness, 0 for the others",                                    \
      STATE(overview->readiness->state, READINESS_STATE_COUNT))                                    \
    X(readiness_gave_up, GAUGE, (), "",                                                            \
      "1 after readiness.give_up_after passed before every warm connection and session was there", \
      ONE(overview->readiness->gave_up_count))                                                     \
    X(ready_after_seconds, GAUGE, (), "seconds",                                                   \
      "Time from the start of the process until it was ready; 0: not ready yet",                   \
      ONE((double)overview->readiness->ready_ms / 1000))                                           \
    X(draining, GAUGE, (), "", "1 while the process drains", ONE(overview->draining))              \
    X(reloads_total, COUNTER, (), "", "Reloads that took effect", ONE(overview->reloads_ok))       \
    X(reload_failures_total, COUNTER, (), "", "Reloads that were rejected",                        \
      ONE(overview->reloads_failed))                                                               \
    X(last_reload_time_seconds, GAUGE, (), "seconds",                                              \
      "Time of the last reload, in Unix time; 0: never",                                           \
      ONE((double)overview->last_reload_wall_ms / 1000))                                           \
    X(last_reload_successful, GAUGE, (), "",                                                       \
      "1 if the last reload took effect, 0 if it was rejected",                                    \
      ONE(overview->last_reload_ok || overview->last_reload_wall_ms == 0))                         \
    X(tls_files_taken_total, COUNTER, (), "",                                                      \
      "Times a listener or an upstream took certificates, keys or CAs whose files had changed",    \
      ONE(overview->tls_files->taken_count))                                                       \
    X(tls_files_failures_total, COUNTER, (), "",                                                   \
      "Times changed files of TLS could not be used, so that what was read before stayed in use",  \
      ONE(overview->tls_files->failures_count))                                                    \
    X(tls_files_failing, GAUGE, (), "",                                                            \
      "Listeners and upstreams whose files of TLS cannot be used as they are now",                 \
      ONE(overview->tls_files->failing_count))                                                     \
    X(upgrades_total, COUNTER, (), "",                                                             \
      "Upgrades that this process and those that it replaced have begun",                          \
      ONE(overview->upgrade->begun_count))                                                         \
    X(upgrade_failures_total, COUNTER, (), "",                                                     \
      "Upgrades that failed, so that this process continued",                                      \
      ONE(overview->upgrade->failed_count))                                                        \
    X(warm_state_restored, GAUGE, (), "", "1 if this process started with a saved warm state",     \
      ONE(overview->warm->restored))                                                               \
    X(warm_state_saves_total, COUNTER, (), "", "Times the warm state was saved",                   \
      ONE(overview->warm->saves_ok))                                                               \
    X(warm_state_save_failures_total, COUNTER, (), "", "Times the warm state could not be saved",  \
      ONE(overview->warm->saves_failed))                                                           \
    X(warm_state_saved_time_seconds, GAUGE, (), "seconds",                                         \
      "Time when the warm state was last saved, in Unix time; 0: never",                           \
      ONE((double)overview->warm->saved_wall_ms / 1000))                                           \
    X(warm_state_bytes, GAUGE, (), "bytes", "Size of the last saved warm state",                   \
      ONE(overview->warm->saved_bytes))                                                            \
    X(admin_wrong_tokens_total, COUNTER, (), "",                                                   \
      "Requests to the admin listener with a token or password that is not in admin.token_file",   \
      ONE(overview->wrong_tokens_count))                                                           \
    X(worker_silence_seconds, GAUGE, (), "seconds",                                                \
      "Time since the last sign of life of the worker that has been silent longest",               \
      ONE((double)overview->silence_ms / 1000))                                                    \
    X(memory_budget_bytes, GAUGE, (), "bytes", "Memory that the process may use (limits.memory)",  \
      ONE(overview->memory_budget_bytes))                                                          \
    X(memory_used_ratio, GAUGE, (), "",                                                            \
      "Share of the memory budget in use: of this process, or of its cgroup if that is more",      \
      ONE(overview->memory_share))                                                                 \
    X(memory_pressure, GAUGE, (LABEL_PRESSURE), "",                                                \
      "1 for the step that applies because memory is short, 0 for the others",                     \
      STATE(overview->pressure->step, PRESSURE_STEP_COUNT))                                        \
    X(memory_pressure_total, COUNTER, (LABEL_PRESSURE), "",                                        \
      "Times a step began because memory was short; none: that all of them ended",                 \
      COUNTS(overview->pressure->begun_counts))

/* By the names that the client libraries of Prometheus use. */
#define CONVENTIONAL_METRICS(X)                                                           \
    X(process_start_time_seconds, GAUGE, (), "seconds",                                   \
      "Time when the process started, in Unix time",                                      \
      ONE((double)overview->started_wall_ms / 1000))                                      \
    X(process_cpu_seconds_total, COUNTER, (), "seconds", "CPU time of the process",       \
      ONE(seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime)))                     \
    X(process_resident_memory_bytes, GAUGE, (), "bytes", "Resident memory",               \
      ONE(budget_resident_bytes("")))                                                     \
    X(process_virtual_memory_bytes, GAUGE, (), "bytes", "Virtual memory",                 \
      ONE(budget_virtual_bytes("")))                                                      \
    X(process_open_fds, GAUGE, (), "", "Open file descriptors", ONE(budget_open_fds(""))) \
    X(process_max_fds, GAUGE, (), "", "Limit on file descriptors", ONE(sysconf(_SC_OPEN_MAX)))

enum { PROCESS_METRICS(METRIC_ID_OF_ROW) CONVENTIONAL_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {PROCESS_METRICS(METRIC_OF_ROW)
                                            CONVENTIONAL_METRICS(METRIC_OF_ROW)};

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void write_process(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    struct series series = {scrape, metric, {NULL}};
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    switch (metric - metrics) {
        PROCESS_METRICS(METRIC_CASE_OF_ROW)
        CONVENTIONAL_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_process =
    METRIC_GROUP("Process", "The process, its readiness, reloads, upgrades and warm state.",
                 metrics, SCOPE_PROCESS, write_process);
