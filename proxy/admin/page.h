/*
 * A page that is written in slices, so that a page about ten thousand upstreams does not delay other work of the
 * control thread.
 *
 * Owns: its buffer. Thread: control. Time base: us, monotonic. Errors: none; without memory the buffer cuts the page
 * short.
 *
 * A page is a list of parts. A part writes while page_has_time(), but at least something each time, and keeps its
 * position in `cursor`. What it knows about the process comes from the overview, which is made for each slice and may
 * have changed since the last one.
 */
#ifndef EVENKEEL_PROXY_ADMIN_PAGE_H
#define EVENKEEL_PROXY_ADMIN_PAGE_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/admin/json.h"
#include "proxy/admin/overview.h"
#include "proxy/admin/scrape.h"
#include "proxy/worker/stats.h"
#include "steady/histogram.h"

struct page;

/* Writes from `cursor` on. True: the part is complete. */
typedef bool page_part_fn(struct page *page);

/* A page that is a member of another page's object. */
struct page_member {
    const char *name; /* NULL ends a list */
    page_part_fn *const *parts;
};

/* Sums over all routes and workers, of /traffic. */
struct page_traffic {
    uint64_t by_class[STATUS_CLASS_COUNT];
    struct histogram duration_us;
};

struct page {
    struct evbuffer *out;              /* NULL: not begun */
    page_part_fn *const *parts;        /* NULL ends the list */
    const struct page_member *members; /* that follow the parts; NULL: none */
    uint64_t cursor;                   /* position in the current part, which begins with 0 */
    uint64_t until_us;                 /* end of the slice */
    const struct overview *overview;
    char only[256];       /* the upstream of ?upstream=; "": all */
    struct json json;     /* of pages in JSON */
    struct scrape scrape; /* of the metrics */
    struct page_traffic traffic;
};

/* The buffer is made when the page is begun. */
void page_init(struct page *page, page_part_fn *const *parts, const char *only);
/* A page of members. What is written into its buffer first is an object that is open, with at least one member. */
void page_init_members(struct page *page, const struct page_member *members);
/* False: no memory. */
__attribute__((warn_unused_result)) bool page_begin(struct page *page);
/* Continues for about this time. True: the page is complete. */
bool page_write(struct page *page, const struct overview *overview, uint64_t slice_us);
bool page_has_time(const struct page *page);
/* For a part about upstreams: `step` writes one, moves the cursor to its number and says whether there is time for
   another. True: that was the last one. */
bool page_walk_upstreams(struct page *page, upstream_step_fn *step);
void page_release(struct page *page);

#endif
