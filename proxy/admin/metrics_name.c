/* DNS: questions, and what the configured names stand for. */
#include "pool/resolver.h"
#include "proxy/admin/scrape.h"

#define LOOKUP_METRICS(X)                                                                                      \
    X(dns_queries_total, COUNTER, (LABEL_DNS_TYPE), "", "Queries to DNS servers, by record type",              \
      COUNTS(figures.queries))                                                                                 \
    X(dns_lookups_total, COUNTER, (LABEL_LOOKUP_RESULT), "", "Finished lookups, by result",                    \
      COUNTS(figures.results))                                                                                 \
    X(dns_reopened_total, COUNTER, (), "",                                                                     \
      "Times the sockets to DNS servers were reopened because /etc/resolv.conf changed or no server answered", \
      ONE(figures.reopened))                                                                                   \
    X(dns_adoptions_total, COUNTER, (), "",                                                                    \
      "Times the workers adopted changed addresses of names",                                                  \
      ONE(scrape->overview->name_adoptions))

#define OF_NAME (LABEL_HOST_NAME, LABEL_NAME_TYPE)

#define NAME_METRICS(X)                                                                     \
    X(dns_name_addresses, GAUGE, OF_NAME, "", "Addresses of a configured name",             \
      ONE(figures->addresses_count))                                                        \
    X(dns_name_age_seconds, GAUGE, OF_NAME, "seconds",                                      \
      "Age of the oldest answer in use for a name", ONE((double)figures->age_ms / 1000))    \
    X(dns_name_stale, GAUGE, OF_NAME, "", "1 while an answer in use is older than its TTL", \
      ONE(figures->stale))                                                                  \
    X(dns_name_next_lookup_seconds, GAUGE, OF_NAME, "seconds",                              \
      "Time until a name is looked up again", ONE((double)figures->next_ms / 1000))

enum { LOOKUP_METRICS(METRIC_ID_OF_ROW) };
enum { NAME_METRICS(METRIC_ID_OF_ROW) };
static const struct metric lookup_metrics[] = {LOOKUP_METRICS(METRIC_OF_ROW)};
static const struct metric name_metrics[] = {NAME_METRICS(METRIC_OF_ROW)};

static void write_lookups(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    struct resolver_figures figures;
    resolver_figures(scrape->overview->resolver, &figures);
    switch (metric - lookup_metrics) {
        LOOKUP_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_name(const struct name_figures *figures, void *owner)
{
    struct series series = *(const struct series *)owner;
    series.labels[0] = figures->name;
    series.labels[1] = figures->service ? "service" : "host";
    switch (series.metric - name_metrics) {
        NAME_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_names(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    resolver_each_name(scrape->overview->resolver, write_name, &series);
}

const struct metric_group metrics_lookups =
    METRIC_GROUP("DNS", "Since the start.", lookup_metrics, SCOPE_PROCESS, write_lookups);
const struct metric_group metrics_names =
    METRIC_GROUP("Names", "One series for each name in the endpoints of the configuration.",
                 name_metrics, SCOPE_OTHER, write_names);
