/* Events in JSON. */
#include "proxy/admin/events_view.h"

#include "proxy/admin/json.h"
#include "proxy/log/log.h"

#define PLACES (EVENT_KIND_COUNT * EVENTS_OF_KIND)

static void write_event(struct json *json, const struct book_event *event)
{
    static const char *const levels[] = {ENUM_NAMES(LOG_LEVELS)};
    json_open(json, NULL, '{');
    json_uint(json, "number", event->number);
    json_time(json, "time", event->wall_ms);
    json_text(json, "kind", event_kind_name(event->kind));
    json_text(json, "level", levels[event->level]);
    json_text(json, "text", event->text);
    json_close(json, '}');
}

static bool open_events(struct page *page)
{
    json_open(&page->json, NULL, '{');
    json_uint(&page->json, "kept_of_kind", EVENTS_OF_KIND);
    json_open(&page->json, "events", '[');
    return true;
}

static bool write_events(struct page *page)
{
    bool time = true;
    for (; page->cursor < PLACES && time; time = page_has_time(page)) {
        struct book_event event;
        if (event_book_at(log_events(page->overview->log), (unsigned)page->cursor++, &event)) {
            write_event(&page->json, &event);
        }
    }
    return page->cursor >= PLACES;
}

static bool close_events(struct page *page)
{
    json_close(&page->json, ']');
    json_close(&page->json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const events_page[] = {open_events, write_events, close_events, NULL};
