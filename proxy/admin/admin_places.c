/* The connections of the admin listener, and their deadlines. */
#include "proxy/admin/admin_places.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

#include "steady/loop_clock.h"

/* Longest time until a request is complete, from the accept or from the end of the last answer. */
#define ADMIN_REQUEST_MS 10000
/* Longest time to write and send an answer. */
#define ADMIN_ANSWER_MS 30000
/* Interval of the checks of deadlines. */
#define ADMIN_SWEEP_MS 100
/* A connection keeps its place for at least this long, so that a request which is already in the kernel is read first. */
#define ADMIN_SETTLED_MS 100

enum place_state {
    PLACE_FREE,
    PLACE_ASKED,    /* waits for a complete request */
    PLACE_ANSWERS,  /* the answer is being written */
    PLACE_ANSWERED, /* the answer is complete and being sent */
};

struct admin_place {
    enum place_state state;
    uint64_t since_ms;
    struct bufferevent *connection; /* NULL: free */
};

struct admin_places {
    struct admin_place all[ADMIN_CONNECTIONS];
    struct bound bound;
    struct bound_registry *registry;
    struct event_base *base;
    struct event *sweep;
    struct evconnlistener *listener;
    bool held;
};

static uint64_t places_now_ms(void)
{
    return loop_clock_ms(&(struct loop_clock){0});
}

static void place_enter(struct admin_place *place, enum place_state state)
{
    place->state = state;
    place->since_ms = places_now_ms();
}

static bool place_sends(const struct admin_place *place)
{
    return evbuffer_get_length(bufferevent_get_output(place->connection)) > 0;
}

/* evhttp removes its callbacks from a connection that it is done with. */
static bool place_gone(const struct admin_place *place)
{
    bufferevent_data_cb on_read, on_write;
    bufferevent_event_cb on_event;
    void *owner;
    bufferevent_getcb(place->connection, &on_read, &on_write, &on_event, &owner);
    return on_read == NULL && on_write == NULL && on_event == NULL;
}

/* evhttp shuts a connection down, and its descriptor is closed with the bufferevent when the last reference is
   released. If evhttp closed it, the bufferevent's events would still be on a number that may by then belong to another
   thread. */
static void place_leave(struct admin_places *places, struct admin_place *place)
{
    bufferevent_decref(place->connection);
    place->connection = NULL;
    place_enter(place, PLACE_FREE);
    bound_give(&places->bound, 1);
}

/* Checks what evhttp has done with the connection. */
static void place_look(struct admin_places *places, struct admin_place *place)
{
    if (place->state == PLACE_FREE) {
        return;
    }
    if (place_gone(place)) {
        place_leave(places, place);
    } else if (place->state == PLACE_ANSWERED && !place_sends(place)) {
        place_enter(place, PLACE_ASKED);
    }
}

/* Ends a connection as evhttp ends one that is silent for too long. */
static void place_end(struct admin_places *places, struct admin_place *place)
{
    bufferevent_trigger_event(place->connection, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
    place_look(places, place);
}

static bool place_is_late(const struct admin_place *place, uint64_t now_ms)
{
    static const uint64_t limits_ms[] = {[PLACE_ASKED] = ADMIN_REQUEST_MS,
                                         [PLACE_ANSWERS] = ADMIN_ANSWER_MS,
                                         [PLACE_ANSWERED] = ADMIN_ANSWER_MS};
    return place->state != PLACE_FREE && now_ms - place->since_ms >= limits_ms[place->state];
}

/* Whether this connection loses its place before that one. */
static bool place_goes_before(const struct admin_place *place, const struct admin_place *other)
{
    if (other == NULL) {
        return true;
    }
    bool idle = place->state == PLACE_ASKED, other_idle = other->state == PLACE_ASKED;
    return idle != other_idle ? idle : place->since_ms < other->since_ms;
}

/* The connection that a newcomer replaces. NULL: all of them are too new. */
static struct admin_place *places_oldest(struct admin_places *places)
{
    struct admin_place *oldest = NULL;
    uint64_t now_ms = places_now_ms();
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        struct admin_place *place = &places->all[i];
        if (now_ms - place->since_ms >= ADMIN_SETTLED_MS && place_goes_before(place, oldest)) {
            oldest = place;
        }
    }
    return oldest;
}

/* Whether the next connection has to wait in the kernel's queue. */
static bool places_are_full(struct admin_places *places)
{
    return bound_used(&places->bound) == ADMIN_CONNECTIONS && places_oldest(places) == NULL;
}

/* NULL: a free place. */
static struct admin_place *places_find(struct admin_places *places,
                                       const struct bufferevent *connection)
{
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        if (places->all[i].connection == connection) {
            return &places->all[i];
        }
    }
    return NULL;
}

static void places_sweep_soon(struct admin_places *places)
{
    const struct timeval soon = {0, ADMIN_SWEEP_MS * 1000};
    if (!evtimer_pending(places->sweep, NULL)) {
        event_add(places->sweep, &soon);
    }
}

static void places_on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct admin_places *places = arg;
    uint64_t now_ms = places_now_ms();
    (void)fd;
    (void)what;
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        place_look(places, &places->all[i]);
        if (place_is_late(&places->all[i], now_ms)) {
            place_end(places, &places->all[i]);
        }
    }
    if (!places->held && !places_are_full(places)) {
        evconnlistener_enable(places->listener);
    }
    if (bound_used(&places->bound) > 0) {
        places_sweep_soon(places);
    }
}

struct admin_places *admin_places_create(struct event_base *base, struct bound_registry *registry)
{
    struct admin_places *places = calloc(1, sizeof *places);
    if (places == NULL) {
        return NULL;
    }
    places->base = base;
    places->registry = registry;
    bound_init(&places->bound, "admin_connections", NULL, ADMIN_CONNECTIONS);
    bound_register(registry, &places->bound);
    places->sweep = evtimer_new(base, places_on_sweep, places);
    if (places->sweep == NULL) {
        admin_places_free(&places);
    }
    return places;
}

void admin_places_listen(struct admin_places *places, struct evconnlistener *listener)
{
    places->listener = listener;
}

void admin_places_hold(struct admin_places *places, bool held)
{
    places->held = held;
    if (held) {
        evconnlistener_disable(places->listener);
    } else {
        evconnlistener_enable(places->listener);
    }
}

/* Takes one unit of the bound, if need be from another connection. False: none may be taken yet. */
static bool places_make_room(struct admin_places *places)
{
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        place_look(places, &places->all[i]);
    }
    if (bound_try(&places->bound, 1)) {
        return true;
    }
    struct admin_place *oldest = places_oldest(places);
    if (oldest != NULL) {
        bound_refuse(&places->bound, 1); /* whose place it was */
        place_end(places, oldest);
    }
    return oldest != NULL && oldest->state == PLACE_FREE && bound_try(&places->bound, 1);
}

/* The new connection has no callbacks before this returns, so it must not be checked here. */
struct bufferevent *admin_places_take(struct admin_places *places)
{
    struct bufferevent *connection =
        bufferevent_socket_new(places->base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct admin_place *place =
        connection != NULL && places_make_room(places) ? places_find(places, NULL) : NULL;
    if (place != NULL) {
        bufferevent_incref(connection);
        place->connection = connection;
        place_enter(place, PLACE_ASKED);
    }
    if (places_are_full(places)) {
        evconnlistener_disable(places->listener); /* until the next sweep */
    }
    places_sweep_soon(places);
    return connection;
}

void admin_places_answer(struct admin_places *places, const struct bufferevent *connection)
{
    struct admin_place *place = places_find(places, connection);
    if (place != NULL) {
        place_enter(place, PLACE_ANSWERS);
    }
}

void admin_places_answered(struct admin_places *places, const struct bufferevent *connection)
{
    struct admin_place *place = places_find(places, connection);
    if (place != NULL) {
        place->state = PLACE_ANSWERED; /* under the deadline that began with the answer */
    }
}

bool admin_places_busy(const struct admin_places *places)
{
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        const struct admin_place *place = &places->all[i];
        if (place->state == PLACE_ANSWERS || (place->connection != NULL && place_sends(place))) {
            return true;
        }
    }
    return false;
}

void admin_places_free(struct admin_places **places_pointer)
{
    struct admin_places *places = *places_pointer;
    if (places == NULL) {
        return;
    }
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++) {
        if (places->all[i].connection != NULL) {
            place_leave(places, &places->all[i]);
        }
    }
    if (places->sweep != NULL) {
        event_free(places->sweep);
    }
    bound_remove(places->registry, &places->bound);
    free(places);
    *places_pointer = NULL;
}
