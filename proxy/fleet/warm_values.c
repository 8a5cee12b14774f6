/* Publishing and taking warm states. */
#include "proxy/fleet/warm_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/fleet_state.h"

static bool are_wanted(const struct fleet *fleet)
{
    return fleet->settings->fleet.warm_state;
}

/* ---- taking ---- */

static void ask_for(struct fleet *fleet, unsigned number);

static void on_value(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    struct warm_values *values = &fleet->warm_values;
    if (reply == NULL || fleet->settings == NULL) {
        values->take = WARM_TAKE_WANTED; /* another connection may answer */
        return;
    }
    if (reply->kind != STORE_REPLY_TEXT) {
        values->take = WARM_TAKE_OVER;
        return;
    }
    if (fleet->env.warm_take(&fleet->key, reply->text, reply->bytes, fleet->env.owner)) {
        values->taken_bytes = reply->bytes;
        values->take = WARM_TAKE_OVER;
        return;
    }
    fleet_note_refused(fleet, 1, "a warm state");
    if (values->number + 1 < WARM_VALUES_MOST) {
        ask_for(fleet, values->number + 1);
    } else {
        values->take = WARM_TAKE_OVER;
    }
}

static void ask_for(struct fleet *fleet, unsigned number)
{
    char key[FLEET_KEY_BYTES], index[16];
    fleet_key(fleet, "warm", key);
    snprintf(index, sizeof index, "%u", number);
    const struct store_word words[] = {STORE_WORD_TEXT("LINDEX"), STORE_WORD_TEXT(key),
                                       STORE_WORD_TEXT(index)};
    fleet->warm_values.number = number;
    fleet->warm_values.take =
        store_ask(fleet->store, words, 3, on_value, fleet) ? WARM_TAKE_ASKED : WARM_TAKE_WANTED;
}

void fleet_want_warm(struct fleet *fleet)
{
    fleet->warm_values.take =
        fleet->settings != NULL && are_wanted(fleet) ? WARM_TAKE_WANTED : WARM_TAKE_OVER;
}

bool fleet_warm_is_settled(const struct fleet *fleet)
{
    return fleet->warm_values.take == WARM_TAKE_OVER;
}

/* ---- publishing ---- */

/* KEYS: the states, newest first. ARGV: one more, how many are kept, for how long. */
static const char publish_script[] = "redis.call('LPUSH', KEYS[1], ARGV[1])\n"
                                     "redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)\n"
                                     "return redis.call('PEXPIRE', KEYS[1], ARGV[3])\n";

static void on_published(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    fleet->warm_values.published_count += reply != NULL && reply->kind == STORE_REPLY_NUMBER;
}

static void publish(struct fleet *fleet)
{
    char key[FLEET_KEY_BYTES], most[16], kept_ms[32];
    uint8_t *bytes;
    size_t length;
    if (!fleet->env.warm_make(&fleet->key, &bytes, &length, fleet->env.owner)) {
        return;
    }
    fleet_key(fleet, "warm", key);
    snprintf(most, sizeof most, "%d", WARM_VALUES_MOST);
    snprintf(kept_ms, sizeof kept_ms, "%llu",
             (unsigned long long)fleet->settings->warm_state.max_age_ms);
    const struct store_word words[] = {STORE_WORD_TEXT("EVAL"), STORE_WORD_TEXT(publish_script),
                                       STORE_WORD_TEXT("1"),    STORE_WORD_TEXT(key),
                                       {bytes, length},         STORE_WORD_TEXT(most),
                                       STORE_WORD_TEXT(kept_ms)};
    if (length <= WARM_VALUE_BYTES_MOST &&
        !store_ask(fleet->store, words, sizeof words / sizeof words[0], on_published, fleet)) {
        log_debug(fleet->env.log, "fleet: the warm state is published another time");
    }
    free(bytes);
}

/* OK: this replica's turn; nil: another one had it in this interval. */
static void on_turn(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    fleet->warm_values.asked = false;
    if (reply != NULL && reply->kind == STORE_REPLY_TEXT && fleet->settings != NULL) {
        publish(fleet);
    }
}

static void ask_for_turn(struct fleet *fleet)
{
    char key[FLEET_KEY_BYTES], interval_ms[32];
    fleet_key(fleet, "warm:turn", key);
    snprintf(interval_ms, sizeof interval_ms, "%llu",
             (unsigned long long)fleet->settings->warm_state.interval_ms);
    const struct store_word words[] = {STORE_WORD_TEXT("SET"),     STORE_WORD_TEXT(key),
                                       STORE_WORD_TEXT(fleet->id), STORE_WORD_TEXT("NX"),
                                       STORE_WORD_TEXT("PX"),      STORE_WORD_TEXT(interval_ms)};
    fleet->warm_values.asked = store_ask(fleet->store, words, 6, on_turn, fleet);
}

void warm_values_housekeeping(struct fleet *fleet, uint64_t now_ms)
{
    struct warm_values *values = &fleet->warm_values;
    if (values->take == WARM_TAKE_WANTED) {
        ask_for(fleet, 0);
    }
    if (!are_wanted(fleet) || values->asked ||
        now_ms - values->turn_ms < fleet->settings->warm_state.interval_ms ||
        !fleet->env.is_ready(fleet->env.owner)) {
        return;
    }
    values->turn_ms = now_ms;
    ask_for_turn(fleet);
}
