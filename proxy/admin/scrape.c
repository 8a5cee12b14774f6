/* Samples in the text format of Prometheus. */
#include "proxy/admin/scrape.h"

#include <stdio.h>

#include "steady/check.h"

#define LABELS_BYTES 2048

const uint64_t scrape_edges_us[SCRAPE_EDGES_COUNT] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

void scrape_head(struct scrape *scrape, const struct metric *metric)
{
    evbuffer_add_printf(scrape->out,
                        "# HELP " METRIC_PREFIX "%s %s\n# TYPE " METRIC_PREFIX "%s %s\n",
                        metric->name, metric->help, metric->name, metric_type_name(metric->type));
}

static bool series_fits(struct scrape *scrape)
{
    if (scrape->series_count >= METRICS_SERIES_MAX) {
        scrape->dropped_count++;
        return false;
    }
    scrape->series_count++;
    return true;
}

/* ---- labels ---- */

struct label_text {
    char bytes[LABELS_BYTES];
    size_t used;
};

static void put(struct label_text *text, char byte)
{
    if (text->used + 1 < sizeof text->bytes) {
        text->bytes[text->used++] = byte;
    }
}

/* A value may come from a certificate: a control, which would end the line, becomes a space. */
static void put_value(struct label_text *text, const char *value, size_t most_bytes)
{
    size_t end = text->used + most_bytes;
    for (; value != NULL && *value != '\0' && text->used + 2 < end; value++) {
        if (*value == '"' || *value == '\\') {
            put(text, '\\');
        }
        put(text, (unsigned char)*value < 0x20 ? ' ' : *value);
    }
}

static void put_label(struct label_text *text, const char *name, const char *value)
{
    put(text, text->used == 0 ? '{' : ',');
    for (; *name != '\0'; name++) {
        put(text, *name);
    }
    put(text, '=');
    put(text, '"');
    put_value(text, value, 256);
    put(text, '"');
}

/* `last` replaces the value of the last label unless it is NULL; `edge` is that of a bucket unless it is NULL. */
static void put_labels(struct label_text *text, const struct series *series, const char *last,
                       const char *edge)
{
    const enum metric_label *labels = series->metric->labels;
    for (size_t i = 0; i < METRIC_LABELS_MAX && labels[i] != LABEL_NONE; i++) {
        bool is_last = i + 1 == METRIC_LABELS_MAX || labels[i + 1] == LABEL_NONE;
        put_label(text, metric_label_rows[labels[i]].name,
                  is_last && last != NULL ? last : series->labels[i]);
    }
    if (edge != NULL) {
        put_label(text, "le", edge);
    }
    if (text->used > 0) {
        put(text, '}');
    }
    text->bytes[text->used] = '\0';
}

/* ---- samples ---- */

static void add_sample(const struct series *series, const char *suffix, const char *last,
                       const char *edge, double value)
{
    struct label_text labels;
    if (!series_fits(series->scrape)) {
        return;
    }
    labels.used = 0;
    put_labels(&labels, series, last, edge);
    evbuffer_add_printf(series->scrape->out, METRIC_PREFIX "%s%s%s %.15g\n", series->metric->name,
                        suffix, labels.bytes, value);
}

/* The closed set that the metric's last label has its values from. */
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
        add_sample(series, "", label->words[i], NULL, i == state ? 1 : 0);
    }
}

void series_add_histogram(const struct series *series, const struct histogram *histogram)
{
    double count = (double)histogram_count(histogram);
    for (size_t i = 0; i < SCRAPE_EDGES_COUNT; i++) {
        char edge[32];
        snprintf(edge, sizeof edge, "%.15g", (double)scrape_edges_us[i] / 1e6);
        add_sample(series, "_bucket", NULL, edge,
                   (double)histogram_count_upto(histogram, scrape_edges_us[i]));
    }
    add_sample(series, "_bucket", NULL, "+Inf", count);
    add_sample(series, "_sum", NULL, NULL, (double)histogram->sum / 1e6);
    add_sample(series, "_count", NULL, NULL, count);
}
