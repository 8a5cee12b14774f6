/* Writes docs/metrics.md, the reference of the metrics, from their tables. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pool/close_reason.h"
#include "proxy/admin/scrape.h"

/* Labels of more metrics than this are known from the tables above. */
#define METRICS_LISTED_MOST 4

static const char intro[] =
    "`/metrics` on the admin listener answers in the text format 0.0.4 of Prometheus. Label values come from the configuration or "
    "from fixed sets, never from traffic, so the number of series does not depend on traffic. `evenkeel_metric_series` is that "
    "number. At most %d series are written, in the order of this document; the others are left out and counted, but never those "
    "of the process as a whole. In a configuration that could have more series than that, the largest subjects are shortened to their first metrics; "
    "`evenkeel_metric_subjects_shortened` says so, and `/metrics?upstream=NAME` has all metrics of one upstream. "
    "[operations.md](operations.md#metrics) lists the conditions to alert on.\n";

static void write_labels(const struct metric *metric)
{
    for (size_t i = 0; i < METRIC_LABELS_MAX && metric->labels[i] != LABEL_NONE; i++) {
        printf("%s`%s`", i > 0 ? ", " : "", metric_label_rows[metric->labels[i]].name);
    }
}

static void write_group(const struct metric_group *group)
{
    printf("\n## %s\n\n", group->title);
    if (group->about[0] != '\0') {
        printf("%s\n\n", group->about);
    }
    if (group->kept_count < group->count) {
        const struct metric *last = &group->metrics[group->kept_count - 1];
        printf("Shortened: the metrics up to `%s%s`.\n\n", metric_prefix(last), last->name);
    } else if (group->scope == SCOPE_BOUND) {
        printf(
            "Shortened: what the process has one of, and what was at least half used, or refused something.\n\n");
    }
    printf("| metric | type | labels | unit | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < group->count; i++) {
        const struct metric *metric = &group->metrics[i];
        printf("| `%s%s` | %s | ", metric_prefix(metric), metric->name,
               metric_type_name(metric->type));
        write_labels(metric);
        printf(" | %s | %s |\n", metric->unit, metric->help);
    }
}

/* ---- labels ---- */

static bool has_label(const struct metric *metric, enum metric_label label)
{
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        if (metric->labels[i] == label) {
            return true;
        }
    }
    return false;
}

/* Calls back for each metric that has the label; returns how many there are. */
static size_t each_of(enum metric_label label,
                      void (*each)(const struct metric *metric, size_t number))
{
    size_t count = 0;
    for (const struct metric_group *const *group = metric_groups; *group != NULL; group++) {
        for (size_t i = 0; i < (*group)->count; i++) {
            if (has_label(&(*group)->metrics[i], label)) {
                each(&(*group)->metrics[i], count++);
            }
        }
    }
    return count;
}

static void count_only(const struct metric *metric, size_t number)
{
    (void)metric;
    (void)number;
}

static void write_name(const struct metric *metric, size_t number)
{
    printf("%s`%s%s`", number > 0 ? ", " : "", metric_prefix(metric), metric->name);
}

static void write_label(enum metric_label label)
{
    const struct metric_label_row *row = &metric_label_rows[label];
    printf("| `%s` | ", row->name);
    if (each_of(label, count_only) <= METRICS_LISTED_MOST) {
        each_of(label, write_name);
    }
    printf(" | %s", row->meaning);
    for (size_t i = 0; i < row->word_count; i++) {
        printf("%s`%s`", i > 0 ? ", " : ". One of ", row->words[i]);
    }
    printf(" |\n");
}

static void write_edges(void)
{
    printf(
        "| `le` | histograms | upper edge of a bucket in seconds: those of `metrics.buckets`, and `+Inf` |\n");
}

static void write_label_table(void)
{
    printf("\n## Labels\n\n| label | of | values |\n| --- | --- | --- |\n");
    for (unsigned label = LABEL_NONE + 1; label < METRIC_LABEL_COUNT; label++) {
        write_label((enum metric_label)label);
    }
    write_edges();
}

static void write_close_reasons(void)
{
    static const char *const details[] = {ENUM_DETAILS(LEASE_CLOSE_REASONS)};
    printf("\n## Why connections to endpoints are closed\n\n| reason | meaning |\n| --- | --- |\n");
    for (unsigned i = 0; i < LEASE_CLOSE_REASON_COUNT; i++) {
        printf("| `%s` | %s |\n", lease_close_reason_name((enum lease_close_reason)i), details[i]);
    }
}

int main(void)
{
    printf(
        "# Metrics\n\n<!-- written from the tables of proxy/admin/metrics_*.c by proxy/admin/metricdoc; edit those and "
        "run `make docs` -->\n\n");
    printf(intro, METRICS_SERIES_MAX);
    for (const struct metric_group *const *group = metric_groups; *group != NULL; group++) {
        write_group(*group);
    }
    write_label_table();
    write_close_reasons();
    return fflush(stdout) == 0 ? 0 : 1;
}
