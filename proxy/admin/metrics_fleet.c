/* The fleet and its store. */
#include "proxy/admin/scrape.h"
#include "proxy/fleet/fleet.h"

#define FLEET_METRICS(X)                                                                                       \
    X(fleet_replicas, GAUGE, (), "",                                                                           \
      "Replicas seen last, this one included; 0: there is no fleet", ONE(fleet.member_count))                  \
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
    X(fleet_refused_values_total, COUNTER, (), "",                                                             \
      "Values in the store that were sealed with another key or had been changed, so that they were not used", \
      ONE(fleet.refused_count))

enum { FLEET_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {FLEET_METRICS(METRIC_OF_ROW)};

static void write_fleet(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    struct fleet_figures fleet;
    fleet_figures(scrape->overview->fleet, &fleet);
    switch (metric - metrics) {
        FLEET_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_fleet = METRIC_GROUP(
    "Fleet", "Of `fleet`, by which replicas act as one.", metrics, SCOPE_PROCESS, write_fleet);
