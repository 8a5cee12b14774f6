/* Asking the store for tokens, and giving them back. */
#include "proxy/fleet/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/rate_lease.h"
#include "proxy/fleet/rate_script.h"
#include "steady/loop_clock.h"

/* The time between two questions varies by so much, so that no replica always comes behind another. */
#define PERIOD_JITTER_MS 20
/* Questions by which all is given back at an end. */
#define LEAVE_QUESTIONS_MOST 16

ENUM_NAME_FUNCTION(fleet_rate_state_name, enum fleet_rate_state, FLEET_RATE_STATES)
ENUM_DETAIL_FUNCTION(fleet_rate_state_help, enum fleet_rate_state, FLEET_RATE_STATES)

struct rate_limit {
    TAILQ_ENTRY(rate_limit) link;
    struct fleet *fleet;
    struct rate_leases *leases; /* NULL: it is gone, and waits for its last answer only */
    struct rate_settings whole;
    char name[TOKEN_TEXT_BYTES]; /* in names of keys */
    struct rate_entry *entries;  /* [RATES_BATCH_MOST]: what is asked, until it is answered */
    size_t entry_count;
    bool asked, asked_by_name;         /* an answer has not come; the script was named, not sent */
    bool heard;                        /* the last answer was good */
    bool kept;                         /* by the generation that begins to serve */
    struct fleet_rate_figures figures; /* owns the route's name */
};

static unsigned replica_count(const struct fleet *fleet)
{
    return fleet->rates.replica_count > 0 ? fleet->rates.replica_count : 1;
}

static struct rate_lease_terms terms_of(const struct rate_limit *limit)
{
    return (struct rate_lease_terms){.per_second = limit->whole.per_second,
                                     .burst = limit->whole.burst,
                                     .replica_count = replica_count(limit->fleet)};
}

/* ---- asking ---- */

static void on_answer(const struct store_reply *reply, void *owner);

/* Sends what the entries say. False: the store is not ready. */
static bool say(struct rate_limit *limit, bool by_name, store_answer_fn *answer)
{
    struct fleet *fleet = limit->fleet;
    const struct rate_lease_terms terms = terms_of(limit);
    char prefix[FLEET_KEY_BYTES];
    const struct store_word *words;
    size_t count;
    fleet_key(fleet, "rate:", prefix);
    const struct rate_question question = {.command = by_name ? "EVALSHA" : "EVAL",
                                           .script =
                                               by_name ? fleet->rates.script_name : rate_script(),
                                           .prefix = prefix,
                                           .limit_name = limit->name,
                                           .key = &fleet->key,
                                           .terms = &terms,
                                           .entries = limit->entries,
                                           .entry_count = limit->entry_count};
    return rate_question_make(fleet->rates.space, &question, &words, &count) &&
           store_ask(fleet->store, words, count, answer, limit);
}

static void ask(struct rate_limit *limit)
{
    limit->asked_by_name = limit->fleet->rates.script_use == RATE_SCRIPT_NAMED;
    limit->asked = say(limit, limit->asked_by_name, on_answer);
    limit->figures.asked_count += limit->asked;
    limit->heard = limit->heard && limit->asked;
    limit->entry_count = limit->asked ? limit->entry_count : 0;
}

static void note(struct rate_limit *limit, const struct rate_lease_word *word)
{
    limit->figures.used_count += word->used_count;
    limit->figures.returned_count += word->back_count;
}

/* ---- looking at keys ---- */

struct look {
    struct rate_limit *limit;
    struct rate_lease_terms terms;
    uint64_t now_us;
    bool says;    /* what is found can be said to the store */
    bool returns; /* all that was lent is given back */
};

static enum rate_lease_visit look_at(struct rate_lease *lease, void *owner)
{
    const struct look *look = owner;
    struct rate_limit *limit = look->limit;
    bool busy;
    if (limit->entry_count == RATES_BATCH_MOST) {
        return RATE_LEASE_LATER;
    }
    const struct rate_lease_seen seen = rate_lease_look(limit->leases, lease, look->now_us);
    struct rate_lease_word word = rate_lease_decide(&look->terms, &lease->memory, &seen,
                                                    (uint32_t)(look->now_us / 1000), &busy);
    limit->figures.taken_count += seen.taken_count;
    if (!look->says) {
        return busy ? RATE_LEASE_BUSY : RATE_LEASE_IDLE;
    }
    word.back_count = rate_lease_take_back(lease, look->returns ? UINT32_MAX : word.back_count);
    word.want_count = look->returns ? 0 : word.want_count;
    if (word.used_count + word.back_count + word.want_count > 0) {
        limit->entries[limit->entry_count++] =
            (struct rate_entry){.lease = lease, .key = lease->memory.key, .word = word};
        note(limit, &word);
    }
    return busy ? RATE_LEASE_BUSY : RATE_LEASE_IDLE;
}

/* Makes entries of what has happened. False: there is more than one question takes. */
static bool collect(struct rate_limit *limit, bool says, bool returns)
{
    struct look look = {.limit = limit,
                        .terms = terms_of(limit),
                        .now_us = loop_clock_now_us(),
                        .says = says,
                        .returns = returns};
    limit->entry_count = 0;
    return rate_leases_visit(limit->leases, look_at, &look);
}

static void set_share(struct rate_limit *limit)
{
    const struct rate_settings share = rate_lease_share(&limit->whole, replica_count(limit->fleet));
    const struct token_rate rate = token_rate(&share);
    rate_leases_set_share(limit->leases, &rate);
    limit->figures.share_per_second = share.per_second;
}

static bool store_is_ready(const struct fleet *fleet)
{
    struct store_figures figures;
    store_figures(fleet->store, &figures);
    return fleet->settings != NULL && figures.state == STORE_READY;
}

/* Of a limit that has nothing to ask: whether it would be answered. An error of its own is that of another part's key. */
static bool store_would_answer(const struct fleet *fleet)
{
    struct store_figures figures;
    store_figures(fleet->store, &figures);
    return store_is_ready(fleet) &&
           (figures.fault == STORE_FAULT_NONE || figures.fault == STORE_FAULT_COMMAND);
}

static void step(struct rate_limit *limit)
{
    bool ready = store_is_ready(limit->fleet);
    limit->heard = limit->heard && ready;
    limit->figures.put_off_count += !collect(limit, ready, limit->fleet->rates.leaving);
    if (limit->entry_count > 0) {
        ask(limit);
    } else {
        limit->heard = store_would_answer(limit->fleet);
    }
}

static void arm(struct fleet *fleet)
{
    uint64_t wait_ms = RATE_LEASE_PERIOD_MS + rng_below(fleet->env.store.rng, PERIOD_JITTER_MS + 1);
    const struct timeval wait = {0, (suseconds_t)wait_ms * 1000};
    event_add(fleet->rates.timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
    struct fleet *fleet = owner;
    struct rate_limit *limit;
    (void)fd, (void)what;
    TAILQ_FOREACH (limit, &fleet->rates.limits, link) {
        if (limit->leases != NULL) {
            set_share(limit);
            if (!limit->asked) {
                step(limit);
            }
        }
    }
    arm(fleet);
}

/* ---- answers ---- */

static void drop(struct rate_limit *limit)
{
    TAILQ_REMOVE(&limit->fleet->rates.limits, limit, link);
    free((char *)(uintptr_t)limit->figures.route);
    free(limit->entries);
    free(limit);
}

/* How the script is said after an answer. */
static enum rate_script_use script_use(const struct rate_limit *limit,
                                       const struct store_reply *reply)
{
    static const char no_script[] = "NOSCRIPT";
    enum rate_script_use present = limit->fleet->rates.script_use;
    if (reply == NULL || present == RATE_SCRIPT_ALWAYS_SENT) {
        return present;
    }
    if (reply->kind != STORE_REPLY_ERROR) {
        return RATE_SCRIPT_NAMED;
    }
    bool known = strncmp(reply->text, no_script, sizeof no_script - 1) != 0;
    return known && limit->asked_by_name ? RATE_SCRIPT_ALWAYS_SENT : RATE_SCRIPT_SENT;
}

static void take_answer(struct rate_limit *limit, const struct rate_entry *entry,
                        const struct store_reply *item, uint32_t now_ms)
{
    struct rate_lease_memory *memory = &entry->lease->memory;
    if (item->kind != STORE_REPLY_NUMBER || memory->key != entry->key) {
        return;
    }
    uint32_t lent = rate_lease_answer(memory, entry->word.want_count, item->number, now_ms);
    rate_lease_lend(entry->lease, entry->key, lent);
    limit->figures.lent_count += lent;
}

static void on_answer(const struct store_reply *reply, void *owner)
{
    struct rate_limit *limit = owner;
    limit->asked = false;
    if (limit->leases == NULL) {
        drop(limit);
        return;
    }
    limit->fleet->rates.script_use = script_use(limit, reply);
    if (reply != NULL && limit->asked_by_name &&
        limit->fleet->rates.script_use != RATE_SCRIPT_NAMED) {
        ask(limit); /* the same, with the whole script */
        return;
    }
    limit->heard =
        reply != NULL && reply->kind == STORE_REPLY_LIST && reply->count == limit->entry_count;
    limit->figures.unanswered_count += !limit->heard;
    uint32_t now_ms = (uint32_t)loop_clock_now_ms();
    for (size_t i = 0; limit->heard && i < limit->entry_count; i++) {
        take_answer(limit, &limit->entries[i], &reply->items[i], now_ms);
    }
    limit->entry_count = 0;
}

/* ---- ends ---- */

static void on_returned(const struct store_reply *reply, void *owner)
{
    (void)reply, (void)owner;
}

/* What is on its way keeps its entries: what it brings is lost, or given back the next time. */
static void give_back(struct rate_limit *limit)
{
    bool over = limit->asked || !store_is_ready(limit->fleet);
    for (unsigned i = 0; i < LEAVE_QUESTIONS_MOST && !over; i++) {
        over = collect(limit, true, true);
        over = limit->entry_count == 0 || !say(limit, false, on_returned) || over;
    }
    limit->entry_count = limit->asked ? limit->entry_count : 0;
}

void rates_leave(struct fleet *fleet)
{
    struct rate_limit *limit;
    fleet->rates.leaving = true;
    TAILQ_FOREACH (limit, &fleet->rates.limits, link) {
        if (limit->leases != NULL) {
            give_back(limit);
        }
    }
}

void rates_note_replicas(struct fleet *fleet, uint64_t count)
{
    fleet->rates.replica_count = count < UINT32_MAX ? (unsigned)count : UINT32_MAX;
}

/* ---- which limits there are ---- */

void fleet_rates_begin(struct fleet *fleet)
{
    struct rate_limit *limit;
    fleet->rates.script_use = RATE_SCRIPT_SENT; /* the store may be another */
    TAILQ_FOREACH (limit, &fleet->rates.limits, link) {
        limit->kept = false;
    }
}

static struct rate_limit *find(struct fleet *fleet, const struct fleet_rate *rate)
{
    struct rate_limit *limit;
    TAILQ_FOREACH (limit, &fleet->rates.limits, link) {
        if (limit->leases == rate->leases) {
            return limit;
        }
    }
    return NULL;
}

static struct rate_limit *create(struct fleet *fleet, const struct fleet_rate *rate)
{
    struct rate_limit *limit = calloc(1, sizeof *limit);
    if (limit == NULL) {
        return NULL;
    }
    *limit = (struct rate_limit){
        .fleet = fleet,
        .leases = rate->leases,
        .entries = calloc(RATES_BATCH_MOST, sizeof *limit->entries),
        .figures = {.route = strdup(rate->route), .kind = rate->kind},
    };
    if (limit->entries == NULL || limit->figures.route == NULL) {
        free(limit->entries);
        free((char *)(uintptr_t)limit->figures.route);
        free(limit);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&fleet->rates.limits, limit, link);
    return limit;
}

/* Names are others under another key. */
static bool name_limit(struct rate_limit *limit)
{
    char *text;
    if (asprintf(&text, "rate %s %s", admission_rate_name(limit->figures.kind),
                 limit->figures.route) < 0) {
        return false;
    }
    bool named = token_make(&limit->fleet->key, text, limit->name);
    free(text);
    return named;
}

bool fleet_rates_add(struct fleet *fleet, const struct fleet_rate *rate)
{
    struct rate_limit *limit = find(fleet, rate);
    limit = limit != NULL ? limit : create(fleet, rate);
    if (limit == NULL || !name_limit(limit)) {
        return false;
    }
    limit->kept = true;
    limit->whole = *rate->whole;
    limit->figures.per_second = rate->whole->per_second;
    set_share(limit);
    return true;
}

void fleet_rates_end(struct fleet *fleet)
{
    struct rate_limit *limit, *next;
    for (limit = TAILQ_FIRST(&fleet->rates.limits); limit != NULL; limit = next) {
        next = TAILQ_NEXT(limit, link);
        if (limit->kept || limit->leases == NULL) {
            continue;
        }
        limit->leases = NULL;
        if (!limit->asked) {
            drop(limit);
        }
    }
    if (TAILQ_EMPTY(&fleet->rates.limits)) {
        event_del(fleet->rates.timer);
    } else if (!event_pending(fleet->rates.timer, EV_TIMEOUT, NULL)) {
        arm(fleet);
    }
}

/* ---- its life ---- */

bool rates_init(struct fleet *fleet)
{
    TAILQ_INIT(&fleet->rates.limits);
    fleet->rates.timer = event_new(fleet->env.store.base, -1, 0, on_timer, fleet);
    fleet->rates.space = rates_space_create(RATES_BATCH_MOST);
    return fleet->rates.timer != NULL && fleet->rates.space != NULL &&
           sha1_text(rate_script(), fleet->rates.script_name);
}

void rates_release(struct fleet *fleet)
{
    struct rate_limit *limit;
    while ((limit = TAILQ_FIRST(&fleet->rates.limits)) != NULL) {
        drop(limit);
    }
    rates_space_free(&fleet->rates.space);
    if (fleet->rates.timer != NULL) {
        event_free(fleet->rates.timer);
    }
}

/* ---- figures ---- */

static enum fleet_rate_state state_of(const struct rate_limit *limit)
{
    return limit->fleet->rates.replica_count == 0 ? FLEET_RATE_UNKNOWN
           : limit->heard                         ? FLEET_RATE_LEASING
                                                  : FLEET_RATE_CUT_OFF;
}

bool fleet_rate_figures(const struct fleet *fleet, size_t number,
                        struct fleet_rate_figures *ret_figures)
{
    const struct rate_limit *limit;
    TAILQ_FOREACH (limit, &fleet->rates.limits, link) {
        if (limit->leases != NULL && number-- == 0) {
            *ret_figures = limit->figures;
            ret_figures->state = state_of(limit);
            ret_figures->replica_count = replica_count(fleet);
            return true;
        }
    }
    return false;
}
