/* Walks the clients of a worker. */
#include "proxy/client/client_census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/client/client_state.h"
#include "proxy/client/h2_client.h"
#include "steady/hash.h"

/* Pointers, which are good until the walk is over. */
struct census_walk {
    struct worker *worker;
    struct census *census;
    uint64_t looks_left;
    const struct exchange *oldest[CENSUS_EXCHANGES];
    unsigned oldest_count;
    struct top_users tops[CENSUS_TOP_COUNT];
};

/* ---- the oldest ---- */

/* Where an exchange that began then belongs. */
static unsigned place_of(const struct census_walk *walk, uint64_t started_us)
{
    unsigned low = 0, high = walk->oldest_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (walk->oldest[middle]->times.started_us <= started_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void remember_if_old(struct census_walk *walk, const struct exchange *exchange)
{
    bool full = walk->oldest_count == CENSUS_EXCHANGES;
    unsigned place = place_of(walk, exchange->times.started_us);
    if (place == CENSUS_EXCHANGES) {
        return;
    }
    unsigned moved = walk->oldest_count - place - (full ? 1 : 0);
    memmove(&walk->oldest[place + 1], &walk->oldest[place], moved * sizeof walk->oldest[0]);
    walk->oldest[place] = exchange;
    walk->oldest_count += full ? 0 : 1;
}

/* ---- who uses most ---- */

static uint64_t address_key(const struct ip_address *address)
{
    uint8_t bytes[16] = {0};
    bool known = address_to_ipv6(&address->any, bytes);
    return known ? hash_bytes(0, bytes, sizeof bytes) : 0;
}

static void count_name(struct top_users *top, const char *name)
{
    if (name[0] != '\0') {
        top_users_add(top, hash_bytes(0, name, strlen(name)), name, 1);
    }
}

static void list_users(struct top_users *top, bool addresses, struct census_top_list *ret_list)
{
    top_users_sort(top);
    for (unsigned i = 0; i < top->count; i++) {
        struct census_user *user = &ret_list->users[i];
        char address[ADDRESS_TEXT_BYTES];
        if (addresses) {
            address_format_ip(&((const struct ip_address *)top->items[i].of)->any, address);
        }
        snprintf(user->who, sizeof user->who, "%.*s", SAMPLE_NAME_BYTES - 1,
                 addresses ? address : (const char *)top->items[i].of);
        user->used = top->items[i].amount;
        user->error = top->items[i].error;
    }
    ret_list->count = top->count;
}

/* ---- the walk ---- */

static uint64_t held_bytes(const struct buf *buf)
{
    return buf != NULL ? sizeof *buf + buf->capacity : 0;
}

static void look_at_exchange(struct census_walk *walk, const struct exchange *exchange)
{
    const struct ip_address *client = exchange_client(exchange);
    uint64_t key = address_key(client), bytes = exchange_held_bytes(exchange);
    walk->census->exchanges_count++;
    walk->census->stages[exchange->stage]++;
    walk->census->waits[exchange_waits_for(exchange)]++;
    remember_if_old(walk, exchange);
    top_users_add(&walk->tops[CENSUS_EXCHANGES_BY_CLIENT], key, client, 1);
    if (bytes > 0) {
        top_users_add(&walk->tops[CENSUS_BUFFERS_BY_CLIENT], key, client, bytes);
    }
    count_name(&walk->tops[CENSUS_EXCHANGES_BY_ROUTE], exchange->target.route_name);
    count_name(&walk->tops[CENSUS_EXCHANGES_BY_UPSTREAM], exchange->target.upstream_name);
}

static void look_at_streams(struct census_walk *walk, const struct h2_client *h2)
{
    const struct client_stream *stream;
    TAILQ_FOREACH (stream, &h2->streams, link) {
        if (walk->looks_left == 0) {
            return;
        }
        walk->looks_left--;
        walk->census->streams_count++;
        if (stream->exchange != NULL) {
            look_at_exchange(walk, stream->exchange);
        }
    }
}

static void look_at_client(struct census_walk *walk, const struct client *client)
{
    const struct ip_address *address = &client->origin.address;
    uint64_t key = address_key(address);
    uint64_t bytes = held_bytes(client->duplex.in) + held_bytes(client->duplex.out);
    walk->census->clients_count++;
    walk->census->idle_count += client->state == CLIENT_IDLE;
    top_users_add(&walk->tops[CENSUS_CLIENTS_BY_CLIENT], key, address, 1);
    if (bytes > 0) {
        top_users_add(&walk->tops[CENSUS_BUFFERS_BY_CLIENT], key, address, bytes);
    }
    if (client->h2 != NULL) {
        look_at_streams(walk, client->h2);
    } else if (client->exchange != NULL) {
        look_at_exchange(walk, client->exchange);
    }
}

static void write_down(struct census_walk *walk)
{
    struct census *census = walk->census;
    for (unsigned i = 0; i < walk->oldest_count; i++) {
        exchange_sample_take(walk->oldest[i], &census->oldest[i]);
    }
    census->oldest_count = walk->oldest_count;
    for (unsigned i = 0; i < CENSUS_TOP_COUNT; i++) {
        list_users(&walk->tops[i], i <= CENSUS_EXCHANGES_BY_CLIENT, &census->tops[i]);
    }
}

void census_take(struct worker *worker, struct census *ret_census)
{
    struct census_walk walk = {.worker = worker, .census = ret_census, .looks_left = CENSUS_LOOKS};
    const struct client *client;
    memset(ret_census, 0, sizeof *ret_census);
    TAILQ_FOREACH (client, &worker->open.all, link) {
        if (walk.looks_left == 0) {
            ret_census->overlooked_count++;
            continue;
        }
        walk.looks_left--;
        look_at_client(&walk, client);
    }
    write_down(&walk);
}
