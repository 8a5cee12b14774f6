/*
 * Events: what changed lately, for those who look afterwards: reloads, breakers, endpoints, drift, limits.
 *
 * Of each kind the newest EVENTS_OF_KIND are kept, so that a storm of one kind hides no other.
 *
 * Owns: its events (about 150 KiB, embedded). Thread: any; a lock is held while one event is copied. Time base: CLOCK_REALTIME. Errors: none; a text
 * that is too long is cut.
 */
#ifndef EVENKEEL_PROXY_LOG_EVENT_BOOK_H
#define EVENKEEL_PROXY_LOG_EVENT_BOOK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"

#define EVENT_KINDS(X)                    \
    X(EVENT_PROCESS, "process")           \
    X(EVENT_READINESS, "readiness")       \
    X(EVENT_RELOAD, "reload")             \
    X(EVENT_UPGRADE, "upgrade")           \
    X(EVENT_DRAIN, "drain")               \
    X(EVENT_BREAKER, "breaker")           \
    X(EVENT_ENDPOINT, "endpoint")         \
    X(EVENT_DRIFT, "drift")               \
    X(EVENT_LIMIT, "limit")               \
    X(EVENT_MAINTENANCE, "maintenance")   \
    X(EVENT_CERTIFICATES, "certificates") \
    X(EVENT_OPERATOR, "operator")
enum event_kind { ENUM_VALUES(EVENT_KINDS) EVENT_KIND_COUNT };
const char *event_kind_name(enum event_kind value);

#define EVENTS_OF_KIND 32
#define EVENT_TEXT_BYTES 384

struct book_event {
    uint64_t number; /* in the order in which they happened, from 1 on */
    uint64_t wall_ms;
    enum event_kind kind;
    enum log_level level;
    char text[EVENT_TEXT_BYTES];
};

struct event_book {
    pthread_mutex_t lock;
    uint64_t counts[EVENT_KIND_COUNT]; /* of all that happened */
    uint64_t last_number;
    struct book_event events[EVENT_KIND_COUNT][EVENTS_OF_KIND];
};

void event_book_init(struct event_book *book);
void event_book_release(struct event_book *book);
void event_book_add(struct event_book *book, enum event_kind kind, enum log_level level,
                    const char *text);
/* Copies the event at this place, below EVENT_KIND_COUNT * EVENTS_OF_KIND. False: there is none. */
bool event_book_at(struct event_book *book, unsigned place, struct book_event *ret_event);
/* How many of the kind happened. */
uint64_t event_book_count(struct event_book *book, enum event_kind kind);

#endif
