/* Samples in the text format of Prometheus. */
#include "proxy/admin/scrape.h"

#include <stdarg.h>
#include <stdio.h>

#include "proxy/admin/metrics.h"

struct label scrape_label(const char *value)
{
    struct label escaped;
    size_t used = 0;
    for (; value != NULL && *value != '\0' && used + 2 < sizeof escaped.text; value++) {
        if (*value == '"' || *value == '\\') {
            escaped.text[used++] = '\\';
        }
        escaped.text[used++] = (unsigned char)*value < 0x20 ? ' ' : *value;
    }
    escaped.text[used] = '\0';
    return escaped;
}

void scrape_head(struct scrape *scrape, const char *name, const char *kind, const char *help)
{
    evbuffer_add_printf(scrape->out, "# HELP evenkeel_%s %s\n# TYPE evenkeel_%s %s\n", name, help,
                        name, kind);
}

static bool series_fits(struct scrape *scrape)
{
    if (scrape->series >= METRICS_SERIES_MAX) {
        scrape->dropped++;
        return false;
    }
    scrape->series++;
    return true;
}

void scrape_sample(struct scrape *scrape, const char *name, double value, const char *labels, ...)
{
    char text[1024];
    va_list args;
    if (!series_fits(scrape)) {
        return;
    }
    va_start(args, labels);
    vsnprintf(text, sizeof text, labels, args);
    va_end(args);
    evbuffer_add_printf(scrape->out,
                        text[0] != '\0' ? "evenkeel_%s{%s} %.15g\n" : "evenkeel_%s%s %.15g\n", name,
                        text, value);
}

void scrape_single(struct scrape *scrape, const char *name, const char *kind, const char *help,
                   double value)
{
    scrape_head(scrape, name, kind, help);
    scrape_sample(scrape, name, value, "%s", "");
}
