/*
 * A scrape: metrics in the text format of Prometheus, as many series as fit below METRICS_SERIES_MAX.
 *
 * Owns nothing: writes to a buffer. Thread: control. Errors: what does not fit is left out and counted.
 */
#ifndef EVENKEEL_PROXY_ADMIN_SCRAPE_H
#define EVENKEEL_PROXY_ADMIN_SCRAPE_H

#include <event2/buffer.h>
#include <stdint.h>

#include "proxy/admin/overview.h"

struct scrape {
    struct evbuffer *out;
    const struct overview *overview;
    uint64_t series, dropped;
};

/* Labels are written as name="value" pairs by the caller's format; values from outside are escaped by this. */
struct label {
    char text[256];
};
struct label scrape_label(const char *value);

void scrape_head(struct scrape *scrape, const char *name, const char *kind, const char *help);
__attribute__((format(printf, 4, 5))) void scrape_sample(struct scrape *scrape, const char *name,
                                                         double value, const char *labels, ...);
/* A metric of one series. */
void scrape_single(struct scrape *scrape, const char *name, const char *kind, const char *help,
                   double value);

#endif
