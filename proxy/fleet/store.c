/* Connecting to a store again and again, and asking it. */
#include "proxy/fleet/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "proxy/fleet/store_access.h"
#include "proxy/fleet/store_link.h"
#include "proxy/fleet/store_words.h"
#include "steady/check.h"
#include "steady/loop_clock.h"

/* Addresses of one name that are tried. */
#define ADDRESSES_MOST 16
#define ERROR_BYTES 128
/* A fault that comes and goes is told of at most once in this time. */
#define TELL_MS 10000
/* One question may be refused while others are answered: this is over when none has been for so long, which is longer than any
   question that is asked all the time stays away. */
#define REFUSED_KEPT_MS 5000
/* Bytes that are read at a time. */
#define READ_BYTES (16u << 10)

/* A question that waits for its answer. */
struct asked {
    TAILQ_ENTRY(asked) link;
    uint64_t asked_us;
    store_answer_fn *answer;
    void *owner;
};
TAILQ_HEAD(asked_list, asked);

struct store_address {
    struct address address;
    const char *host; /* whose certificate is expected */
};

struct store {
    struct store_env env;
    struct settings *settings; /* NULL: off */
    struct store_access *access;
    struct store_link link;
    struct store_reader *reader; /* of the connection */
    struct store_words unsent;
    struct asked_list asked;
    struct event *timer;
    struct address primary; /* that a sentinel has named; family 0: none */
    size_t place;           /* index of the address that is tried, over all names */
    uint64_t pause_ms;
    char error[ERROR_BYTES], at[ADDRESS_TEXT_BYTES];
    uint64_t state_since_ms, answered_ms, told_ms[STORE_FAULT_COUNT];
    uint64_t refused_ms; /* when a question was refused last, but not the connection; 0: never */
    struct store_figures figures;
};

ENUM_NAME_FUNCTION(store_state_name, enum store_state, STORE_STATES)
ENUM_NAME_FUNCTION(store_fault_name, enum store_fault, STORE_FAULTS)
ENUM_DETAIL_FUNCTION(store_fault_help, enum store_fault, STORE_FAULTS)

static void on_event(evutil_socket_t fd, short what, void *owner);
static void on_timer(evutil_socket_t fd, short what, void *owner);
static void on_greeting(const struct store_reply *reply, void *owner);
static void on_primary(const struct store_reply *reply, void *owner);

static const struct fleet_settings *fleet_of(const struct store *store)
{
    return &store->settings->fleet;
}

/* ---- states ---- */

/* The one place where the state changes. within_ms: when the timer looks at it. */
static void enter(struct store *store, enum store_state state, uint64_t within_ms)
{
    const struct timeval wait = {(time_t)(within_ms / 1000),
                                 (suseconds_t)(within_ms % 1000) * 1000};
    store->figures.state = state;
    store->state_since_ms = loop_clock_now_ms();
    if (state == STORE_OFF || state == STORE_READY) {
        event_del(store->timer);
    } else {
        event_add(store->timer, &wait);
    }
}

/* Tells all who wait that there is no answer. They may ask again, which is refused by now. */
static void answer_nothing(struct store *store)
{
    struct asked_list gone = TAILQ_HEAD_INITIALIZER(gone);
    struct asked *asked;
    TAILQ_CONCAT(&gone, &store->asked, link);
    store->figures.waiting_count = 0;
    while ((asked = TAILQ_FIRST(&gone)) != NULL) {
        TAILQ_REMOVE(&gone, asked, link);
        store->figures.unanswered_count++;
        asked->answer(NULL, asked->owner);
        free(asked);
    }
}

static void disconnect(struct store *store)
{
    store_link_close(&store->link);
    store_reader_free(&store->reader);
    store_words_release(&store->unsent);
}

static void note_fault(struct store *store, enum store_fault fault, const char *error)
{
    uint64_t now_ms = loop_clock_now_ms();
    bool news = store->figures.fault != fault &&
                (store->told_ms[fault] == 0 || now_ms - store->told_ms[fault] >= TELL_MS);
    store->figures.fault = fault;
    store->figures.faults_count[fault]++;
    snprintf(store->error, sizeof store->error, "%s", error);
    store->told_ms[fault] = news ? now_ms : store->told_ms[fault];
    if (news && fault != STORE_FAULT_NONE) {
        log_warn(store->env.log, "fleet: store %s: %s: %s%s%s", store->at, store_fault_name(fault),
                 store_fault_help(fault), *error != '\0' ? ": " : "", error);
    } else if (news) {
        log_info(store->env.log, "fleet: store %s answers", store->at);
    }
}

/* The connection is of no use; another address is tried after a pause. */
static void fail(struct store *store, enum store_fault fault, const char *error)
{
    note_fault(store, fault, error);
    disconnect(store);
    store->primary = (struct address){.length = 0};
    store->place++;
    store->pause_ms =
        store->pause_ms < STORE_PAUSE_LEAST_MS ? STORE_PAUSE_LEAST_MS : store->pause_ms * 2;
    if (store->pause_ms > STORE_PAUSE_MOST_MS) {
        store->pause_ms = STORE_PAUSE_MOST_MS;
    }
    enter(store, STORE_PAUSING, rng_jitter(store->env.rng, store->pause_ms, 0.25));
    answer_nothing(store);
}

/* ---- where to ---- */

static size_t addresses_of(const struct store *store, const struct endpoint_settings *place,
                           struct named_address found[ADDRESSES_MOST])
{
    if (place->local) {
        return address_from_path(place->host, &found[0].address);
    }
    return place->literal
               ? address_from_host(place->host, strlen(place->host), place->port, &found[0].address)
               : store->env.addresses(store->env.names, place, found, ADDRESSES_MOST);
}

/* The address with this number over all names of the list; else *ret_count is how many there are. */
static bool find_numbered(struct store *store, const struct endpoint_settings *list, size_t count,
                          size_t number, struct store_address *ret_found, size_t *ret_count)
{
    struct named_address found[ADDRESSES_MOST];
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = addresses_of(store, &list[i], found);
        if (number - *ret_count < n) {
            *ret_found = (struct store_address){found[number - *ret_count].address, list[i].host};
            return true;
        }
        *ret_count += n;
    }
    return false;
}

/* The address whose turn it is. False: no name has one. */
static bool find_place(struct store *store, const struct endpoint_settings *list, size_t count,
                       struct store_address *ret_found)
{
    size_t total;
    if (find_numbered(store, list, count, store->place, ret_found, &total)) {
        return true;
    }
    return total > 0 && find_numbered(store, list, count, store->place % total, ret_found, &total);
}

static bool asks_sentinel(const struct store *store)
{
    return fleet_of(store)->sentinel_count > 0 && store->primary.length == 0;
}

static bool choose_place(struct store *store, struct store_address *ret_found)
{
    const struct fleet_settings *fleet = fleet_of(store);
    if (store->primary.length != 0) {
        *ret_found = (struct store_address){store->primary, fleet->name};
        return true;
    }
    return asks_sentinel(store)
               ? find_place(store, fleet->sentinels, fleet->sentinel_count, ret_found)
               : find_place(store, fleet->stores, fleet->store_count, ret_found);
}

static void dial(struct store *store)
{
    struct store_address found;
    if (!choose_place(store, &found)) {
        fail(store, STORE_FAULT_NO_ADDRESS, "");
        return;
    }
    address_format(&found.address.any, store->at);
    store->reader = store_reader_create();
    const char *name = fleet_of(store)->tls.server_name;
    const struct store_place place = {.address = &found.address,
                                      .tls = store_access_tls(store->access),
                                      .name = *name != '\0' ? name : found.host};
    enum store_fault fault = store->reader == NULL ? STORE_FAULT_NO_MEMORY
                                                   : store_link_open(&store->link, store->env.base,
                                                                     &place, on_event, store);
    if (fault != STORE_FAULT_NONE) {
        fail(store, fault, "");
        return;
    }
    store->figures.connections_count++;
    enter(store, STORE_DIALLING, fleet_of(store)->timeout_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
    struct store *store = owner;
    (void)fd, (void)what;
    if (store->figures.state == STORE_PAUSING) {
        dial(store);
    } else {
        fail(store, STORE_FAULT_TIMEOUT, "");
    }
}

/* ---- asking ---- */

static bool ask(struct store *store, const struct store_word *words, size_t count,
                store_answer_fn *answer, void *owner)
{
    struct asked *asked =
        store->figures.waiting_count < STORE_ASKED_MOST ? calloc(1, sizeof *asked) : NULL;
    if (asked == NULL || !store_words_add(&store->unsent, words, count, STORE_UNSENT_BYTES_MOST)) {
        free(asked);
        return false;
    }
    *asked = (struct asked){.asked_us = loop_clock_now_us(), .answer = answer, .owner = owner};
    TAILQ_INSERT_TAIL(&store->asked, asked, link);
    store->figures.waiting_count++;
    store->figures.asked_count++;
    event_active(&store->link.event, EV_WRITE, 1);
    return true;
}

bool store_ask(struct store *store, const struct store_word *words, size_t count,
               store_answer_fn *answer, void *owner)
{
    return store->figures.state == STORE_READY && ask(store, words, count, answer, owner);
}

/* What has to be said first. */
static void greet(struct store *store)
{
    const char *user = fleet_of(store)->user, *password = store_access_password(store->access);
    const struct store_word with_user[] = {STORE_WORD_TEXT("AUTH"), STORE_WORD_TEXT(user),
                                           STORE_WORD_TEXT(password)};
    const struct store_word alone[] = {STORE_WORD_TEXT("AUTH"), STORE_WORD_TEXT(password)};
    const struct store_word ping[] = {STORE_WORD_TEXT("PING")};
    const struct store_word where[] = {STORE_WORD_TEXT("SENTINEL"),
                                       STORE_WORD_TEXT("get-master-addr-by-name"),
                                       STORE_WORD_TEXT(fleet_of(store)->sentinel_name)};
    bool asked;
    enter(store, STORE_GREETING, fleet_of(store)->timeout_ms);
    if (asks_sentinel(store)) {
        asked = ask(store, where, 3, on_primary, store);
    } else if (*password == '\0') {
        asked = ask(store, ping, 1, on_greeting, store);
    } else {
        asked = *user != '\0' ? ask(store, with_user, 3, on_greeting, store)
                              : ask(store, alone, 2, on_greeting, store);
    }
    if (!asked) {
        fail(store, STORE_FAULT_NO_MEMORY, "");
    }
}

/* ---- answers ---- */

/* How the store says that something is wrong: X(first word, fault, whether the connection is of no use) */
#define STORE_ERRORS(X)                          \
    X("NOAUTH", STORE_FAULT_PASSWORD, true)      \
    X("WRONGPASS", STORE_FAULT_PASSWORD, true)   \
    X("NOPERM", STORE_FAULT_FORBIDDEN, false)    \
    X("READONLY", STORE_FAULT_READ_ONLY, true)   \
    X("MASTERDOWN", STORE_FAULT_READ_ONLY, true) \
    X("LOADING", STORE_FAULT_LOADING, true)      \
    X("OOM", STORE_FAULT_FULL, false)            \
    X("MISCONF", STORE_FAULT_FULL, false)        \
    X("NOSCRIPT", STORE_FAULT_NONE, false)

struct error_row {
    const char *word;
    enum store_fault fault;
    bool ends;
};

static struct error_row judge_error(const struct store_reply *reply)
{
    static const struct error_row rows[] = {
#define X(word, fault, ends) {word, fault, ends},
        STORE_ERRORS(X)
#undef X
    };
    char within[32];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t bytes = strlen(rows[i].word);
        /* what happened to a script of older servers stands behind what they say of the script */
        snprintf(within, sizeof within, "-%s ", rows[i].word);
        if ((strncmp(reply->text, rows[i].word, bytes) == 0 &&
             (reply->text[bytes] == ' ' || reply->text[bytes] == '\0')) ||
            strstr(reply->text, within) != NULL) {
            return rows[i];
        }
    }
    return (struct error_row){"", STORE_FAULT_COMMAND, false};
}

static void note_answer(struct store *store, const struct store_reply *reply, bool *ret_ends)
{
    struct error_row row = {"", STORE_FAULT_NONE, false};
    if (reply->kind == STORE_REPLY_ERROR) {
        row = judge_error(reply);
    } else {
        store->pause_ms = 0;
    }
    *ret_ends = row.ends;
    if (row.fault != STORE_FAULT_NONE) {
        store->refused_ms = row.ends ? store->refused_ms : loop_clock_now_ms();
        note_fault(store, row.fault, reply->text);
    } else if (store->refused_ms == 0 ||
               loop_clock_now_ms() - store->refused_ms >= REFUSED_KEPT_MS) {
        note_fault(store, STORE_FAULT_NONE, "");
    }
}

static void on_greeting(const struct store_reply *reply, void *owner)
{
    struct store *store = owner;
    if (reply == NULL) {
        return;
    }
    if (reply->kind == STORE_REPLY_ERROR) {
        struct error_row row = judge_error(reply);
        /* a PING that this user may not send is an answer, too */
        if (row.fault != STORE_FAULT_FORBIDDEN) {
            fail(store, row.fault == STORE_FAULT_COMMAND ? STORE_FAULT_PASSWORD : row.fault,
                 reply->text);
            return;
        }
    }
    enter(store, STORE_READY, 0);
    store->env.on_ready(store->env.owner);
}

/* A sentinel says where the primary is: host and port. */
static void on_primary(const struct store_reply *reply, void *owner)
{
    struct store *store = owner;
    struct address primary;
    if (reply == NULL) {
        return;
    }
    if (reply->kind != STORE_REPLY_LIST || reply->count != 2 ||
        reply->items[0].kind != STORE_REPLY_TEXT || reply->items[1].kind != STORE_REPLY_TEXT ||
        !address_from_host(reply->items[0].text, reply->items[0].bytes,
                           (uint16_t)strtoul(reply->items[1].text, NULL, 10), &primary)) {
        fail(store, STORE_FAULT_NO_PRIMARY, reply->kind == STORE_REPLY_ERROR ? reply->text : "");
        return;
    }
    disconnect(store);
    store->primary = primary;
    dial(store);
}

/* Tells whoever asked first. False: the connection has ended. */
static bool take_answer(struct store *store, struct store_reply *reply)
{
    struct asked *asked = TAILQ_FIRST(&store->asked);
    bool ends = false;
    if (asked == NULL) {
        fail(store, STORE_FAULT_RUBBISH, "an answer that nobody asked for");
        return false;
    }
    TAILQ_REMOVE(&store->asked, asked, link);
    store->figures.waiting_count--;
    store->figures.round_trip_us = loop_clock_now_us() - asked->asked_us;
    store->figures.slow_count += store->figures.round_trip_us > STORE_SLOW_US;
    store->answered_ms = loop_clock_now_ms();
    bool ready = store->figures.state == STORE_READY;
    if (ready) {
        note_answer(store, reply, &ends);
    }
    uint64_t connection = store->figures.connections_count;
    asked->answer(reply, asked->owner);
    free(asked);
    if (ends && connection == store->figures.connections_count &&
        store->figures.state == STORE_READY) {
        fail(store, store->figures.fault, store->error);
        return false;
    }
    return connection == store->figures.connections_count && store->reader != NULL;
}

static void take_answers(struct store *store)
{
    struct store_reply *reply = NULL;
    for (;;) {
        enum store_read_result result = store_reader_take(store->reader, &reply);
        if (result == STORE_READ_MORE) {
            return;
        }
        if (result == STORE_READ_RUBBISH) {
            fail(store, STORE_FAULT_RUBBISH, "");
            return;
        }
        bool goes_on = take_answer(store, reply);
        store_reply_free(&reply);
        if (!goes_on) {
            return;
        }
    }
}

/* ---- bytes ---- */

static void receive(struct store *store)
{
    char space[READ_BYTES];
    size_t got;
    uint64_t connection = store->figures.connections_count;
    while (store->reader != NULL && connection == store->figures.connections_count) {
        enum stream_result result = stream_recv(&store->link.stream, space, sizeof space, &got);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            fail(store, STORE_FAULT_BROKEN, "");
        } else if (!store_reader_feed(store->reader, space, got)) {
            fail(store, STORE_FAULT_NO_MEMORY, "");
        } else {
            take_answers(store);
        }
    }
}

static void transmit(struct store *store)
{
    while (store->reader != NULL &&
           (store_words_left(&store->unsent) > 0 || stream_unsent(&store->link.stream))) {
        const struct iovec piece = store_words_next(&store->unsent);
        size_t sent = 0;
        enum stream_result result = stream_send(&store->link.stream, &piece, 1, &sent);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            fail(store, STORE_FAULT_BROKEN, "");
            return;
        }
        store_words_sent(&store->unsent, sent);
    }
}

static void on_event(evutil_socket_t fd, short what, void *owner)
{
    struct store *store = owner;
    enum store_fault fault = STORE_FAULT_NONE;
    bool done = false;
    (void)fd;
    if (store->figures.state == STORE_DIALLING && (what & EV_WRITE) != 0) {
        fault = store_link_connected(&store->link, store->env.scratch);
        if (fault == STORE_FAULT_NONE && store->link.secure) {
            enter(store, STORE_SHAKING, fleet_of(store)->timeout_ms);
        } else if (fault == STORE_FAULT_NONE) {
            greet(store);
        }
    }
    if (fault == STORE_FAULT_NONE && store->figures.state == STORE_SHAKING) {
        fault = store_link_shake(&store->link, &done);
        if (done) {
            greet(store);
        }
    }
    if (fault != STORE_FAULT_NONE) {
        fail(store, fault,
             fault == STORE_FAULT_TLS ? tls_failure_name(stream_failure(&store->link.stream)) : "");
        return;
    }
    if (store->figures.state == STORE_GREETING || store->figures.state == STORE_READY) {
        transmit(store);
        receive(store);
    }
}

/* ---- its life ---- */

struct store *store_create(const struct store_env *env)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->env = *env;
    TAILQ_INIT(&store->asked);
    store_link_init(&store->link, env->fds);
    store->timer = event_new(env->base, -1, 0, on_timer, store);
    if (store->timer == NULL) {
        free(store);
        return NULL;
    }
    return store;
}

static void switch_off(struct store *store)
{
    disconnect(store);
    enter(store, STORE_OFF, 0);
    answer_nothing(store);
    store_access_free(&store->access);
    if (store->settings != NULL) {
        settings_put(&store->settings);
    }
}

void store_free(struct store **store_pointer)
{
    struct store *store = *store_pointer;
    *store_pointer = NULL;
    if (store == NULL) {
        return;
    }
    struct asked *asked;
    while ((asked = TAILQ_FIRST(&store->asked)) != NULL) {
        TAILQ_REMOVE(&store->asked, asked, link);
        free(asked);
    }
    switch_off(store);
    event_free(store->timer);
    free(store);
}

void store_follow(struct store *store, struct settings *settings, struct store_access **access)
{
    switch_off(store);
    if (settings == NULL) {
        return;
    }
    store->settings = settings_get(settings);
    store->access = *access;
    *access = NULL;
    store->primary = (struct address){.length = 0};
    store->pause_ms = 0;
    store->refused_ms = 0;
    enter(store, STORE_PAUSING, 0);
}

void store_housekeeping(struct store *store)
{
    const struct asked *first = TAILQ_FIRST(&store->asked);
    if (store->figures.state == STORE_READY && first != NULL &&
        loop_clock_now_us() - first->asked_us > fleet_of(store)->timeout_ms * 1000) {
        fail(store, STORE_FAULT_TIMEOUT, "");
    }
}

void store_figures(const struct store *store, struct store_figures *ret_figures)
{
    uint64_t now_ms = loop_clock_now_ms();
    *ret_figures = store->figures;
    ret_figures->error = store->error;
    ret_figures->at = store->at;
    ret_figures->state_age_ms = now_ms - store->state_since_ms;
    ret_figures->answered_ago_ms =
        store->answered_ms != 0 ? now_ms - store->answered_ms : UINT64_MAX;
    ret_figures->unsent_bytes = store_words_left(&store->unsent);
}
