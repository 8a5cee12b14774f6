/* The table of names, their records, and the addresses that they add up to. */
#include "pool/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/hash.h"

#define WEIGHT_MOST 100
/* Part of POOL_NAME_ADDRESSES that is kept for IPv6 if both families have more addresses than fit. */
#define IPV6_SHARE (POOL_NAME_ADDRESSES / 2)

/* ---- the table ---- */

void names_init(struct names *names, uint64_t limit, uint64_t seed, wheel_fire_fn *fire)
{
    memset(names, 0, sizeof *names);
    bound_init(&names->bound, "dns_names", NULL, limit);
    TAILQ_INIT(&names->list);
    names->seed = seed;
    names->fire = fire;
}

static bool lower_copy(char lower[DNS_HOST_BYTES], const char *host)
{
    size_t i = 0;
    for (; host[i] != '\0'; i++) {
        if (i + 1 == DNS_HOST_BYTES) {
            return false;
        }
        lower[i] = (char)tolower((unsigned char)host[i]);
    }
    lower[i] = '\0';
    return true;
}

static size_t bucket_of(const struct names *names, const char *lower)
{
    return hash_bytes(names->seed, lower, strlen(lower)) % NAME_BUCKETS;
}

static struct name *find(const struct names *names, const char *lower, bool service)
{
    struct name *name;
    LIST_FOREACH (name, &names->buckets[bucket_of(names, lower)], chain) {
        if (name->service == service && strcmp(name->host, lower) == 0) {
            return name;
        }
    }
    return NULL;
}

struct name *names_find(const struct names *names, const char *host, bool service)
{
    char lower[DNS_HOST_BYTES];
    return lower_copy(lower, host) ? find(names, lower, service) : NULL;
}

static void init_questions(struct name *name, wheel_fire_fn *fire, uint64_t now_ms)
{
    name->question_count = name->service ? 1 : 2;
    for (unsigned i = 0; i < name->question_count; i++) {
        struct question *question = &name->questions[i];
        question->name = name;
        question->type = name->service ? DNS_SRV : i == 0 ? DNS_A : DNS_AAAA;
        question->routed = true;
        name_state_init(&question->state, now_ms);
        wheel_timer_init(&question->timer, fire);
    }
}

struct name *names_obtain(struct names *names, const char *host, bool service, uint64_t now_ms)
{
    char lower[DNS_HOST_BYTES];
    if (!lower_copy(lower, host)) {
        return NULL;
    }
    struct name *name = find(names, lower, service);
    if (name != NULL || !bound_take(&names->bound, 1)) {
        return name;
    }
    size_t host_bytes = strlen(lower) + 1;
    name = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *name + host_bytes);
    if (name == NULL) {
        bound_give(&names->bound, 1);
        return NULL;
    }
    memcpy(name->host, lower, host_bytes);
    name->names = names;
    name->service = service;
    init_questions(name, names->fire, now_ms);
    LIST_INSERT_HEAD(&names->buckets[bucket_of(names, lower)], name, chain);
    TAILQ_INSERT_TAIL(&names->list, name, link);
    return name;
}

static void release_group(struct service_group **group_pointer)
{
    struct service_group *group = *group_pointer;
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        group->targets[i].name->uses--;
    }
    free(group);
    *group_pointer = NULL;
}

void names_free(struct name **name_pointer)
{
    struct name *name = *name_pointer;
    struct names *names = name->names;
    *name_pointer = NULL;
    release_group(&name->group);
    release_group(&name->coming);
    for (unsigned i = 0; i < name->question_count; i++) {
        CHECK(name->questions[i].query == NULL && !name->questions[i].waiting);
        free(name->questions[i].ips);
    }
    LIST_REMOVE(name, chain);
    TAILQ_REMOVE(&names->list, name, link);
    free(name);
    bound_give(&names->bound, 1);
}

/* ---- addresses ---- */

enum keep_result question_keep_ips(struct question *question, const struct dns_records *records)
{
    size_t bytes = records->count * sizeof *question->ips;
    question->cut = records->cut;
    if (question->ip_count == records->count && memcmp(question->ips, records->ips, bytes) == 0) {
        return KEEP_SAME;
    }
    struct dns_ip *ips = fault_hits(FAULT_ALLOC) ? NULL : malloc(bytes);
    if (ips == NULL) {
        return KEEP_NO_MEMORY;
    }
    memcpy(ips, records->ips, bytes);
    free(question->ips);
    question->ips = ips;
    question->ip_count = records->count;
    return KEEP_CHANGED;
}

bool question_drop_ips(struct question *question)
{
    bool had = question->ip_count > 0;
    free(question->ips);
    question->ips = NULL;
    question->ip_count = 0;
    question->cut = false;
    return had;
}

struct named_address question_address(const struct question *question, size_t i, uint16_t port)
{
    struct named_address named = {.hostname = question->name->host, .weight = 1};
    if (question->type == DNS_A) {
        named.address.v4.sin_family = AF_INET;
        named.address.v4.sin_port = htons(port);
        named.address.length = sizeof named.address.v4;
        memcpy(&named.address.v4.sin_addr, question->ips[i].bytes, 4);
    } else {
        named.address.v6.sin6_family = AF_INET6;
        named.address.v6.sin6_port = htons(port);
        named.address.length = sizeof named.address.v6;
        memcpy(&named.address.v6.sin6_addr, question->ips[i].bytes, 16);
    }
    return named;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Addresses of a family without a route from this machine count only if there are no others. */
static size_t usable_count(const struct question *question, const struct question *other)
{
    bool better = other->ip_count > 0 && other->routed;
    return question->routed || !better ? question->ip_count : 0;
}

static size_t host_addresses(const struct name *name, uint16_t port,
                             struct named_address *addresses, size_t space)
{
    const struct question *v4 = &name->questions[0], *v6 = &name->questions[1];
    size_t v4_count = usable_count(v4, v6), v6_count = usable_count(v6, v4), count = 0;
    space = lesser(space, POOL_NAME_ADDRESSES);
    if (v4_count + v6_count > space) {
        size_t left = space > v4_count ? space - v4_count : 0;
        size_t share = lesser(IPV6_SHARE, space / 2);
        v6_count = lesser(v6_count, left > share ? left : share);
    }
    for (size_t i = 0; i < v4_count && count + v6_count < space; i++) {
        addresses[count++] = question_address(v4, i, port);
    }
    for (size_t i = 0; i < v6_count; i++) {
        addresses[count++] = question_address(v6, i, port);
    }
    return count;
}

size_t name_addresses(const struct name *name, uint16_t port, struct named_address *addresses,
                      size_t space)
{
    const struct service_group *group = name->group;
    size_t count = 0;
    space = lesser(space, POOL_NAME_ADDRESSES);
    if (!name->service) {
        return host_addresses(name, port, addresses, space);
    }
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        const struct service_target *target = &group->targets[i];
        size_t more = host_addresses(target->name, target->port, addresses + count, space - count);
        for (; more > 0; more--) {
            addresses[count++].weight = target->weight;
        }
    }
    return count;
}

static size_t ips_known(const struct name *name)
{
    size_t count = 0;
    for (unsigned i = 0; !name->service && i < name->question_count; i++) {
        count += name->questions[i].ip_count;
    }
    return count;
}

bool name_cut(const struct name *name)
{
    const struct service_group *group = name->group;
    size_t count = ips_known(name);
    bool cut = group != NULL && group->cut;
    for (unsigned i = 0; i < name->question_count; i++) {
        cut = cut || name->questions[i].cut;
    }
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        cut = cut || name_cut(group->targets[i].name);
        count += ips_known(group->targets[i].name);
    }
    return cut || count > POOL_NAME_ADDRESSES;
}

/* ---- services ---- */

static uint32_t divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* RFC 2782: among other weights a weight of 0 is next to nothing. If all weights are 0 they are equal. */
static void scale_weights(struct service_group *group)
{
    uint32_t most = 0, common = 0;
    for (size_t i = 0; i < group->count; i++) {
        most = group->targets[i].weight > most ? group->targets[i].weight : most;
    }
    for (size_t i = 0; i < group->count; i++) {
        uint32_t weight = group->targets[i].weight;
        if (most > WEIGHT_MOST) {
            weight = (weight * WEIGHT_MOST + most / 2) / most;
        }
        group->targets[i].weight = (uint16_t)(weight == 0 ? 1 : weight);
        common = divisor(common, group->targets[i].weight);
    }
    for (size_t i = 0; i < group->count; i++) {
        group->targets[i].weight = (uint16_t)(group->targets[i].weight / common);
    }
}

static struct service_group *make_group(const struct name *name, const struct dns_records *records,
                                        uint64_t now_ms)
{
    size_t bytes = sizeof(struct service_group) + records->count * sizeof(struct service_target);
    struct service_group *group = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, bytes);
    if (group == NULL) {
        return NULL;
    }
    group->cut = records->cut;
    for (size_t i = 0; i < records->count; i++) {
        const struct dns_service *service = &records->services[i];
        struct name *target = names_obtain(name->names, service->host, false, now_ms);
        if (target == NULL) {
            group->cut = true;
            continue;
        }
        if (target->resolve_ms == 0) {
            target->resolve_ms = name->resolve_ms;
        }
        target->uses++;
        group->targets[group->count++] =
            (struct service_target){target, service->port, service->weight};
    }
    scale_weights(group);
    return group;
}

static bool same_group(const struct service_group *a, const struct service_group *b)
{
    bool same = a != NULL && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = a->targets[i].name == b->targets[i].name &&
               a->targets[i].port == b->targets[i].port &&
               a->targets[i].weight == b->targets[i].weight;
    }
    return same;
}

enum keep_result name_keep_services(struct name *name, const struct dns_records *records,
                                    uint64_t now_ms)
{
    struct service_group *group = make_group(name, records, now_ms);
    if (group == NULL) {
        return KEEP_NO_MEMORY;
    }
    if (same_group(name->coming, group)) {
        release_group(&group);
        return KEEP_SAME;
    }
    release_group(&name->coming);
    if (same_group(name->group, group)) {
        name->group->cut = group->cut;
        release_group(&group);
        return KEEP_SAME;
    }
    name->coming = group;
    return KEEP_CHANGED;
}

static bool group_asked(const struct service_group *group)
{
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        if (ips_known(group->targets[i].name) == 0 && !name_asked(group->targets[i].name)) {
            return false;
        }
    }
    return true;
}

static size_t group_ips(const struct service_group *group)
{
    size_t count = 0;
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        count += ips_known(group->targets[i].name);
    }
    return count;
}

bool name_settle_services(struct name *name)
{
    if (name->coming == NULL || !group_asked(name->coming) ||
        (group_ips(name->coming) == 0 && group_ips(name->group) > 0)) {
        return false;
    }
    release_group(&name->group);
    name->group = name->coming;
    name->coming = NULL;
    return true;
}

bool name_drop_services(struct name *name)
{
    bool had = name->group != NULL;
    release_group(&name->group);
    release_group(&name->coming);
    return had;
}

bool name_asked(const struct name *name)
{
    for (unsigned i = 0; i < name->question_count; i++) {
        if (!name->questions[i].state.ended) {
            return false;
        }
    }
    return name->coming == NULL && group_asked(name->group);
}
