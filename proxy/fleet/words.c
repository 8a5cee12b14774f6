/* Spreading the operator's words. */
#include "proxy/fleet/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/sealed.h"
#include "steady/hash.h"
#include "steady/pack.h"

#define ASK_MS 1000
#define WORD_BYTES_MOST 2048
/* Another replica may have removed a word that is not old by this replica's clock. */
#define CLOCKS_DIFFER_MS 60000
/* Name of a word in the store: what it is about, as a hash. */
#define FIELD_BYTES 17

/* Hashes of the store that have a field for each word: the words themselves, and when they were said. */
static const char *const word_keys[] = {"words", "words:said"};

static bool are_wanted(const struct fleet *fleet)
{
    return fleet->settings->fleet.operator_word;
}

/* ---- words as values ---- */

/* Only who has the key knows what a name stands for. */
static void field_of(const struct fleet *fleet, const struct operator_word *word,
                     char field[FIELD_BYTES])
{
    uint64_t hash = hash_bytes(0, fleet->key.bytes, sizeof fleet->key.bytes);
    hash = hash_bytes(hash, &word->subject, sizeof word->subject);
    hash = hash_bytes(hash, word->name, strlen(word->name) + 1);
    hash = hash_bytes(hash, word->detail, strlen(word->detail) + 1);
    snprintf(field, FIELD_BYTES, "%016" PRIx64, hash);
}

static bool write_word(struct fleet *fleet, const char *field, const struct operator_word *word,
                       const char *at, uint8_t **ret_bytes, size_t *ret_length)
{
    struct pack pack;
    char what[64];
    pack_init(&pack, WORD_BYTES_MOST);
    pack_u8(&pack, (uint8_t)word->subject);
    pack_u8(&pack, (uint8_t)word->state);
    pack_any_text(&pack, word->name);
    pack_any_text(&pack, word->detail);
    pack_any_text(&pack, word->by);
    pack_any_text(&pack, word->reason);
    pack_any_text(&pack, at);
    pack_u64(&pack, word->since_ms);
    pack_u64(&pack, word->until_ms);
    snprintf(what, sizeof what, "word %s", field);
    bool made =
        !pack.failed && sealed_make(fleet, what, pack.bytes, pack.length, ret_bytes, ret_length);
    pack_release(&pack);
    return made;
}

static bool read_word(const struct fleet *fleet, const struct store_reply *field,
                      const struct store_reply *value, struct fleet_word *ret_word)
{
    char what[64];
    uint8_t *bytes;
    size_t length;
    if (field->kind != STORE_REPLY_TEXT || field->bytes != FIELD_BYTES - 1 ||
        value->kind != STORE_REPLY_TEXT) {
        return false;
    }
    snprintf(what, sizeof what, "word %s", field->text);
    if (!sealed_open(fleet, what, value->text, value->bytes, &bytes, &length)) {
        return false;
    }
    struct unpack unpack;
    struct operator_word *word = &ret_word->word;
    unpack_init(&unpack, bytes, length);
    *ret_word = (struct fleet_word){.holds = false};
    word->subject = unpack_u8(&unpack);
    word->state = unpack_u8(&unpack);
    (void)unpack_any_text(&unpack, word->name, sizeof word->name);
    (void)unpack_any_text(&unpack, word->detail, sizeof word->detail);
    (void)unpack_any_text(&unpack, word->by, sizeof word->by);
    (void)unpack_any_text(&unpack, word->reason, sizeof word->reason);
    (void)unpack_any_text(&unpack, ret_word->at, sizeof ret_word->at);
    word->since_ms = unpack_u64(&unpack);
    word->until_ms = unpack_u64(&unpack);
    free(bytes);
    return !unpack.failed && word->subject < OPERATOR_SUBJECT_COUNT &&
           word->state < OPERATOR_STATES_MOST;
}

static void tell_again(struct fleet *fleet, const struct fleet_word *known);

/* ---- obeying ---- */

static bool is_same(const struct operator_word *a, const struct operator_word *b)
{
    return a->subject == b->subject && strcmp(a->name, b->name) == 0 &&
           strcmp(a->detail, b->detail) == 0;
}

static bool make_space(struct words *words)
{
    if (words->known == NULL) {
        words->known = calloc(WORDS_MOST, sizeof *words->known);
    }
    return words->known != NULL;
}

static struct fleet_word *find(struct words *words, const struct operator_word *word)
{
    for (size_t i = 0; i < words->known_count; i++) {
        if (is_same(&words->known[i].word, word)) {
            return &words->known[i];
        }
    }
    return NULL;
}

/* Whether the word says something now. */
static bool holds(const struct fleet *fleet, const struct operator_word *word)
{
    return word->state != 0 && (word->until_ms == 0 || word->until_ms > fleet_store_ms(fleet));
}

/* Carries out what has changed. What is not there yet is told again when a generation is new. */
static void obey(struct fleet *fleet, struct fleet_word *known)
{
    struct operator_word word = known->word;
    known->holds = holds(fleet, &word);
    word.state = known->holds ? word.state : 0;
    known->obeyed = fleet->env.obey(&word, known->at, fleet->env.owner);
}

/* The word about the same thing; else *said is the first. NULL: there is no space. */
static struct fleet_word *find_or_add(struct words *words, const struct fleet_word *said)
{
    struct fleet_word *known = make_space(words) ? find(words, &said->word) : NULL;
    if (known == NULL && words->known != NULL && words->known_count < WORDS_MOST) {
        known = &words->known[words->known_count++];
        *known = *said;
    }
    return known;
}

static void take_word(struct fleet *fleet, const struct fleet_word *said)
{
    struct words *words = &fleet->words;
    struct fleet_word *known = find(words, &said->word);
    if (known != NULL && known->word.since_ms == said->word.since_ms &&
        known->word.state == said->word.state && known->word.until_ms == said->word.until_ms) {
        return;
    }
    if (known != NULL && said->word.since_ms < known->word.since_ms) {
        /* what is known is still on its way from this replica; else the store has lost it */
        if (words->waiting_count == 0) {
            tell_again(fleet, known);
        }
        return;
    }
    bool news = known != NULL || holds(fleet, &said->word);
    known = find_or_add(words, said);
    if (known != NULL) {
        *known = *said;
    }
    if (known != NULL && news) {
        obey(fleet, known);
    }
}

/* Ends come by themselves. */
static void look_at_ends(struct fleet *fleet)
{
    struct words *words = &fleet->words;
    for (size_t i = 0; i < words->known_count; i++) {
        struct fleet_word *known = &words->known[i];
        if (known->holds != holds(fleet, &known->word) ||
            (words->again && known->holds && !known->obeyed)) {
            obey(fleet, known);
        }
    }
    words->again = false;
}

/* ---- from the store ---- */

static void on_removed(const struct store_reply *reply, void *owner)
{
    (void)reply, (void)owner;
}

/* What was taken back a day ago is known to all by now. */
static bool is_old(const struct fleet *fleet, const struct operator_word *word, uint64_t kept_ms)
{
    uint64_t ended_ms = word->state == 0 ? word->since_ms : word->until_ms;
    return ended_ms != 0 && fleet_store_ms(fleet) >= ended_ms + kept_ms;
}

static void remove_old(struct fleet *fleet, const char *field, const struct operator_word *word)
{
    char key[FLEET_KEY_BYTES];
    if (!is_old(fleet, word, WORDS_KEPT_MS)) {
        return;
    }
    for (size_t i = 0; i < sizeof word_keys / sizeof word_keys[0]; i++) {
        fleet_key(fleet, word_keys[i], key);
        const struct store_word words[] = {STORE_WORD_TEXT("HDEL"), STORE_WORD_TEXT(key),
                                           STORE_WORD_TEXT(field)};
        bool asked = store_ask(fleet->store, words, 3, on_removed, fleet);
        (void)asked; /* else another replica does, or this one later */
    }
}

static int compare_texts(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Fields of a reply, sorted. The caller frees them. NULL: no memory. */
static const char **fields_told(const struct store_reply *reply, size_t *ret_count)
{
    const char **fields = calloc(reply->count / 2 + 1, sizeof *fields);
    size_t count = 0;
    for (size_t i = 1; fields != NULL && i + 1 < reply->count; i += 2) {
        if (reply->items[i].kind == STORE_REPLY_TEXT) {
            fields[count++] = reply->items[i].text;
        }
    }
    if (fields != NULL) {
        qsort(fields, count, sizeof *fields, compare_texts);
    }
    *ret_count = count;
    return fields;
}

static bool is_told(const struct fleet *fleet, const char *const *fields, size_t count,
                    const struct operator_word *word)
{
    char text[FIELD_BYTES];
    const char *field = text;
    field_of(fleet, word, text);
    return bsearch(&field, fields, count, sizeof *fields, compare_texts) != NULL;
}

/* What is known here and not in the store: it is old, or the store has lost it. Not while a word of this replica may be on its way. */
static void look_for_lost(struct fleet *fleet, const struct store_reply *reply)
{
    struct words *words = &fleet->words;
    size_t lost_count = 0, field_count = 0;
    const char **fields = words->waiting_count == 0 ? fields_told(reply, &field_count) : NULL;
    if (fields == NULL) {
        words->version = -1; /* all is looked at once more */
        return;
    }
    for (size_t i = words->known_count; i-- > 0;) {
        struct fleet_word *known = &words->known[i];
        if (is_told(fleet, fields, field_count, &known->word)) {
            continue;
        }
        if (is_old(fleet, &known->word, WORDS_KEPT_MS - CLOCKS_DIFFER_MS)) {
            *known = words->known[--words->known_count];
            continue;
        }
        lost_count++;
        tell_again(fleet, known);
    }
    free(fields);
    fleet_note_loss(fleet, lost_count > 0, "words of the operator, which are told again");
}

/* The version, then fields and values. */
static void on_words(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    size_t foreign = 0;
    fleet->words.asked = false;
    if (reply == NULL || fleet->settings == NULL || reply->kind != STORE_REPLY_LIST ||
        reply->count < 1 || reply->items[0].kind != STORE_REPLY_NUMBER ||
        !make_space(&fleet->words)) {
        return;
    }
    for (size_t i = 1; i + 1 < reply->count; i += 2) {
        struct fleet_word said;
        if (!read_word(fleet, &reply->items[i], &reply->items[i + 1], &said)) {
            foreign++;
            continue;
        }
        take_word(fleet, &said);
        remove_old(fleet, reply->items[i].text, &said.word);
    }
    fleet->words.version = reply->items[0].number;
    look_for_lost(fleet, reply);
    fleet_note_refused(fleet, foreign, "an operator's word");
}

/* KEYS: the version, the words. ARGV: the version that is known. Returns the version, and the words if they are others. */
static const char ask_script[] = "local version = tonumber(redis.call('GET', KEYS[1]) or '0')\n"
                                 "if version == tonumber(ARGV[1]) then return false end\n"
                                 "local out = redis.call('HGETALL', KEYS[2])\n"
                                 "table.insert(out, 1, version)\n"
                                 "return out\n";

static void ask(struct fleet *fleet)
{
    char version_key[FLEET_KEY_BYTES], words_key[FLEET_KEY_BYTES], version[32];
    fleet_key(fleet, "words:version", version_key);
    fleet_key(fleet, "words", words_key);
    snprintf(version, sizeof version, "%lld", fleet->words.version);
    const struct store_word words[] = {STORE_WORD_TEXT("EVAL"),    STORE_WORD_TEXT(ask_script),
                                       STORE_WORD_TEXT("2"),       STORE_WORD_TEXT(version_key),
                                       STORE_WORD_TEXT(words_key), STORE_WORD_TEXT(version)};
    fleet->words.asked = store_ask(fleet->store, words, 6, on_words, fleet);
}

/* ---- to the store ---- */

/* KEYS: the version, the words, when they were said. ARGV: one, its name, how many there may be, when it was said. Returns the version,
   or 0 if something was said about the same later: a word may be told again long after it has arrived. A version that was lost is
   followed by one that is greater than all before. */
static const char say_script[] =
    "local said = tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or '0') or 0\n"
    "if said > tonumber(ARGV[4]) then return 0 end\n"
    "if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then\n"
    "  return redis.error_reply('ERR too many words')\n"
    "end\n"
    "redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])\n"
    "redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])\n"
    "if not redis.call('GET', KEYS[1]) then\n"
    "  local t = redis.call('TIME')\n"
    "  redis.call('SET', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000))\n"
    "end\n"
    "return redis.call('INCR', KEYS[1])\n";

/* Without an answer it is told again: to say a thing twice changes nothing, since the time at which it was said stays. */
static void on_said(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    struct words *words = &fleet->words;
    words->telling = false;
    if (reply == NULL || words->waiting_count == 0) {
        return;
    }
    if (reply->kind != STORE_REPLY_NUMBER) {
        log_warn(fleet->env.log,
                 "fleet: what the operator has said holds at this replica only: the "
                 "store refuses it");
    } else if (reply->number == 0) {
        log_info(fleet->env.log, "fleet: what the operator has said came to the store after "
                                 "something that was said later, which holds");
    }
    words->waiting_count--;
    memmove(words->waiting, words->waiting + 1, words->waiting_count * sizeof *words->waiting);
}

static bool tell(struct fleet *fleet, const struct operator_word *word, const char *at,
                 store_answer_fn *answer)
{
    char version_key[FLEET_KEY_BYTES], words_key[FLEET_KEY_BYTES], said_key[FLEET_KEY_BYTES];
    char field[FIELD_BYTES], most[16], said[32];
    uint8_t *bytes;
    size_t length;
    field_of(fleet, word, field);
    if (!write_word(fleet, field, word, at, &bytes, &length)) {
        return false;
    }
    fleet_key(fleet, "words:version", version_key);
    fleet_key(fleet, word_keys[0], words_key);
    fleet_key(fleet, word_keys[1], said_key);
    snprintf(most, sizeof most, "%d", WORDS_MOST);
    snprintf(said, sizeof said, "%" PRIu64, word->since_ms);
    const struct store_word words[] = {STORE_WORD_TEXT("EVAL"),
                                       STORE_WORD_TEXT(say_script),
                                       STORE_WORD_TEXT("3"),
                                       STORE_WORD_TEXT(version_key),
                                       STORE_WORD_TEXT(words_key),
                                       STORE_WORD_TEXT(said_key),
                                       {bytes, length},
                                       STORE_WORD_TEXT(field),
                                       STORE_WORD_TEXT(most),
                                       STORE_WORD_TEXT(said)};
    bool asked = store_ask(fleet->store, words, sizeof words / sizeof words[0], answer, fleet);
    free(bytes);
    return asked;
}

static void on_said_again(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    if (reply == NULL) {
        fleet->words.version = -1; /* all is looked at once more */
    }
}

static void tell_again(struct fleet *fleet, const struct fleet_word *known)
{
    if (!tell(fleet, &known->word, known->at, on_said_again)) {
        fleet->words.version = -1;
    }
}

bool fleet_spreads(const struct fleet *fleet)
{
    return fleet->settings != NULL && are_wanted(fleet);
}

/* What was said here holds already. It is known, so that a later word of another replica is news, even if it comes before this one has
   been heard back. */
static void note_own(struct fleet *fleet, const struct operator_word *word)
{
    struct fleet_word own = {.word = *word, .holds = word->state != 0, .obeyed = true};
    memcpy(own.at, fleet->host, sizeof own.at);
    struct fleet_word *known = find_or_add(&fleet->words, &own);
    if (known != NULL) {
        *known = own;
    }
}

/* From now on by the store's clock, if that is known. Until then the word has no time, and its end is how long it lasts. It is later
   than the word that it replaces, also by the clock of another store. */
static void time_word(struct fleet *fleet, struct operator_word *word)
{
    if (word->since_ms == 0 && fleet->store_ms != 0) {
        const struct fleet_word *before = find(&fleet->words, word);
        uint64_t now_ms = fleet_store_ms(fleet);
        bool is_later = before == NULL || now_ms > before->word.since_ms;
        word->since_ms = is_later ? now_ms : before->word.since_ms + 1;
        word->until_ms = word->until_ms != 0 ? word->since_ms + word->until_ms : 0;
        note_own(fleet, word);
    }
}

/* One after the other, in the order in which they were said. */
static void tell_first(struct fleet *fleet)
{
    struct words *words = &fleet->words;
    if (words->waiting_count > 0 && !words->telling && fleet->store_ms != 0) {
        time_word(fleet, &words->waiting[0]);
        words->telling = tell(fleet, &words->waiting[0], fleet->host, on_said);
    }
}

void fleet_say(struct fleet *fleet, const struct operator_word *said)
{
    struct words *words = &fleet->words;
    if (!fleet_spreads(fleet)) {
        return;
    }
    if (words->waiting == NULL) {
        words->waiting = calloc(WORDS_WAITING_MOST, sizeof *words->waiting);
    }
    if (words->waiting == NULL || words->waiting_count == WORDS_WAITING_MOST) {
        log_warn(fleet->env.log,
                 "fleet: what the operator has said holds at this replica only: too "
                 "much waits for the store");
        return;
    }
    struct operator_word *word = &words->waiting[words->waiting_count++];
    *word = *said;
    word->until_ms = said->until_ms != 0 ? said->until_ms - said->since_ms : 0;
    word->since_ms = 0;
    time_word(fleet, word);
    tell_first(fleet);
}

void fleet_look_again(struct fleet *fleet)
{
    fleet->words.again = true;
}

void words_forget(struct fleet *fleet)
{
    free(fleet->words.known);
    free(fleet->words.waiting);
    fleet->words = (struct words){.version = -1};
}

void words_housekeeping(struct fleet *fleet, uint64_t now_ms)
{
    struct words *words = &fleet->words;
    if (!are_wanted(fleet) || fleet->store_ms == 0) {
        return;
    }
    look_at_ends(fleet);
    tell_first(fleet);
    if (!words->asked && now_ms - words->asked_ms >= ASK_MS) {
        words->asked_ms = now_ms;
        ask(fleet);
    }
}
