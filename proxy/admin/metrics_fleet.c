/* The fleet, its store, and the rates that hold over it. */
#include "proxy/admin/scrape.h"
#include "proxy/fleet/fleet.h"

#define FLEET_METRICS(X)                                                                                       \
    X(fleet_replicas, GAUGE, (), "",                                                                           \
      "Replicas seen last, this one included; 0: there is no fleet", ONE(fleet.member_count))                  \
    X(fleet_other_versions, GAUGE, (), "",                                                                     \
      "Other versions of Evenkeel of which replicas use the same store, each a fleet of its own",              \
      ONE(fleet.other_versions_count))                                                                         \
    X(fleet_store_state, GAUGE, (LABEL_STORE_STATE), "",                                                       \
      "1 for the state of the connection to the store, 0 for the others",                                      \
      STATE(fleet.store.state, STORE_STATE_COUNT))                                                             \
    X(fleet_store_faults_total, COUNTER, (LABEL_STORE_FAULT), "",                                              \
      "Times something was wrong with the store, by what",                                                     \
      series_add_seen(&series, fleet.store.faults_count + 1, STORE_FAULT_COUNT - 1))                           \
    X(fleet_store_silence_seconds, GAUGE, (), "seconds",                                                       \
      "Time since the store last answered this replica's heartbeat; 0: there is no fleet, or not yet",         \
      ONE(fleet.on &&fleet.seen_ago_ms != UINT64_MAX ? (double)fleet.seen_ago_ms / 1e3 : 0))                   \
    X(fleet_store_round_trip_seconds, GAUGE, (), "seconds", "Time of the store's last answer",                 \
      ONE((double)fleet.store.round_trip_us / 1e6))                                                            \
    X(fleet_store_questions_total, COUNTER, (), "", "Questions to the store",                                  \
      ONE(fleet.store.asked_count))                                                                            \
    X(fleet_store_unanswered_total, COUNTER, (), "", "Questions that the store did not answer",                \
      ONE(fleet.store.unanswered_count))                                                                       \
    X(fleet_store_slow_answers_total, COUNTER, (), "",                                                         \
      "Answers of the store that took longer than 100 ms", ONE(fleet.store.slow_count))                        \
    X(fleet_store_losses_total, COUNTER, (), "",                                                               \
      "Times the store had lost what this replica had read from it", ONE(fleet.losses_count))                  \
    X(fleet_refused_values_total, COUNTER, (), "",                                                             \
      "Values in the store that were sealed with another key or had been changed, so that they were not used", \
      ONE(fleet.refused_count))

#define OF_RATE (LABEL_ROUTE, LABEL_RATE)

#define RATE_METRICS(X)                                                                                   \
    X(fleet_rate_cut_off, GAUGE, OF_RATE, "",                                                             \
      "1: the store does not answer, so that each replica keeps its share of the rate",                   \
      ONE(rate->state != FLEET_RATE_LEASING))                                                             \
    X(fleet_rate_share, GAUGE, OF_RATE, "",                                                               \
      "Requests a second that this replica may admit without asking; of key_rate and shards of each one", \
      ONE(rate->share_per_second))                                                                        \
    X(fleet_rate_used_total, COUNTER, OF_RATE, "", "Requests that the share admitted",                    \
      ONE(rate->used_count))                                                                              \
    X(fleet_rate_lent_total, COUNTER, OF_RATE, "",                                                        \
      "Tokens, each good for a request, that the store lent beyond the share",                            \
      ONE(rate->lent_count))                                                                              \
    X(fleet_rate_returned_total, COUNTER, OF_RATE, "", "Tokens that were given back unused",              \
      ONE(rate->returned_count))                                                                          \
    X(fleet_rate_questions_total, COUNTER, OF_RATE, "", "Questions to the store about the rate",          \
      ONE(rate->asked_count))                                                                             \
    X(fleet_rate_unanswered_total, COUNTER, OF_RATE, "",                                                  \
      "Questions about the rate that the store did not answer, or refused",                               \
      ONE(rate->unanswered_count))                                                                        \
    X(fleet_rate_put_off_total, COUNTER, OF_RATE, "",                                                     \
      "Times more keys were in use than one question takes, so that some had to wait for the next",       \
      ONE(rate->put_off_count))

enum { FLEET_METRICS(METRIC_ID_OF_ROW) };
enum { RATE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {FLEET_METRICS(METRIC_OF_ROW)};
static const struct metric rate_metrics[] = {RATE_METRICS(METRIC_OF_ROW)};

static void write_fleet(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    struct fleet_figures fleet;
    fleet_figures(scrape->overview->fleet, &fleet);
    switch (metric - metrics) {
        FLEET_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_rate(const struct fleet_rate_figures *rate, struct series series)
{
    switch (series.metric - rate_metrics) {
        RATE_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_rates(struct scrape *scrape, const struct metric *metric)
{
    struct fleet_rate_figures rate;
    for (size_t i = 0; fleet_rate_figures(scrape->overview->fleet, i, &rate); i++) {
        const struct series series = {scrape, metric, {rate.route, admission_rate_name(rate.kind)}};
        write_rate(&rate, series);
    }
}

const struct metric_group metrics_fleet_rates =
    METRIC_GROUP("Rates over the fleet", "Of rates with `fleet = true`.", rate_metrics, SCOPE_OTHER,
                 write_rates);
const struct metric_group metrics_fleet = METRIC_GROUP(
    "Fleet", "Of `fleet`, by which replicas act as one.", metrics, SCOPE_PROCESS, write_fleet);
