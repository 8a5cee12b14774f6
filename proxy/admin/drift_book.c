/* The histories in the order of their keys. */
#include "proxy/admin/drift_book.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"

/* Another item has to weigh so many times as much to take the place of one that has a history. */
#define HEAVIER 2.0

struct drift_book {
    uint64_t interval_ms;
    size_t count;
    size_t kind_counts[DRIFT_KINDS];
    /* None that may leave weighs less, as far as is known of this round. Whoever asks for less room than that is refused without a
       search, so that thousands who ask in a round cost as many searches as there are changes. */
    double least_weights[DRIFT_KINDS];
    uint16_t order[DRIFT_ITEMS]; /* indices of items, by key; behind the count: free ones */
    struct drift_item items[DRIFT_ITEMS];
};

/* How many histories each kind may have. */
static const size_t kind_limits[DRIFT_KINDS] = {
    [DRIFT_OF_PROCESS] = PROCESS_FIGURE_COUNT,
    [DRIFT_OF_BOUND] = 64,
    [DRIFT_OF_PART] = DRIFT_ITEMS - 64 - PROCESS_FIGURE_COUNT - 32 * UPSTREAM_FIGURE_COUNT,
    [DRIFT_OF_UPSTREAM] = 32 * UPSTREAM_FIGURE_COUNT,
};

struct drift_book *drift_book_create(uint64_t interval_ms)
{
    struct drift_book *book = calloc(1, sizeof *book);
    if (book == NULL) {
        return NULL;
    }
    book->interval_ms = interval_ms;
    for (size_t i = 0; i < DRIFT_ITEMS; i++) {
        book->order[i] = (uint16_t)i;
    }
    return book;
}

void drift_book_free(struct drift_book **book)
{
    free(*book);
    *book = NULL;
}

uint64_t drift_book_interval_ms(const struct drift_book *book)
{
    return book->interval_ms;
}

size_t drift_book_count(const struct drift_book *book)
{
    return book->count;
}

struct drift_item *drift_book_at(const struct drift_book *book, size_t index)
{
    CHECK(index < book->count);
    return (struct drift_item *)&book->items[book->order[index]];
}

static bool is_before(struct drift_key a, struct drift_key b)
{
    return a.kind != b.kind ? a.kind < b.kind : a.number < b.number;
}

/* Index of the first item whose key is not before this one. */
static size_t place_of(const struct drift_book *book, struct drift_key key)
{
    size_t first = 0, end = book->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (is_before(drift_book_at(book, middle)->key, key)) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

struct drift_item *drift_book_find(const struct drift_book *book, struct drift_key key)
{
    size_t place = place_of(book, key);
    struct drift_item *item = place < book->count ? drift_book_at(book, place) : NULL;
    return item != NULL && !is_before(key, item->key) ? item : NULL;
}

static void describe(struct drift_item *item, struct drift_key key)
{
    const struct bound_words *words = NULL;
    const struct figure_words *figure = NULL;
    switch (key.kind) {
    case DRIFT_OF_PROCESS: figure = &process_figures[key.number]; break;
    case DRIFT_OF_UPSTREAM: figure = &upstream_figures[key.number % UPSTREAM_FIGURE_COUNT]; break;
    case DRIFT_OF_BOUND:
    case DRIFT_OF_PART: words = bound_words_of(item->name); break;
    case DRIFT_KINDS: break;
    }
    if (figure != NULL) {
        item->resource = figure->resource;
        item->follows = figure->follows;
        item->least_effect = figure->least_effect;
    } else {
        bool bytes = strcmp(unit_of(item->name), "bytes") == 0;
        item->resource = words != NULL ? words->resource : RESOURCE_CONFIGURATION;
        item->follows = words != NULL ? words->follows : FOLLOWS_LOAD;
        item->least_effect = bytes ? 256 * 1024 : 8;
    }
}

struct drift_item *drift_book_add(struct drift_book *book, struct drift_key key, const char *name,
                                  const char *detail)
{
    if (book->count == DRIFT_ITEMS || book->kind_counts[key.kind] == kind_limits[key.kind]) {
        return NULL;
    }
    size_t place = place_of(book, key);
    uint16_t index = book->order[book->count];
    memmove(book->order + place + 1, book->order + place,
            (book->count - place) * sizeof book->order[0]);
    book->order[place] = index;
    book->count++;
    book->kind_counts[key.kind]++;
    struct drift_item *item = &book->items[index];
    *item = (struct drift_item){.key = key, .name = name, .limit = INFINITY};
    snprintf(item->detail, sizeof item->detail, "%s", detail != NULL ? detail : "");
    describe(item, key);
    history_init(&item->history);
    return item;
}

void drift_book_remove(struct drift_book *book, struct drift_item *item)
{
    size_t place = place_of(book, item->key);
    uint16_t index = book->order[place];
    CHECK(&book->items[index] == item);
    book->count--;
    book->kind_counts[item->key.kind]--;
    memmove(book->order + place, book->order + place + 1,
            (book->count - place) * sizeof book->order[0]);
    book->order[book->count] = index;
}

/* An upstream's figures come and go together, so one that drifts keeps the others. */
static bool may_leave(const struct drift_book *book, const struct drift_item *item)
{
    uint64_t number = item->key.number;
    if (item->key.kind != DRIFT_OF_UPSTREAM) {
        return item->drift.state != DRIFT_DRIFTING;
    }
    number -= number % UPSTREAM_FIGURE_COUNT;
    for (uint64_t i = number; i < number + UPSTREAM_FIGURE_COUNT; i++) {
        const struct drift_item *figure =
            drift_book_find(book, (struct drift_key){DRIFT_OF_UPSTREAM, i});
        if (figure != NULL && figure->drift.state == DRIFT_DRIFTING) {
            return false;
        }
    }
    return true;
}

struct drift_item *drift_book_lightest(const struct drift_book *book, enum drift_kind kind)
{
    struct drift_item *lightest = NULL;
    for (size_t i = 0; i < book->count; i++) {
        struct drift_item *item = drift_book_at(book, i);
        if (item->key.kind == kind && (lightest == NULL || item->weight < lightest->weight) &&
            may_leave(book, item)) {
            lightest = item;
        }
    }
    return lightest;
}

void drift_book_begin_round(struct drift_book *book)
{
    memset(book->least_weights, 0, sizeof book->least_weights);
}

struct drift_item *drift_book_yielding(struct drift_book *book, enum drift_kind kind, double weight)
{
    if (book->least_weights[kind] * HEAVIER >= weight) {
        return NULL;
    }
    struct drift_item *lightest = drift_book_lightest(book, kind);
    book->least_weights[kind] = lightest != NULL ? lightest->weight : INFINITY;
    return lightest != NULL && lightest->weight * HEAVIER < weight ? lightest : NULL;
}

/* ---- judgement ---- */

/* The load of the upstream that the detail names: "app", or "app/10.0.0.7:8080". */
static const struct history *load_of_upstream(const struct drift_book *book, const char *detail)
{
    size_t place = place_of(book, (struct drift_key){DRIFT_OF_UPSTREAM, 0});
    for (; place < book->count; place++) {
        const struct drift_item *item = drift_book_at(book, place);
        size_t bytes = strlen(item->detail);
        if (item->key.number % UPSTREAM_FIGURE_COUNT == FIGURE_UPSTREAM_ANSWERS &&
            strncmp(item->detail, detail, bytes) == 0 &&
            (detail[bytes] == '\0' || detail[bytes] == '/')) {
            return &item->history;
        }
    }
    return NULL;
}

static const struct history *load_of(const struct drift_book *book, const struct drift_item *item)
{
    const struct history *load =
        item->detail[0] != '\0' ? load_of_upstream(book, item->detail) : NULL;
    if (load != NULL) {
        return load;
    }
    const struct drift_item *all =
        drift_book_find(book, (struct drift_key){DRIFT_OF_PROCESS, FIGURE_REQUESTS});
    return all != NULL ? &all->history : NULL;
}

struct drift_terms drift_book_terms(const struct drift_book *book, const struct drift_item *item)
{
    /* A queue before a server that is busy for 0.75 of its time grows with the load to the power of 4; before one at 0.97, of 30. */
    static const struct {
        double power, steep_power;
    } powers[] = {[FOLLOWS_LOAD] = {3, 0}, [FOLLOWS_QUEUE] = {4, 30}};
    bool follows = item->follows == FOLLOWS_LOAD || item->follows == FOLLOWS_QUEUE;
    return (struct drift_terms){
        .limit = item->limit,
        .least_effect = item->least_effect,
        .follow = {.load = follows ? load_of(book, item) : NULL,
                   .power = follows ? powers[item->follows].power : 0,
                   .steep_power = follows ? powers[item->follows].steep_power : 0},
    };
}

enum drift_event drift_book_sample(struct drift_book *book, struct drift_item *item, uint64_t tick,
                                   double value, double limit)
{
    item->limit = limit;
    item->seen_tick = tick;
    if (isnan(value)) {
        return DRIFT_NO_EVENT;
    }
    history_add(&item->history, tick, value);
    if (item->follows == FOLLOWS_FULL) {
        return DRIFT_NO_EVENT;
    }
    const struct drift_terms terms = drift_book_terms(book, item);
    return drift_note(&item->drift, &item->history, &terms);
}

struct drift_estimate drift_book_estimate(const struct drift_book *book,
                                          const struct drift_item *item)
{
    const struct drift_terms terms = drift_book_terms(book, item);
    return drift_estimate(&item->drift, &item->history, &terms);
}
