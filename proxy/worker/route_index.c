/* Two tables of hashes: from hosts to their groups, and from (group, beginning of a path) to lists of routes. */
#include "proxy/worker/route_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* So few entries are faster to ask one by one. */
#define LIST_MAX 8
/* Beginnings of a path that are looked up. A route that asks for more segments stands under the empty beginning. */
#define BEGINNINGS_MAX 32
#define NO_ROUTE UINT32_MAX
#define ANY_HOST 0

/* Routes that ask for the same host; of ANY_HOST those that ask for none. */
struct host_group {
    const char *name; /* lower case; a suffix begins with "." */
    size_t name_bytes;
    bool is_suffix;
    uint32_t first;         /* its first route */
    uint64_t lengths;       /* bits: lengths of its beginnings, modulo 64 */
    size_t beginning_bytes; /* of the longest */
};

/* A place in a table; 0 in `count` is a free one. Keys are told apart by their hash alone: what a wrong one finds does not match. */
struct slot {
    uint64_t hash;
    uint32_t at;
    uint32_t count;
};

struct table {
    struct slot *slots;
    uint64_t mask;
};

/* While the index is built: a route under a host and a beginning. */
struct entry {
    uint64_t hash;
    uint32_t route;
};

struct route_index {
    const struct route *routes;
    size_t route_count;
    struct table hosts; /* to `groups`; no slots: entries are asked one by one */
    struct table lists; /* to `numbers` */
    struct host_group *groups;
    size_t group_count;
    uint32_t *numbers;       /* of routes: lists, each ascending */
    uint64_t suffix_lengths; /* bits as in struct host_group */
    size_t beginning_bytes;  /* of the longest of all */
    struct entry *entries;   /* while it is built */
    size_t entry_count;
};

/* ---- hashes ---- */

#define HASH_BASIS UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_add(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static inline uint64_t hash_end(uint64_t hash, uint64_t salt)
{
    hash = (hash ^ salt) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* From the end to the beginning, so that the hash of a suffix is a step on the way to that of the whole. */
static uint64_t host_hash(const char *name, size_t bytes)
{
    uint64_t hash = HASH_BASIS;
    for (size_t i = bytes; i > 0; i--) {
        hash = hash_add(hash, route_lower(name[i - 1]));
    }
    return hash;
}

static uint64_t text_hash(const char *text, size_t bytes)
{
    uint64_t hash = HASH_BASIS;
    for (size_t i = 0; i < bytes; i++) {
        hash = hash_add(hash, (unsigned char)text[i]);
    }
    return hash;
}

static inline const struct slot *table_find(const struct table *table, uint64_t hash)
{
    for (uint64_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        const struct slot *slot = &table->slots[i];
        if (slot->count == 0 || slot->hash == hash) {
            return slot->count == 0 ? NULL : slot;
        }
    }
}

/* Room for twice as many keys. */
static bool table_create(struct table *table, size_t key_count)
{
    size_t size = 8;
    while (size < 2 * key_count + 1) {
        size *= 2;
    }
    table->slots = calloc(size, sizeof *table->slots);
    table->mask = size - 1;
    return table->slots != NULL;
}

static struct slot *table_place(struct table *table, uint64_t hash)
{
    uint64_t i = hash & table->mask;
    while (table->slots[i].count != 0 && table->slots[i].hash != hash) {
        i = (i + 1) & table->mask;
    }
    return &table->slots[i];
}

/* ---- the search ---- */

struct beginning {
    uint64_t hash;
    size_t bytes;
};

struct search {
    const struct route_index *index;
    const struct route_request *request;
    uint32_t best, cut; /* numbers of routes; NO_ROUTE */
    size_t beginning_count;
    struct beginning beginnings[BEGINNINGS_MAX];
};

/* Asks one route; false: those behind it need not be asked. */
static bool search_try(struct search *search, uint32_t number, bool host_known)
{
    if (number >= search->best) {
        return false;
    }
    switch ((unsigned)route_matches(&search->index->routes[number], search->request, host_known)) {
    case ROUTE_FOUND: search->best = number; return false;
    case ROUTE_CUT: search->cut = number < search->cut ? number : search->cut; return true;
    default: return true;
    }
}

static void search_list(struct search *search, uint32_t group, uint64_t hash)
{
    const struct slot *slot = table_find(&search->index->lists, hash_end(hash, group));
    for (uint32_t i = 0; slot != NULL && i < slot->count; i++) {
        if (!search_try(search, search->index->numbers[slot->at + i], true)) {
            return;
        }
    }
}

static void search_group(struct search *search, uint32_t number)
{
    const struct host_group *group = &search->index->groups[number];
    if (group->first >= search->best) {
        return;
    }
    for (size_t i = 0; i < search->beginning_count; i++) {
        const struct beginning *beginning = &search->beginnings[i];
        if (group->lengths >> (beginning->bytes & 63) & 1) {
            search_list(search, number, beginning->hash);
        }
    }
}

/* The beginnings that end where a segment does, the empty one first. */
static void search_begin(struct search *search)
{
    const char *path = search->request->path.at;
    size_t bytes = search->request->path.bytes, most = search->index->beginning_bytes;
    uint64_t hash = HASH_BASIS;
    search->beginnings[0] = (struct beginning){hash, 0};
    size_t count = 1;
    for (size_t i = 0; i <= most && i <= bytes && count < BEGINNINGS_MAX; i++) {
        if (i > 0 && (i == bytes || path[i] == '/')) {
            search->beginnings[count++] = (struct beginning){hash, i};
        }
        if (i < bytes) {
            hash = hash_add(hash, (unsigned char)path[i]);
        }
    }
    search->beginning_count = count;
}

static void search_host(struct search *search, uint64_t hash, bool is_suffix, const char *name,
                        size_t bytes)
{
    const struct slot *slot = table_find(&search->index->hosts, hash_end(hash, is_suffix));
    if (slot == NULL) {
        return;
    }
    const struct host_group *group = &search->index->groups[slot->at];
    if (group->name_bytes != bytes) {
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (route_lower(name[i]) != (unsigned char)group->name[i]) {
            return;
        }
    }
    search_group(search, slot->at);
}

static void search_hosts(struct search *search)
{
    const char *host = search->request->host.at;
    size_t bytes = search->request->host.bytes;
    if (bytes == 0) {
        return;
    }
    uint64_t hash = HASH_BASIS;
    for (size_t i = bytes; i > 0; i--) {
        hash = hash_add(hash, route_lower(host[i - 1]));
        size_t suffix_bytes = bytes - i + 1;
        if (host[i - 1] == '.' && i > 1 &&
            search->index->suffix_lengths >> (suffix_bytes & 63) & 1) {
            search_host(search, hash, true, host + i - 1, suffix_bytes);
        }
    }
    search_host(search, hash, false, host, bytes);
}

enum route_result route_index_find(const struct route_index *index,
                                   const struct route_request *request,
                                   const struct route **ret_route)
{
    struct search search; /* its beginnings are many, and only few of them are used */
    search.index = index;
    search.request = request;
    search.best = search.cut = NO_ROUTE;
    if (index->hosts.slots == NULL) {
        for (uint32_t i = 0; i < index->route_count && search_try(&search, i, false); i++) {
            ;
        }
    } else {
        search_begin(&search);
        if (index->group_count > 1) {
            search_hosts(&search);
        }
        search_group(&search, ANY_HOST);
    }
    if (search.cut < search.best) {
        return ROUTE_CUT;
    }
    if (search.best == NO_ROUTE) {
        return ROUTE_NONE;
    }
    *ret_route = &index->routes[search.best];
    return ROUTE_FOUND;
}

/* ---- building ---- */

static size_t route_host_count(const struct route_match_settings *match)
{
    size_t count = match->host_count + (match->host.name != NULL);
    return count > 0 ? count : 1;
}

/* What a route's path begins with in whole segments, without a slash at its end. */
static size_t beginning_of(const struct route *route, const char **ret_text)
{
    const struct route_match_settings *match = &route->settings->match;
    bool asks = (route->conditions & (ROUTE_BY_PATH | ROUTE_BY_PREFIX)) != 0;
    const char *text = match->path != NULL ? match->path : match->path_prefix;
    size_t bytes = asks ? route->path_bytes : 0, segments = 0;
    *ret_text = text;
    if (bytes > 0 && text[bytes - 1] == '/') {
        bytes--;
    }
    for (size_t i = 0; i < bytes; i++) {
        segments += text[i] == '/';
    }
    return segments < BEGINNINGS_MAX - 1 ? bytes : 0;
}

/* The number of the host's group, which is made if there is none. */
static uint32_t group_of(struct route_index *index, const struct host_settings *host,
                         uint32_t route)
{
    const char *name = host->name;
    size_t bytes = host->bytes;
    bool is_suffix = host->is_suffix;
    uint64_t hash = hash_end(host_hash(name, bytes), is_suffix);
    struct slot *slot = table_place(&index->hosts, hash);
    if (slot->count == 0) {
        *slot = (struct slot){hash, (uint32_t)index->group_count, 1};
        index->groups[index->group_count++] = (struct host_group){
            .name = name, .name_bytes = bytes, .is_suffix = is_suffix, .first = route};
        index->suffix_lengths |= is_suffix ? UINT64_C(1) << (bytes & 63) : 0;
    }
    return slot->at;
}

static void add_entry(struct route_index *index, uint32_t group_number, uint32_t number)
{
    struct host_group *group = &index->groups[group_number];
    const char *text;
    size_t bytes = beginning_of(&index->routes[number], &text);
    group->first = number < group->first ? number : group->first;
    group->lengths |= UINT64_C(1) << (bytes & 63);
    index->beginning_bytes = bytes > index->beginning_bytes ? bytes : index->beginning_bytes;
    index->entries[index->entry_count++] =
        (struct entry){hash_end(text_hash(text, bytes), group_number), number};
}

static void add_route(struct route_index *index, uint32_t number)
{
    const struct route_match_settings *match = &index->routes[number].settings->match;
    for (size_t i = 0; i < match->host_count; i++) {
        add_entry(index, group_of(index, &match->hosts[i], number), number);
    }
    if (match->host.name != NULL) {
        add_entry(index, group_of(index, &match->host, number), number);
    } else if (match->host_count == 0) {
        add_entry(index, ANY_HOST, number);
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    if (one->hash != other->hash) {
        return one->hash < other->hash ? -1 : 1;
    }
    return one->route < other->route ? -1 : one->route > other->route;
}

/* Entries of one hash follow each other: each such run is a list. */
static void make_lists(struct route_index *index)
{
    qsort(index->entries, index->entry_count, sizeof *index->entries, compare_entries);
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct entry *entry = &index->entries[i];
        struct slot *slot = table_place(&index->lists, entry->hash);
        if (slot->count == 0) {
            *slot = (struct slot){entry->hash, i, 0};
        }
        slot->count++;
        index->numbers[i] = entry->route;
    }
}

static bool index_allocate(struct route_index *index, size_t entry_count)
{
    index->groups = calloc(entry_count + 1, sizeof *index->groups);
    index->numbers = calloc(entry_count, sizeof *index->numbers);
    index->entries = calloc(entry_count, sizeof *index->entries);
    return table_create(&index->hosts, entry_count) && table_create(&index->lists, entry_count) &&
           index->groups != NULL && index->numbers != NULL && index->entries != NULL;
}

struct route_index *route_index_create(const struct route *routes, size_t count)
{
    struct route_index *index = calloc(1, sizeof *index);
    size_t entry_count = 0;
    for (size_t i = 0; i < count; i++) {
        entry_count += route_host_count(&routes[i].settings->match);
    }
    if (index == NULL) {
        return NULL;
    }
    index->routes = routes;
    index->route_count = count;
    if (entry_count <= LIST_MAX) {
        return index;
    }
    if (!index_allocate(index, entry_count)) {
        route_index_free(&index);
        return NULL;
    }
    index->groups[ANY_HOST] = (struct host_group){.name = "", .first = NO_ROUTE};
    index->group_count = 1;
    for (uint32_t i = 0; i < count; i++) {
        add_route(index, i);
    }
    make_lists(index);
    free(index->entries);
    index->entries = NULL;
    return index;
}

void route_index_free(struct route_index **index_pointer)
{
    struct route_index *index = *index_pointer;
    if (index != NULL) {
        free(index->hosts.slots);
        free(index->lists.slots);
        free(index->groups);
        free(index->numbers);
        free(index->entries);
        free(index);
        *index_pointer = NULL;
    }
}
