/*
 * The drift book: a history for each figure that is watched, and the judgement about it.
 *
 * There are at most DRIFT_ITEMS histories, whatever the configuration: all bounds and figures of the process, and those upstreams, endpoints
 * and shards that are used most. control/drift_watch fills it at each tick; pages and metrics read it.
 *
 * Owns: its histories (about 0.5 MiB if all are used; memory of those that are not is never touched). Thread: control. Time base: ticks, see history.h.
 * Errors: a full book takes no further history.
 */
#ifndef EVENKEEL_PROXY_ADMIN_DRIFT_BOOK_H
#define EVENKEEL_PROXY_ADMIN_DRIFT_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/admin/resources.h"
#include "steady/bound.h"
#include "steady/drift.h"

#define DRIFT_ITEMS 320
#define DRIFT_DETAIL_BYTES 96

/* Of what a history is; with a number that is unique within the kind. */
enum drift_kind {
    DRIFT_OF_PROCESS,  /* enum process_figure */
    DRIFT_OF_BOUND,    /* struct bound.number: a bound without a detail */
    DRIFT_OF_PART,     /* likewise, with a detail: of an upstream, an endpoint, a shard */
    DRIFT_OF_UPSTREAM, /* upstream_number() * UPSTREAM_FIGURE_COUNT + enum upstream_figure */
    DRIFT_KINDS
};
struct drift_key {
    enum drift_kind kind;
    uint64_t number;
};

static inline struct drift_key drift_key_of_bound(const struct bound *bound)
{
    return (struct drift_key){bound->detail == NULL ? DRIFT_OF_BOUND : DRIFT_OF_PART,
                              bound->number};
}

struct drift_item {
    struct drift_key key;
    const char *name;                /* static */
    char detail[DRIFT_DETAIL_BYTES]; /* "": none */
    enum resource resource;
    enum follows follows;
    double limit, least_effect;
    uint64_t seen_tick; /* of the last sample, or of the last time when there was none to take */
    double weight;      /* how much it is used, compared with others of its kind */
    struct drift drift;
    struct history history;
};

struct drift_book;
/* NULL: no memory. interval_ms: length of a tick. */
struct drift_book *drift_book_create(uint64_t interval_ms);
void drift_book_free(struct drift_book **book);
uint64_t drift_book_interval_ms(const struct drift_book *book);

/* NULL: there is none. */
struct drift_item *drift_book_find(const struct drift_book *book, struct drift_key key);
size_t drift_book_count(const struct drift_book *book);
/* In the order of their keys; index below the count. */
struct drift_item *drift_book_at(const struct drift_book *book, size_t index);

/* Begins a history; it has no sample yet. NULL: the kind has as many as it may. The detail is copied. */
struct drift_item *drift_book_add(struct drift_book *book, struct drift_key key, const char *name,
                                  const char *detail);
void drift_book_remove(struct drift_book *book, struct drift_item *item);
/* Of the kind, the item with the least weight that does not drift, nor, of an upstream, any other of its figures; NULL: there is none. */
struct drift_item *drift_book_lightest(const struct drift_book *book, enum drift_kind kind);

/* Weights are about to be changed, which they are once in a round. */
void drift_book_begin_round(struct drift_book *book);
/* Of the kind, the item that gives its place to one of this weight; NULL: none. For as many as ask in a round, whoever may not have a
   place costs no search. */
struct drift_item *drift_book_yielding(struct drift_book *book, enum drift_kind kind,
                                       double weight);

/* The judgement's terms for an item: what it follows is the load of its upstream, if that is watched, else that of the process. */
struct drift_terms drift_book_terms(const struct drift_book *book, const struct drift_item *item);
/* A sample; the value's limit may change from one to the next. NaN: there is nothing to sample. */
enum drift_event drift_book_sample(struct drift_book *book, struct drift_item *item, uint64_t tick,
                                   double value, double limit);
struct drift_estimate drift_book_estimate(const struct drift_book *book,
                                          const struct drift_item *item);

#endif
