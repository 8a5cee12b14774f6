/* Histories in JSON. */
#include "proxy/admin/history_view.h"

#include <math.h>

#include "proxy/admin/drift_book.h"
#include "proxy/admin/json.h"

/* JSON has no word for what is missing: null. */
static void write_value(struct json *json, const char *key, double value)
{
    if (isfinite(value)) {
        json_number(json, key, value);
    } else {
        json_text(json, key, NULL);
    }
}

static void write_figure(struct json *json, const struct drift_item *item,
                         enum history_window window)
{
    float points[HISTORY_POINTS];
    history_points(&item->history, window, points);
    json_open(json, NULL, '{');
    json_text(json, "figure", item->name);
    json_text(json, "detail", item->detail[0] != '\0' ? item->detail : NULL);
    write_value(json, "limit", item->limit);
    write_value(json, "now", (double)item->history.last);
    json_open(json, "points", '[');
    for (size_t i = 0; i < HISTORY_POINTS; i++) {
        write_value(json, NULL, (double)points[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void open_history(struct page *page, enum history_window window)
{
    const struct drift_book *book = page->overview->drift;
    struct json *json = &page->json;
    json_open(json, NULL, '{');
    if (book != NULL) {
        uint64_t step_ms = drift_book_interval_ms(book) * history_step_ticks(window);
        json_number(json, "interval_s", (double)drift_book_interval_ms(book) / 1e3);
        json_number(json, "step_s", (double)step_ms / 1e3);
    }
    json_open(json, "figures", '[');
}

static bool write_history(struct page *page, enum history_window window)
{
    const struct drift_book *book = page->overview->drift;
    size_t count = book != NULL ? drift_book_count(book) : 0;
    bool time = true;
    for (; page->cursor < count && time; time = page_has_time(page)) {
        write_figure(&page->json, drift_book_at(book, page->cursor++), window);
    }
    return page->cursor >= count;
}

static bool close_history(struct page *page)
{
    json_close(&page->json, ']');
    json_close(&page->json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

/* A page has no argument but its parts. */
#define PAGE_OF(name, window)                   \
    static bool open_##name(struct page *page)  \
    {                                           \
        open_history(page, window);             \
        return true;                            \
    }                                           \
    static bool write_##name(struct page *page) \
    {                                           \
        return write_history(page, window);     \
    }                                           \
    page_part_fn *const history_##name##_page[] = {open_##name, write_##name, close_history, NULL};

PAGE_OF(short, HISTORY_SHORT)
PAGE_OF(middle, HISTORY_MIDDLE)
PAGE_OF(long, HISTORY_LONG)
