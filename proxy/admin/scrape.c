/* Samples in the text format of Prometheus. */
#include "proxy/admin/scrape.h"

#include <stdio.h>
#include <string.h>

#include "proxy/admin/metric_text.h"
#include "steady/check.h"

/* The longest line: names of the metric and its labels, their values and that of a bucket's edge, a number. */
#define LINE_BYTES (512 + (METRIC_LABELS_MAX + 1) * METRIC_VALUE_BYTES)

void scrape_head(struct scrape *scrape, const struct metric *metric)
{
    const char *prefix = metric_prefix(metric);
    evbuffer_add_printf(scrape->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, metric->name,
                        metric->help, prefix, metric->name, metric_type_name(metric->type));
}

static bool series_fits(struct scrape *scrape)
{
    bool full = scrape->series_count >= METRICS_SERIES_MAX ||
                evbuffer_get_length(scrape->out) >= METRICS_BYTES_MAX;
    if (full && !scrape->of_process) {
        scrape->dropped_count++;
        return false;
    }
    scrape->series_count++;
    return true;
}

bool scrape_wants(const struct scrape *scrape, const char *upstream)
{
    return scrape->only == NULL || strcmp(scrape->only, upstream) == 0;
}

/* ---- a line ---- */

struct line {
    char bytes[LINE_BYTES];
    size_t used;
};

static void put(struct line *line, const char *text)
{
    size_t bytes = strlen(text);
    CHECK(bytes <= sizeof line->bytes - line->used);
    memcpy(line->bytes + line->used, text, bytes);
    line->used += bytes;
}

static void put_label(struct line *line, const char *before, const char *name, const char *value)
{
    put(line, before);
    put(line, name);
    put(line, "=\"");
    CHECK(sizeof line->bytes - line->used >= METRIC_VALUE_BYTES);
    line->used += metric_escape(line->bytes + line->used, value != NULL ? value : "");
    put(line, "\"");
}

/* `last` replaces the value of the last label unless it is NULL; `edge` is the edge of a bucket, or NULL. */
static void put_labels(struct line *line, const struct series *series, const char *last,
                       const char *edge)
{
    const enum metric_label *labels = series->metric->labels;
    const char *before = "{";
    for (size_t i = 0; i < METRIC_LABELS_MAX && labels[i] != LABEL_NONE; i++) {
        bool is_last = i + 1 == METRIC_LABELS_MAX || labels[i + 1] == LABEL_NONE;
        put_label(line, before, metric_label_rows[labels[i]].name,
                  is_last && last != NULL ? last : series->labels[i]);
        before = ",";
    }
    if (edge != NULL) {
        put_label(line, before, "le", edge);
        before = ",";
    }
    put(line, *before == ',' ? "}" : "");
}

/* ---- samples ---- */

static void add_sample(const struct series *series, const char *suffix, const char *last,
                       const char *edge, double value)
{
    struct line line;
    char number[METRIC_NUMBER_BYTES + 1];
    if (!series_fits(series->scrape)) {
        return;
    }
    line.used = 0;
    put(&line, metric_prefix(series->metric));
    put(&line, series->metric->name);
    put(&line, suffix);
    put_labels(&line, series, last, edge);
    put(&line, " ");
    number[metric_number(number, value)] = '\0';
    put(&line, number);
    put(&line, "\n");
    evbuffer_add(series->scrape->out, line.bytes, line.used);
}

/* The fixed set from which the metric's last label takes its values. */
static const struct metric_label_row *last_label(const struct metric *metric)
{
    size_t last = METRIC_LABELS_MAX - 1;
    while (last > 0 && metric->labels[last] == LABEL_NONE) {
        last--;
    }
    return &metric_label_rows[metric->labels[last]];
}

void series_add(const struct series *series, double value)
{
    add_sample(series, "", NULL, NULL, value);
}

void series_add_counts(const struct series *series, const uint64_t *counts, size_t count)
{
    const struct metric_label_row *label = last_label(series->metric);
    CHECK(count == label->word_count);
    for (size_t i = 0; i < count; i++) {
        add_sample(series, "", label->words[i], NULL, (double)counts[i]);
    }
}

void series_add_seen(const struct series *series, const uint64_t *counts, size_t count)
{
    const struct metric_label_row *label = last_label(series->metric);
    CHECK(count == label->word_count);
    for (size_t i = 0; i < count; i++) {
        if (counts[i] > 0) {
            add_sample(series, "", label->words[i], NULL, (double)counts[i]);
        }
    }
}

void series_add_state(const struct series *series, size_t state, size_t count)
{
    const struct metric_label_row *label = last_label(series->metric);
    CHECK(count == label->word_count);
    for (size_t i = 0; i < count; i++) {
        if (i == state || !scrape_is_short(series->scrape)) {
            add_sample(series, "", label->words[i], NULL, i == state ? 1 : 0);
        }
    }
}

void series_add_histogram(const struct series *series, const struct histogram *histogram)
{
    const struct scrape *scrape = series->scrape;
    double count = (double)histogram_count(histogram);
    for (size_t i = 0; i < scrape->edges_count; i++) {
        char edge[32];
        snprintf(edge, sizeof edge, "%.15g", (double)scrape->edges_us[i] / 1e6);
        add_sample(series, "_bucket", NULL, edge,
                   (double)histogram_count_upto(histogram, scrape->edges_us[i]));
    }
    add_sample(series, "_bucket", NULL, "+Inf", count);
    add_sample(series, "_sum", NULL, NULL, (double)histogram->sum / 1e6);
    add_sample(series, "_count", NULL, NULL, count);
}
