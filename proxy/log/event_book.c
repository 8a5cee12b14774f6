/* A ring for each kind. */
#include "proxy/log/event_book.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

ENUM_NAME_FUNCTION(event_kind_name, enum event_kind, EVENT_KINDS)

void event_book_init(struct event_book *book)
{
    memset(book->counts, 0, sizeof book->counts);
    memset(book->events, 0, sizeof book->events);
    book->last_number = 0;
    pthread_mutex_init(&book->lock, NULL);
}

void event_book_release(struct event_book *book)
{
    pthread_mutex_destroy(&book->lock);
}

/* A text from outside must not look like another line. */
static void take_text(char *into, const char *text)
{
    snprintf(into, EVENT_TEXT_BYTES, "%s", text);
    for (; *into != '\0'; into++) {
        if ((unsigned char)*into < 0x20 || *into == 0x7f) {
            *into = ' ';
        }
    }
}

void event_book_add(struct event_book *book, enum event_kind kind, enum log_level level,
                    const char *text)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&book->lock);
    struct book_event *event = &book->events[kind][book->counts[kind]++ % EVENTS_OF_KIND];
    event->number = ++book->last_number;
    event->wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    event->kind = kind;
    event->level = level;
    take_text(event->text, text);
    pthread_mutex_unlock(&book->lock);
}

bool event_book_at(struct event_book *book, unsigned place, struct book_event *ret_event)
{
    pthread_mutex_lock(&book->lock);
    *ret_event = book->events[place / EVENTS_OF_KIND][place % EVENTS_OF_KIND];
    pthread_mutex_unlock(&book->lock);
    return ret_event->number != 0;
}

uint64_t event_book_count(struct event_book *book, enum event_kind kind)
{
    pthread_mutex_lock(&book->lock);
    uint64_t count = book->counts[kind];
    pthread_mutex_unlock(&book->lock);
    return count;
}
