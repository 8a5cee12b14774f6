/* Heartbeats. */
#include "proxy/fleet/members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/fleet/fleet_state.h"
#include "proxy/fleet/sealed.h"
#include "steady/pack.h"

#define FIGURES_BYTES_MOST 1024
#define TEXT_OF(number) TEXT_OF_EXPANDED(number)
#define TEXT_OF_EXPANDED(number) #number

/* KEYS: the times of the last beats, what the replicas say of themselves, the times of the last beats of each version. ARGV: who, what
   it says, how long it is believed, how many are told, its version. Returns the time, how many there are, how many other versions (few
   of them are counted), and for each of the first replicas its name and what it said. */
static const char beat_script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3], 'LIMIT', 0, 100)) do\n"
    "  redis.call('ZREM', KEYS[1], gone)\n"
    "  redis.call('HDEL', KEYS[2], gone)\n"
    "end\n"
    "redis.call('ZADD', KEYS[1], now, ARGV[1])\n"
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])\n"
    "redis.call('PEXPIRE', KEYS[1], 10 * ARGV[3])\n"
    "redis.call('PEXPIRE', KEYS[2], 10 * ARGV[3])\n"
    "redis.call('ZADD', KEYS[3], now, ARGV[5])\n"
    "redis.call('PEXPIRE', KEYS[3], 10 * ARGV[3])\n"
    "local versions = redis.call('ZRANGEBYSCORE', KEYS[3], now - ARGV[3], '+inf', 'LIMIT', 0, 10)\n"
    "local out = { now, redis.call('ZCARD', KEYS[1]), #versions - 1 }\n"
    "for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[4] - 1)) do\n"
    "  out[#out + 1] = id\n"
    "  out[#out + 1] = redis.call('HGET', KEYS[2], id) or ''\n"
    "end\n"
    "return out\n";

static size_t what_of(const char *id, char what[64])
{
    return (size_t)snprintf(what, 64, "member %s", id);
}

/* What this replica says of itself. False: no memory. */
static bool describe(struct fleet *fleet, uint8_t **ret_bytes, size_t *ret_length)
{
    struct pack pack;
    char what[64];
    pack_init(&pack, FIGURES_BYTES_MOST);
    pack_text(&pack, fleet->host[0] != '\0' ? fleet->host : "unknown");
    pack_text(&pack, fleet->env.version);
    pack_u32(&pack, (uint32_t)getpid());
    pack_u64(&pack, fleet->env.started_wall_ms);
    what_of(fleet->id, what);
    bool made =
        !pack.failed && sealed_make(fleet, what, pack.bytes, pack.length, ret_bytes, ret_length);
    pack_release(&pack);
    return made;
}

/* False: it is not of this fleet's key. */
static bool read_member(struct fleet *fleet, const struct store_reply *id,
                        const struct store_reply *said, struct fleet_member *member)
{
    char what[64];
    uint8_t *bytes;
    size_t length;
    if (id->kind != STORE_REPLY_TEXT || id->bytes >= sizeof member->id ||
        said->kind != STORE_REPLY_TEXT || strlen(id->text) != id->bytes) {
        return false;
    }
    what_of(id->text, what);
    if (!sealed_open(fleet, what, said->text, said->bytes, &bytes, &length)) {
        return false;
    }
    struct unpack unpack;
    unpack_init(&unpack, bytes, length);
    *member = (struct fleet_member){.self = strcmp(id->text, fleet->id) == 0};
    snprintf(member->id, sizeof member->id, "%s", id->text);
    (void)unpack_text(&unpack, member->host, sizeof member->host);
    (void)unpack_text(&unpack, member->version, sizeof member->version);
    member->pid = unpack_u32(&unpack);
    member->started_wall_ms = unpack_u64(&unpack);
    free(bytes);
    return !unpack.failed;
}

/* Of the replicas that the store knows, at most FLEET_MEMBERS_MOST were told, some of which may be foreign. */
static void note_count(struct fleet *fleet, long long known, size_t told)
{
    size_t own = fleet->members.count;
    double all = told > 0 && known > 0 ? (double)known * (double)own / (double)told : 0;
    rates_note_replicas(fleet, all > (double)own ? (uint64_t)all : own > 0 ? own : 1);
}

static void take_members(struct fleet *fleet, const struct store_reply *reply)
{
    struct members *members = &fleet->members;
    size_t before = members->count, foreign = 0;
    members->count = 0;
    for (size_t i = 3; i + 1 < reply->count && members->count < FLEET_MEMBERS_MOST; i += 2) {
        if (read_member(fleet, &reply->items[i], &reply->items[i + 1],
                        &members->list[members->count])) {
            members->count++;
        } else {
            foreign++;
        }
    }
    note_count(fleet, reply->items[1].kind == STORE_REPLY_NUMBER ? reply->items[1].number : 0,
               members->count + foreign);
    fleet_note_refused(fleet, foreign, "what a replica says of itself");
    if (members->count != before) {
        log_info(fleet->env.log, "fleet: %zu replicas", members->count);
    }
}

static void note_versions(struct fleet *fleet, const struct store_reply *others)
{
    struct members *members = &fleet->members;
    bool before = members->other_versions_count > 0;
    members->other_versions_count =
        others->kind == STORE_REPLY_NUMBER && others->number > 0 ? (uint64_t)others->number : 0;
    if (members->other_versions_count > 0 && !before) {
        log_warn(fleet->env.log,
                 "fleet: replicas of another version of Evenkeel keep other values in the store: "
                 "until all are of one version, they are a fleet of their own");
    }
}

static void on_beat(const struct store_reply *reply, void *owner)
{
    struct fleet *fleet = owner;
    fleet->members.asked = false;
    if (reply == NULL || reply->kind != STORE_REPLY_LIST || reply->count < 3 ||
        reply->items[0].kind != STORE_REPLY_NUMBER || reply->items[0].number < 0) {
        return;
    }
    fleet_note_time(fleet, (uint64_t)reply->items[0].number);
    note_versions(fleet, &reply->items[2]);
    take_members(fleet, reply);
}

static void beat(struct fleet *fleet)
{
    char times[FLEET_KEY_BYTES], said[FLEET_KEY_BYTES], versions[FLEET_KEY_BYTES];
    uint8_t *bytes;
    size_t length;
    if (!describe(fleet, &bytes, &length)) {
        return;
    }
    fleet_key(fleet, "members", times);
    fleet_key(fleet, "replicas", said);
    fleet_common_key(fleet, "versions", versions);
    const struct store_word words[] = {STORE_WORD_TEXT("EVAL"),
                                       STORE_WORD_TEXT(beat_script),
                                       STORE_WORD_TEXT("3"),
                                       STORE_WORD_TEXT(times),
                                       STORE_WORD_TEXT(said),
                                       STORE_WORD_TEXT(versions),
                                       STORE_WORD_TEXT(fleet->id),
                                       {bytes, length},
                                       STORE_WORD_TEXT(TEXT_OF(MEMBERS_GONE_MS)),
                                       STORE_WORD_TEXT(TEXT_OF(FLEET_MEMBERS_MOST)),
                                       STORE_WORD_TEXT(FLEET_VERSION)};
    fleet->members.asked =
        store_ask(fleet->store, words, sizeof words / sizeof words[0], on_beat, fleet);
    free(bytes);
}

void members_housekeeping(struct fleet *fleet, uint64_t now_ms)
{
    struct members *members = &fleet->members;
    if (!members->left && !members->asked && now_ms - members->beat_ms >= MEMBERS_BEAT_MS) {
        members->beat_ms = now_ms;
        beat(fleet);
    }
}

static void on_left(const struct store_reply *reply, void *owner)
{
    (void)reply, (void)owner;
}

void members_leave(struct fleet *fleet)
{
    char times[FLEET_KEY_BYTES];
    fleet_key(fleet, "members", times);
    const struct store_word words[] = {STORE_WORD_TEXT("ZREM"), STORE_WORD_TEXT(times),
                                       STORE_WORD_TEXT(fleet->id)};
    fleet->members.left = true;
    bool asked = store_ask(fleet->store, words, 3, on_left, fleet);
    (void)asked; /* else it is missed a little later */
}
