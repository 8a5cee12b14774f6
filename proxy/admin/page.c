/* Pages that are written in slices. */
#include "proxy/admin/page.h"

#include <stdio.h>

#include "steady/loop_clock.h"

void page_init(struct page *page, page_part_fn *const *parts, const char *only)
{
    *page = (struct page){.parts = parts};
    snprintf(page->only, sizeof page->only, "%s", only);
}

void page_init_members(struct page *page, const struct page_member *members)
{
    static page_part_fn *const none[] = {NULL};
    page_init(page, none, "");
    page->members = members;
}

bool page_begin(struct page *page)
{
    page->out = evbuffer_new();
    page->json.out = page->out;
    page->scrape.out = page->out;
    return page->out != NULL;
}

bool page_has_time(const struct page *page)
{
    return loop_clock_now_us() < page->until_us;
}

/* Goes on to the next member; behind the last one closes the object. False: the page is complete. */
static bool page_next_member(struct page *page)
{
    if (page->members == NULL) {
        return false;
    }
    if (page->members->name == NULL) {
        evbuffer_add(page->out, "}\n", 2);
        page->members = NULL;
        return false;
    }
    evbuffer_add_printf(page->out, ",\"%s\":", page->members->name);
    page->json.comma = false;
    page->parts = page->members->parts;
    page->members++;
    return true;
}

bool page_write(struct page *page, const struct overview *overview, uint64_t slice_us)
{
    page->overview = overview;
    page->until_us = loop_clock_now_us() + slice_us;
    do {
        while (*page->parts != NULL && (*page->parts)(page)) {
            page->parts++;
            page->cursor = 0;
        }
    } while (*page->parts == NULL && page_next_member(page));
    page->overview = NULL;
    return *page->parts == NULL;
}

bool page_walk_upstreams(struct page *page, upstream_step_fn *step)
{
    return pools_walk_upstreams(page->overview->pools, page->cursor, step, page);
}

void page_release(struct page *page)
{
    if (page->out != NULL) {
        evbuffer_free(page->out);
        page->out = NULL;
    }
}
