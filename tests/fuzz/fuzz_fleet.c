/*
 * Any content of a store: a replica reads it without harm, also what was sealed with the fleet's own key, and whatever it is told of a
 * rate, it admits no more than its own configuration allows. This target is the store in the place of store.c, and the clock in that
 * of loop_clock.c: it answers the questions of a whole fleet, one after the other.
 *
 * The input is a row of answers: a byte for their kind and for the question that they answer, two for the length, the bytes. A kind is: no
 * answer; bytes of the Redis protocol; values that this target makes for what was asked: sealed ones, in lists each with a byte for its
 * length before it; of rates a number of eight bytes for each key. A question without an answer is told that there is none; those about
 * rates get theirs again from the first one on.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/warm_file.h"
#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/rate_lease.h"
#include "proxy/fleet/rate_script.h"
#include "proxy/fleet/store_access.h"
#include "steady/check.h"
#include "steady/loop_clock.h"
#include "tls/seal.h"
#include "tls/tickets.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

/* Rounds of housekeeping for each input, and the time between them. */
#define ROUNDS 24
#define STEP_MS 1000
/* Of a rate for each of so many keys: how often it is asked for in a round, and by how many requests of the first key. */
#define TICKS 5
#define KEYS 3
#define REQUESTS 12
#define PER_SECOND 20
#define ASKED_MOST 64
#define VALUES_MOST 16
#define REPLY_BYTES (64u << 10)
#define VALUE_BYTES_MOST 512
#define STORE_MS UINT64_C(1700000000000)
#define KEY_BYTE 7

enum answer_kind { ANSWER_NONE, ANSWER_RAW, ANSWER_SEALED, ANSWER_KINDS };

/* What was asked, as far as the answer depends on it. */
enum question { ASKS_TICKETS, ASKS_WARM, ASKS_BEAT, ASKS_WORDS, ASKS_OTHER, ASKS_RATES, QUESTIONS };

struct asked {
    enum question question;
    size_t key_count;
    store_answer_fn *answer;
    void *owner;
};

struct store {
    struct store_env env;
    struct asked asked[ASKED_MOST];
    size_t asked_count;
    const uint8_t *input;
    size_t length, at[QUESTIONS]; /* how far the answers to each question have been given */
};

static struct settings *given_settings;
static struct bound_registry registry;
static struct log *log_of_all;
static struct store *present; /* of the one fleet that there is */
static struct event_base *base;
static uint64_t present_us;

/* ---- in the place of loop_clock.c and store.c ---- */

uint64_t loop_clock_read(struct loop_clock *clock)
{
    loop_clock_set(clock, present_us);
    return present_us;
}

struct store_access {
    char none;
};

struct store *store_create(const struct store_env *env)
{
    struct store *store = calloc(1, sizeof *store);
    CHECK(store != NULL);
    store->env = *env;
    present = store;
    return store;
}

void store_free(struct store **store)
{
    free(*store);
    *store = NULL;
}

bool store_access_load(struct tls_clients *tls, const struct fleet_settings *fleet,
                       struct store_access **ret_access, char *why, size_t why_bytes)
{
    (void)tls, (void)fleet, (void)why, (void)why_bytes;
    *ret_access = NULL;
    return true;
}

void store_access_free(struct store_access **access)
{
    *access = NULL;
}

void store_follow(struct store *store, struct settings *settings, struct store_access **access)
{
    (void)store, (void)settings, (void)access;
}

void store_housekeeping(struct store *store)
{
    (void)store;
}

void store_figures(const struct store *store, struct store_figures *ret_figures)
{
    *ret_figures = (struct store_figures){
        .state = STORE_READY, .error = "", .at = "", .waiting_count = store->asked_count};
}

static enum question question_of(const struct store_word *words, size_t count)
{
    const char *command = words[0].bytes, *script = count > 1 ? words[1].bytes : "";
    if (strcmp(command, "GET") == 0) {
        return ASKS_TICKETS;
    }
    if (strcmp(command, "LINDEX") == 0) {
        return ASKS_WARM;
    }
    if (strcmp(command, "EVALSHA") == 0 || script == rate_script()) {
        return ASKS_RATES;
    }
    if (strcmp(command, "EVAL") != 0) {
        return ASKS_OTHER;
    }
    return strstr(script, "ZADD") != NULL      ? ASKS_BEAT
           : strstr(script, "HGETALL") != NULL ? ASKS_WORDS
                                               : ASKS_OTHER;
}

bool store_ask(struct store *store, const struct store_word *words, size_t count,
               store_answer_fn *answer, void *owner)
{
    if (store->asked_count == ASKED_MOST) {
        return false;
    }
    enum question question = question_of(words, count);
    size_t key_count = question == ASKS_RATES ? (size_t)atoi(words[2].bytes) : 0;
    store->asked[store->asked_count++] = (struct asked){question, key_count, answer, owner};
    return true;
}

/* ---- answers ---- */

/* A reply as bytes. */
struct reply {
    char bytes[REPLY_BYTES];
    size_t length;
};

static void put(struct reply *reply, const void *bytes, size_t length)
{
    if (length <= REPLY_BYTES - reply->length) {
        memcpy(reply->bytes + reply->length, bytes, length);
        reply->length += length;
    }
}

static void put_number(struct reply *reply, char mark, uint64_t number)
{
    char text[32];
    int bytes = snprintf(text, sizeof text, "%c%llu\r\n", mark, (unsigned long long)number);
    put(reply, text, (size_t)bytes);
}

static void put_text(struct reply *reply, const void *text, size_t length)
{
    put_number(reply, '$', length);
    put(reply, text, length);
    put(reply, "\r\n", 2);
}

static void put_sealed(struct reply *reply, const char *what, const uint8_t *bytes, size_t length)
{
    struct seal_key key;
    char beside[128];
    uint8_t sealed[VALUE_BYTES_MOST + SEAL_EXTRA_BYTES];
    length = length < VALUE_BYTES_MOST ? length : VALUE_BYTES_MOST;
    memset(key.bytes, KEY_BYTE, sizeof key.bytes);
    int beside_bytes = snprintf(beside, sizeof beside, "evenkeel 1 evenkeel %s", what);
    CHECK(seal_close(&key, beside, (size_t)beside_bytes, bytes, length, sealed) == SEAL_OK);
    put_text(reply, sealed, length + SEAL_EXTRA_BYTES);
}

/* The next value of the answer. False: there is none. */
static bool next_value(const uint8_t **bytes, size_t *left, size_t *ret_length)
{
    if (*left == 0) {
        return false;
    }
    size_t length = **bytes;
    ++*bytes, --*left;
    *ret_length = length < *left ? length : *left;
    return true;
}

/* Numbers, the first one and so many more, and names with values. kind: what the values are for, beside their names. */
static void put_list(struct reply *reply, const char *kind, uint64_t first, unsigned more_count,
                     const uint8_t *bytes, size_t left)
{
    struct reply values = {.length = 0};
    uint64_t count = 0;
    size_t length;
    while (count < VALUES_MOST && next_value(&bytes, &left, &length)) {
        char name[24], what[64];
        snprintf(name, sizeof name, "%016llx", (unsigned long long)count++);
        snprintf(what, sizeof what, "%s %s", kind, name);
        put_text(&values, name, strlen(name));
        put_sealed(&values, what, bytes, length);
        bytes += length, left -= length;
    }
    put_number(reply, '*', 2 * count + 1 + more_count);
    put_number(reply, ':', first);
    for (unsigned i = 0; i < more_count; i++) {
        put_number(reply, ':', count);
    }
    put(reply, values.bytes, values.length);
}

/* Tokens for each key that was asked for, or what is left of the bytes for that. */
static void put_tokens(struct reply *reply, size_t key_count, const uint8_t *bytes, size_t left)
{
    size_t count = left / 8 < key_count ? left / 8 : key_count;
    put_number(reply, '*', count);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        int64_t number;
        memcpy(&number, bytes + 8 * i, sizeof number);
        put(reply, text, (size_t)snprintf(text, sizeof text, ":%lld\r\n", (long long)number));
    }
}

static void make_answer(struct reply *reply, const struct asked *asked, const uint8_t *bytes,
                        size_t left)
{
    static uint64_t version;
    switch (asked->question) {
    case ASKS_RATES: put_tokens(reply, asked->key_count, bytes, left); return;
    case ASKS_BEAT: put_list(reply, "member", STORE_MS, 2, bytes, left); return;
    case ASKS_WORDS: put_list(reply, "word", version++, 0, bytes, left); return;
    case ASKS_TICKETS: put_sealed(reply, "ticket keys", bytes, left); return;
    case ASKS_WARM: put_text(reply, bytes, left); return;
    case ASKS_OTHER:
    case QUESTIONS: put_number(reply, ':', left); return;
    }
}

/* In pieces, as they come from a connection. */
static void give(const struct asked *asked, const struct reply *bytes)
{
    struct store_reply *reply = NULL;
    struct store_reader *reader = store_reader_create();
    enum store_read_result result = STORE_READ_MORE;
    size_t piece = 1 + bytes->length % 61;
    CHECK(reader != NULL);
    for (size_t at = 0; at < bytes->length && result == STORE_READ_MORE; at += piece) {
        size_t left = bytes->length - at;
        CHECK(store_reader_feed(reader, bytes->bytes + at, left < piece ? left : piece));
        result = store_reader_take(reader, &reply);
    }
    asked->answer(reply, asked->owner);
    store_reply_free(&reply);
    store_reader_free(&reader);
}

/* The next answer of the input to such a question. False: there are no more. */
static bool next_answer(struct store *store, enum question question, enum answer_kind *ret_kind,
                        const uint8_t **ret_bytes, size_t *ret_length)
{
    size_t *at = &store->at[question];
    while (store->length - *at >= 3) {
        const uint8_t *head = store->input + *at;
        size_t length = (size_t)head[1] << 8 | head[2], left = store->length - *at - 3;
        length = length < left ? length : left;
        *at += 3 + length;
        if (head[0] / ANSWER_KINDS % QUESTIONS == question) {
            *ret_kind = head[0] % ANSWER_KINDS;
            *ret_bytes = head + 3;
            *ret_length = length;
            return true;
        }
    }
    return false;
}

static void answer(struct store *store, const struct asked *asked)
{
    struct reply *reply = calloc(1, sizeof *reply);
    enum answer_kind kind;
    const uint8_t *bytes;
    size_t length;
    CHECK(reply != NULL);
    bool found = next_answer(store, asked->question, &kind, &bytes, &length);
    if (!found && asked->question == ASKS_RATES) {
        store->at[ASKS_RATES] = 0;
        found = next_answer(store, ASKS_RATES, &kind, &bytes, &length);
    }
    if (found) {
        if (kind == ANSWER_SEALED) {
            make_answer(reply, asked, bytes, length);
        } else if (kind == ANSWER_RAW) {
            put(reply, bytes, length);
        }
    }
    give(asked, reply);
    free(reply);
}

static void answer_all(struct store *store)
{
    struct asked asked[ASKED_MOST];
    size_t count = store->asked_count;
    memcpy(asked, store->asked, count * sizeof *asked);
    store->asked_count = 0;
    for (size_t i = 0; i < count; i++) {
        answer(store, &asked[i]);
    }
}

/* ---- the replica ---- */

static bool is_ready(void *owner)
{
    (void)owner;
    return true;
}

static bool warm_make(const struct seal_key *key, uint8_t **ret_bytes, size_t *ret_length,
                      void *owner)
{
    (void)key, (void)owner;
    *ret_length = 3;
    *ret_bytes = calloc(1, *ret_length);
    return *ret_bytes != NULL;
}

static bool warm_take(const struct seal_key *key, const void *bytes, size_t length, void *owner)
{
    const struct warm_terms terms = {STORE_MS, UINT64_C(3600000), key};
    struct warm_image image;
    uint8_t *copy = malloc(length + 1);
    (void)owner;
    CHECK(copy != NULL);
    memcpy(copy, bytes, length);
    if (warm_decode(copy, length, &terms, &image) != WARM_OK) {
        return false;
    }
    warm_image_release(&image);
    return true;
}

static bool ends_within(const char *text, size_t space)
{
    return memchr(text, '\0', space) != NULL;
}

static void judge_word(const struct operator_word *word)
{
    CHECK(word->subject < OPERATOR_SUBJECT_COUNT && word->state < OPERATOR_STATES_MOST);
    CHECK(ends_within(word->name, sizeof word->name) &&
          ends_within(word->detail, sizeof word->detail) &&
          ends_within(word->by, sizeof word->by) && ends_within(word->reason, sizeof word->reason));
    CHECK(operator_state_name(word->subject, word->state) != NULL);
}

static bool obey(const struct operator_word *word, const char *at, void *owner)
{
    (void)owner;
    judge_word(word);
    CHECK(ends_within(at, sizeof((struct fleet_word *)NULL)->at));
    return word->name[0] == 'a';
}

static void judge(const struct fleet *fleet)
{
    struct fleet_figures figures;
    fleet_figures(fleet, &figures);
    CHECK(figures.member_count <= FLEET_MEMBERS_MOST);
    for (size_t i = 0; i < figures.member_count; i++) {
        const struct fleet_member *member = &figures.members[i];
        CHECK(ends_within(member->id, sizeof member->id) &&
              ends_within(member->host, sizeof member->host) &&
              ends_within(member->version, sizeof member->version));
    }
    for (size_t i = 0; i < figures.word_count; i++) {
        judge_word(&figures.words[i].word);
    }
}

/* ---- rates ---- */

struct demand {
    struct rate_settings whole;
    struct rate_leases *leases;
    unsigned admitted[KEYS];
};

static void begin_rates(struct demand *demand, struct fleet *fleet)
{
    *demand = (struct demand){.whole = {.per_second = PER_SECOND}};
    const struct token_rate whole = token_rate(&demand->whole);
    demand->leases = rate_leases_create(KEYS, &whole);
    CHECK(demand->leases != NULL);
    const struct fleet_rate rate = {.route = "all",
                                    .kind = ADMISSION_RATE_KEY,
                                    .leases = demand->leases,
                                    .whole = &demand->whole};
    fleet_rates_begin(fleet);
    CHECK(fleet_rates_add(fleet, &rate));
    fleet_rates_end(fleet);
}

/* As one token bucket of the whole rate would allow, that of the share, and what is asked for too early at a change of the share. */
static void judge_rates(const struct demand *demand, const struct fleet *fleet)
{
    const struct rate_lease_terms terms = {.per_second = PER_SECOND, .replica_count = 1};
    double most = PER_SECOND * (double)present_us / 1e6 + 3 * rate_lease_depth(&terms);
    struct fleet_rate_figures figures;
    for (unsigned i = 0; i < KEYS; i++) {
        CHECK(demand->admitted[i] <= most);
    }
    CHECK(fleet_rate_figures(fleet, 0, &figures));
    CHECK(figures.taken_count + figures.returned_count <= figures.lent_count);
}

/* A while of requests, more of each further key, and what is said of them to the store. */
static void tick(struct demand *demand, struct fleet *fleet, struct store *store)
{
    present_us += UINT64_C(1000) * STEP_MS / TICKS;
    for (unsigned i = 0; i < KEYS; i++) {
        for (unsigned k = 0; k < REQUESTS * (i + 1); k++) {
            uint64_t wait_ms;
            demand->admitted[i] += rate_leases_take(demand->leases, RATE_LEASES_NUMBER(i), false,
                                                    present_us, &wait_ms);
        }
    }
    event_active(fleet->rates.timer, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    answer_all(store);
    judge_rates(demand, fleet);
}

/* ---- one input ---- */

static void prepare(void)
{
    struct settings_messages messages;
    char text[512], key[SEAL_KEY_BYTES], key_path[64];
    if (given_settings != NULL) {
        return;
    }
    int fd = memfd_create("fleet.key", 0);
    memset(key, KEY_BYTE, sizeof key);
    CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, key, sizeof key) == (ssize_t)sizeof key);
    snprintf(key_path, sizeof key_path, "/proc/self/fd/%d", fd);
    snprintf(text, sizeof text,
             "log = { path = \"/dev/null\"; level = \"debug\"; };\n"
             "fleet = { store = [ \"127.0.0.1:1\" ]; key_file = \"%s\"; };\n"
             "tls_tickets = { rotate = \"20s\"; }; warm_state = { interval = \"2s\"; };\n"
             "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
             "upstreams = { app = { endpoints = [ \"127.0.0.1:2\" ]; }; };\n"
             "routes = ( { upstream = \"app\"; } );\n",
             key_path);
    CHECK(settings_parse(text, "fuzz", &given_settings, &messages) == SETTINGS_OK);
    settings_messages_free(&messages);
    base = event_base_new();
    CHECK(base != NULL);
    bound_registry_init(&registry);
    CHECK(log_create(&given_settings->log, 1, &registry, &log_of_all) == LOG_OK);
}

static void live(struct fleet *fleet, struct store *store)
{
    struct operator_word said = {
        .subject = OPERATOR_ROUTE, .state = 1, .name = "all", .since_ms = 1};
    struct demand demand;
    begin_rates(&demand, fleet);
    fleet_want_warm(fleet);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        for (unsigned k = 0; k < TICKS; k++) {
            tick(&demand, fleet, store);
        }
        fleet_housekeeping(fleet, (uint64_t)i * STEP_MS);
        answer_all(store);
        judge(fleet);
        if (i == 3) {
            fleet_say(fleet, &said);
            fleet_look_again(fleet);
        }
    }
    fleet_leave(fleet);
    answer_all(store);
    fleet_rates_begin(fleet);
    fleet_rates_end(fleet);
    rate_leases_free(&demand.leases);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    struct rng rng;
    struct fleet_access *access;
    char why[256];
    prepare();
    rng_init(&rng, 1);
    present_us = 0;
    struct tls_tickets *tickets = tls_tickets_create(1);
    const struct fleet_env env = {.store = {.base = base, .rng = &rng},
                                  .log = log_of_all,
                                  .tickets = tickets,
                                  .version = "1.2.3",
                                  .is_ready = is_ready,
                                  .warm_make = warm_make,
                                  .warm_take = warm_take,
                                  .obey = obey};
    struct fleet *fleet = fleet_create(&env);
    CHECK(tickets != NULL && fleet != NULL &&
          fleet_access_load(NULL, &given_settings->fleet, &access, why, sizeof why));
    fleet_follow(fleet, given_settings, &access);
    present->input = input;
    present->length = length_bytes;
    live(fleet, present);
    fleet_free(&fleet);
    tls_tickets_free(&tickets);
    return 0;
}
