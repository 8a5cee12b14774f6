/* Sharing ticket keys. */
#include "proxy/fleet/ticket_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/sealed.h"
#include "steady/pack.h"
#include "tls/tickets.h"

/* How often the store is asked, but at least so often in a rotation that every replica knows the next key. */
#define ASK_MS 5000
#define ASKS_PER_ROTATION 4
/* A key is known for so many rotations: before it encrypts, while it does, and twice after. The value is kept for longer. */
#define VALUE_ROTATIONS 8
#define WHAT "ticket keys"

/* A set as it is in the store. keys[0] will encrypt, keys[1] does. */
struct key_set {
    uint64_t since_ms; /* the store's clock */
    size_t count;
    uint8_t keys[TLS_TICKETS_SHARED_MOST][TLS_TICKET_KEY_BYTES];
};
enum { NEXT, SEALING, LEAST };

static uint64_t rotate_ms(const struct fleet *fleet)
{
    return fleet->settings->tls_tickets.rotate_ms;
}

static bool are_wanted(const struct fleet *fleet)
{
    return fleet->settings->fleet.ticket_keys && *fleet->settings->tls_tickets.keys == '\0';
}

/* ---- sets as bytes ---- */

static bool write_set(const struct fleet *fleet, const struct key_set *set, uint8_t **ret_bytes,
                      size_t *ret_length)
{
    struct pack pack;
    pack_init(&pack, sizeof *set + 64);
    pack_u64(&pack, set->since_ms);
    pack_raw(&pack, set->keys, set->count * TLS_TICKET_KEY_BYTES);
    bool made =
        !pack.failed && sealed_make(fleet, WHAT, pack.bytes, pack.length, ret_bytes, ret_length);
    if (pack.bytes != NULL) {
        explicit_bzero(pack.bytes, pack.length);
    }
    pack_release(&pack);
    return made;
}

static bool read_set(const struct fleet *fleet, const struct store_reply *reply,
                     struct key_set *set)
{
    uint8_t *bytes;
    size_t length;
    if (!sealed_open(fleet, WHAT, reply->text, reply->bytes, &bytes, &length)) {
        return false;
    }
    struct unpack unpack;
    unpack_init(&unpack, bytes, length);
    set->since_ms = unpack_u64(&unpack);
    set->count = unpack.left / TLS_TICKET_KEY_BYTES;
    bool good = !unpack.failed && unpack.left % TLS_TICKET_KEY_BYTES == 0 && set->count >= LEAST &&
                set->count <= TLS_TICKETS_SHARED_MOST;
    if (good) {
        memcpy(set->keys, unpack.next, unpack.left);
    }
    explicit_bzero(bytes, length);
    free(bytes);
    return good;
}

/* ---- changing them ---- */

static void on_written(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    (void)reply;
    fleet->ticket_keys.asked = false;
    fleet->ticket_keys.asked_ms = 0; /* what is there now, whoever wrote it */
}

/* KEYS: the value. ARGV: what it must still be, "" for none; what it becomes; how long it is kept. */
static const char replace_script[] = "local now = redis.call('GET', KEYS[1]) or ''\n"
                                     "if now ~= ARGV[1] then return 0 end\n"
                                     "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
                                     "return 1\n";

static void replace(struct fleet *fleet, const struct store_reply *before,
                    const struct key_set *set)
{
    char key[FLEET_KEY_BYTES], kept_ms[32];
    uint8_t *bytes;
    size_t length;
    if (!write_set(fleet, set, &bytes, &length)) {
        return;
    }
    fleet_key(fleet, "tickets", key);
    snprintf(kept_ms, sizeof kept_ms, "%" PRIu64, rotate_ms(fleet) * VALUE_ROTATIONS);
    const struct store_word words[] = {
        STORE_WORD_TEXT("EVAL"),
        STORE_WORD_TEXT(replace_script),
        STORE_WORD_TEXT("1"),
        STORE_WORD_TEXT(key),
        {before != NULL ? before->text : "", before != NULL ? before->bytes : 0},
        {bytes, length},
        STORE_WORD_TEXT(kept_ms)};
    fleet->ticket_keys.asked =
        store_ask(fleet->store, words, sizeof words / sizeof words[0], on_written, fleet);
    free(bytes);
}

/* The first keys of the fleet: tickets that this replica has given go on being good. */
static void make_first(struct fleet *fleet)
{
    struct key_set set = {.since_ms = fleet_store_ms(fleet), .count = LEAST};
    tls_tickets_sealing_key(fleet->env.tickets, set.keys[SEALING]);
    if (tls_ticket_key_make(set.keys[NEXT])) {
        replace(fleet, NULL, &set);
    }
    explicit_bzero(&set, sizeof set);
}

static void rotate(struct fleet *fleet, const struct store_reply *reply, struct key_set *set)
{
    size_t kept = set->count < TLS_TICKETS_SHARED_MOST ? set->count : TLS_TICKETS_SHARED_MOST - 1;
    memmove(set->keys[1], set->keys[0], kept * TLS_TICKET_KEY_BYTES);
    set->count = kept + 1;
    set->since_ms = fleet_store_ms(fleet);
    if (tls_ticket_key_make(set->keys[NEXT])) {
        replace(fleet, reply, set);
    }
}

static void on_keys(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    struct ticket_keys *state = &fleet->ticket_keys;
    struct key_set set;
    state->asked = false;
    if (reply == NULL || fleet->settings == NULL || fleet->store_ms == 0) {
        return;
    }
    if (reply->kind == STORE_REPLY_NIL) {
        fleet_note_loss(fleet, state->taken_store_ms != 0, "the ticket keys, which are made anew");
        make_first(fleet);
        return;
    }
    if (reply->kind != STORE_REPLY_TEXT || !read_set(fleet, reply, &set)) {
        fleet_note_refused(fleet, reply->kind == STORE_REPLY_TEXT, "the value of ticket keys");
        return;
    }
    if (state->taken_store_ms == 0) {
        log_info(fleet->env.log, "fleet: tickets of TLS sessions are shared");
    }
    tls_tickets_share(fleet->env.tickets, set.keys[0], set.count, SEALING);
    state->taken_ms = state->asked_ms;
    state->taken_store_ms = set.since_ms;
    if (fleet_store_ms(fleet) - set.since_ms >= rotate_ms(fleet) &&
        fleet_store_ms(fleet) > set.since_ms) {
        rotate(fleet, reply, &set);
    }
    explicit_bzero(&set, sizeof set);
}

static void ask(struct fleet *fleet)
{
    char key[FLEET_KEY_BYTES];
    fleet_key(fleet, "tickets", key);
    const struct store_word words[] = {STORE_WORD_TEXT("GET"), STORE_WORD_TEXT(key)};
    fleet->ticket_keys.asked = store_ask(fleet->store, words, 2, on_keys, fleet);
}

void ticket_keys_forget(struct fleet *fleet, uint64_t now_ms)
{
    tls_tickets_unshare(fleet->env.tickets, now_ms);
    fleet->ticket_keys = (struct ticket_keys){.asked = false};
}

/* Cut off for a whole rotation: others may have forgotten what this replica encrypts with. */
static void part_if_cut_off(struct fleet *fleet, uint64_t now_ms)
{
    struct ticket_keys *state = &fleet->ticket_keys;
    if (state->taken_store_ms != 0 && now_ms - state->taken_ms >= rotate_ms(fleet)) {
        log_warn(fleet->env.log,
                 "fleet: cut off from the store for a rotation of ticket keys: this "
                 "replica goes on with its own");
        state->taken_store_ms = 0;
        tls_tickets_unshare(fleet->env.tickets, now_ms);
    }
}

void ticket_keys_housekeeping(struct fleet *fleet, uint64_t now_ms)
{
    struct ticket_keys *state = &fleet->ticket_keys;
    uint64_t every_ms = rotate_ms(fleet) / ASKS_PER_ROTATION;
    if (!are_wanted(fleet)) {
        return;
    }
    part_if_cut_off(fleet, now_ms);
    if (!state->asked && fleet->store_ms != 0 &&
        (state->asked_ms == 0 ||
         now_ms - state->asked_ms >= (every_ms < ASK_MS ? every_ms : ASK_MS))) {
        state->asked_ms = now_ms;
        ask(fleet);
    }
}
