/* When which question is asked, and what an answer changes. */
#include "pool/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool/names_memory.h"
#include "pool/pools.h"
#include "pool/resolver_entries.h"
#include "pool/resolver_state.h"
#include "pool/route.h"
#include "steady/fault.h"

#define QUERIES_IN_FLIGHT 64
/* Any port: the route does not depend on it. */
#define ROUTE_PORT 9
/* Rounds of 1, 2 and 4 waits fit into the time of a query. */
#define TRIES_PER_QUERY 8
#define TRY_LEAST_MS 20
/* A channel without answers is reopened at most once in this time, and resolv.conf is checked as often. */
#define REOPEN_MS 1000
/* A question that waits for a place checks this often whether its answer has become too old. */
#define WAITING_LOOK_MS 1000

static void on_fire(struct wheel_timer *timer, uint64_t now_ms);
static void on_done(void *owner, enum lookup_result result, const struct dns_records *records);

static struct resolver *resolver_of(const struct name *name)
{
    return container_of(name->names, struct resolver, names);
}

/* The rest runs in a frame of the event loop. */
static void activate(struct resolver *resolver)
{
    event_active(&resolver->work, EV_TIMEOUT, 1);
}

/* ---- what an answer changes ---- */

static bool is_followed(const struct name *name)
{
    return !name->aside || name->uses > 0;
}

static void schedule(struct resolver *resolver, struct question *question)
{
    uint64_t at_ms = name_state_due_ms(&question->state, &resolver->rules);
    if (question->query != NULL) {
        at_ms = question->deadline_ms;
    } else if (question->waiting) {
        at_ms = resolver_now_ms() + WAITING_LOOK_MS;
    }
    wheel_arm(&resolver->wheel, &question->timer, at_ms);
}

static void enqueue(struct resolver *resolver, struct question *question)
{
    if (question->waiting || question->query != NULL) {
        return;
    }
    question->waiting = true;
    TAILQ_INSERT_TAIL(&resolver->waiting, question, link);
    schedule(resolver, question);
    activate(resolver);
}

static void dequeue(struct resolver *resolver, struct question *question)
{
    if (question->waiting) {
        TAILQ_REMOVE(&resolver->waiting, question, link);
    }
    question->waiting = false;
}

/* The first lookup of a name. */
static void ask_first(struct resolver *resolver, struct name *name)
{
    for (unsigned i = 0; i < name->question_count; i++) {
        if (!wheel_timer_armed(&name->questions[i].timer)) {
            enqueue(resolver, &name->questions[i]);
        }
    }
}

/* A network can come and go while the answer stays the same. */
static void look_at_route(struct resolver *resolver, struct question *question)
{
    const struct named_address first = question_address(question, 0, ROUTE_PORT);
    bool routed = route_exists(&first.address);
    if (routed == question->routed) {
        return;
    }
    question->routed = routed;
    resolver->changed = resolver->changed || is_followed(question->name);
    resolver_report(resolver, LOG_LEVEL_INFO, "name %s: there is %s route to its %s addresses",
                    question->name->host, routed ? "a" : "no",
                    question->type == DNS_A ? "IPv4" : "IPv6");
}

static void take(struct resolver *resolver, struct question *question,
                 const struct dns_records *records, bool was_holding)
{
    struct name *name = question->name;
    enum keep_result result = question->type == DNS_SRV
                                  ? name_keep_services(name, records, resolver_now_ms())
                                  : question_keep_ips(question, records);
    if (result == KEEP_NO_MEMORY) {
        resolver_report(resolver, LOG_LEVEL_ERROR, "name %s: no memory for its records",
                        name->host);
    }
    if (question->ip_count > 0) {
        look_at_route(resolver, question);
    }
    if (result != KEEP_CHANGED) {
        return;
    }
    for (size_t i = 0; name->coming != NULL && i < name->coming->count; i++) {
        ask_first(resolver, name->coming->targets[i].name);
    }
    resolver->changed = resolver->changed || (question->type != DNS_SRV && is_followed(name));
    resolver_report_change(resolver, question, was_holding);
}

static void drop(struct resolver *resolver, struct question *question)
{
    bool had = question->type == DNS_SRV ? name_drop_services(question->name)
                                         : question_drop_ips(question);
    if (!had) {
        return;
    }
    resolver->changed = resolver->changed || is_followed(question->name);
    resolver_report(resolver, LOG_LEVEL_WARN, "name %s: %s: its records are dropped: %s",
                    question->name->host, dns_type_name(question->type),
                    lookup_result_name(question->state.last));
}

static bool nothing_known(const struct name *name)
{
    struct named_address first;
    return name_addresses(name, 0, &first, 1) == 0;
}

/* The one place where a lookup ends. */
static void end_lookup(struct resolver *resolver, struct question *question,
                       const struct resolver_settings *rules, enum lookup_result result,
                       const struct dns_records *records)
{
    struct name_outcome outcome = {.result = result, .urgent = nothing_known(question->name)};
    bool was_holding = question->state.holding;
    bool was_failing = question->state.failures_count > 0;
    if (result == LOOKUP_FOUND || result == LOOKUP_EMPTY || result == LOOKUP_UNKNOWN) {
        outcome.ttl_ms = records->ttl_ms;
    }
    resolver->figures.results[result]++;
    enum name_step step =
        name_state_ended(&question->state, rules, &outcome, resolver_now_ms(), &resolver->rng);
    if (step == NAME_TAKE) {
        take(resolver, question, records, was_holding);
    } else if (step == NAME_DROP) {
        drop(resolver, question);
    } else if (question->state.failures_count > 0) {
        resolver_report_failure(resolver, question);
    } else {
        resolver_report_no(resolver, question);
    }
    if (was_failing && question->state.failures_count == 0) {
        resolver_report(resolver, LOG_LEVEL_INFO, "name %s: %s: lookups succeed again",
                        question->name->host, dns_type_name(question->type));
    }
    resolver->ended = true;
    schedule(resolver, question);
    activate(resolver);
}

/* ---- asking ---- */

/* An answer from the hosts file is used at once, and checked again after the shortest TTL. */
static bool answer_from_hosts(struct resolver *resolver, struct name *name)
{
    struct dns_records records[2];
    struct resolver_settings rules = resolver->rules;
    bool found = false;
    hosts_refresh(&resolver->hosts);
    for (unsigned i = 0; i < name->question_count; i++) {
        if (hosts_find(&resolver->hosts, name->host, name->questions[i].type, &records[i])) {
            found = true;
        }
    }
    name->source = found ? NAME_FROM_HOSTS : NAME_FROM_DNS;
    rules.negative_count = 1;
    rules.negative_span_ms = 0;
    for (unsigned i = 0; found && i < name->question_count; i++) {
        struct question *question = &name->questions[i];
        dns_query_cancel(&question->query);
        dequeue(resolver, question);
        end_lookup(resolver, question, &rules, records[i].count > 0 ? LOOKUP_FOUND : LOOKUP_EMPTY,
                   &records[i]);
    }
    return found;
}

/* False: too many queries are in flight. */
static bool ask(struct resolver *resolver, struct question *question)
{
    struct name *name = question->name;
    if (!name->service && answer_from_hosts(resolver, name)) {
        return true;
    }
    question->asked_ms = resolver_now_ms();
    question->deadline_ms = question->asked_ms + name->resolve_ms;
    enum dns_ask_result result = dns_channel_ask(resolver->channel, name->host, question->type,
                                                 on_done, question, &question->query);
    if (result == DNS_ASK_FULL) {
        return false;
    }
    dequeue(resolver, question);
    resolver->figures.queries[question->type]++;
    if (result == DNS_ASK_NO_MEMORY) {
        end_lookup(resolver, question, &resolver->rules, LOOKUP_NO_MEMORY, NULL);
    } else {
        schedule(resolver, question);
    }
    return true;
}

/* No server has answered since the question was asked, so the failure may be on this side. */
static void heard_nothing(struct resolver *resolver, const struct question *question)
{
    if (resolver->heard_ms >= question->asked_ms ||
        resolver_now_ms() - resolver->opened_ms < REOPEN_MS) {
        return;
    }
    resolver->open_wanted = true;
    if (!resolver->silence_told) {
        resolver_report(resolver, LOG_LEVEL_WARN,
                        "no DNS server answers: their sockets are reopened");
    }
    resolver->silence_told = true;
}

static void heard(struct resolver *resolver)
{
    resolver->heard_ms = resolver_now_ms();
    if (resolver->silence_told) {
        resolver_report(resolver, LOG_LEVEL_INFO, "DNS servers answer again");
    }
    resolver->silence_told = false;
}

/* Called from within c-ares, perhaps from within ask(). */
static void on_done(void *owner, enum lookup_result result, const struct dns_records *records)
{
    struct question *question = owner;
    struct resolver *resolver = resolver_of(question->name);
    question->query = NULL;
    dequeue(resolver, question);
    if (result == LOOKUP_TIMEOUT) {
        heard_nothing(resolver, question);
    } else if (result != LOOKUP_FAILED && result != LOOKUP_NO_MEMORY) {
        heard(resolver);
    }
    end_lookup(resolver, question, &resolver->rules, result, records);
}

/* The deadline of a query has passed, or the answer is to be checked. */
static void on_fire(struct wheel_timer *timer, uint64_t now_ms)
{
    struct question *question = container_of(timer, struct question, timer);
    struct resolver *resolver = resolver_of(question->name);
    if (question->query != NULL) {
        dns_query_cancel(&question->query);
        heard_nothing(resolver, question);
        end_lookup(resolver, question, &resolver->rules, LOOKUP_TIMEOUT, NULL);
        return;
    }
    if (name_state_passed(&question->state, &resolver->rules, now_ms) == NAME_DROP) {
        drop(resolver, question);
    }
    if (now_ms >= question->state.next_ms) {
        enqueue(resolver, question);
    }
    schedule(resolver, question);
    activate(resolver);
}

/* ---- the channel ---- */

static void look_at_resolv_conf(struct resolver *resolver)
{
    if (resolver_now_ms() - resolver->looked_ms < REOPEN_MS) {
        return;
    }
    resolver->looked_ms = resolver_now_ms();
    if (!file_mark_moved(&resolver->resolv_conf, resolver->env.resolv_conf)) {
        return;
    }
    resolver_report(resolver, LOG_LEVEL_INFO, "%s has changed", resolver->env.resolv_conf);
    resolver->open_wanted = true;
}

static void open_channel(struct resolver *resolver)
{
    const struct dns_channel_settings settings = {
        .servers = resolver->rules.servers,
        .server_count = resolver->rules.server_count,
        .resolv_conf = resolver->env.resolv_conf,
        .try_ms = resolver->try_ms,
    };
    resolver->figures.reopened += resolver->opened_ms > 0;
    resolver->opened_ms = resolver_now_ms();
    resolver->open_wanted = !dns_channel_open(resolver->channel, &settings);
    if (resolver->open_wanted) { /* done with the next question */
        resolver_report(resolver, LOG_LEVEL_ERROR, "no memory for the sockets to DNS servers");
    }
}

/* ---- frames of the event loop ---- */

static void arm_wheel(struct resolver *resolver)
{
    uint64_t next_ms = wheel_next_ms(&resolver->wheel), now_ms = resolver_now_ms();
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};
    if (next_ms == UINT64_MAX) {
        event_del(&resolver->wheel_event);
    } else {
        event_add(&resolver->wheel_event, &wait);
    }
}

static void on_wheel(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;
    (void)fd;
    (void)what;
    wheel_advance(&resolver->wheel, resolver_now_ms());
    arm_wheel(resolver);
}

static void forget(struct resolver *resolver, struct name *name)
{
    for (unsigned i = 0; i < name->question_count; i++) {
        dns_query_cancel(&name->questions[i].query);
        dequeue(resolver, &name->questions[i]);
        wheel_disarm(&resolver->wheel, &name->questions[i].timer);
    }
    names_free(&name);
}

/* Freeing the name of a service may leave its targets unused. */
static void sweep(struct resolver *resolver)
{
    struct name *name, *next;
    bool again = true;
    while (again) {
        again = false;
        for (name = TAILQ_FIRST(&resolver->names.list); name != NULL; name = next) {
            next = TAILQ_NEXT(name, link);
            if (name->wanted || name->uses > 0) {
                continue;
            }
            again = again || name->service;
            forget(resolver, name);
        }
    }
}

static void settle(struct resolver *resolver)
{
    struct name *name;
    TAILQ_FOREACH (name, &resolver->names.list, link) {
        if (name_settle_services(name)) {
            resolver->changed = true;
            resolver_report(resolver, LOG_LEVEL_INFO, "name %s: SRV: %zu services", name->host,
                            name->group->count);
        }
        if (name->wanted && !name->cut_told && name_cut(name)) {
            name->cut_told = true;
            resolver_report(resolver, LOG_LEVEL_WARN,
                            "name %s: has too many addresses: only %d are used", name->host,
                            POOL_NAME_ADDRESSES);
        }
    }
    sweep(resolver);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;
    struct question *question;
    (void)fd;
    (void)what;
    if (!TAILQ_EMPTY(&resolver->waiting)) {
        look_at_resolv_conf(resolver);
    }
    if (resolver->open_wanted) {
        open_channel(resolver);
    }
    while ((question = TAILQ_FIRST(&resolver->waiting)) != NULL && ask(resolver, question)) {
    }
    if (resolver->ended || resolver->changed) {
        settle(resolver);
    }
    bool news = resolver->ended || resolver->changed, changed = resolver->changed;
    resolver->ended = resolver->changed = false;
    arm_wheel(resolver);
    if (news) {
        resolver->env.on_news(changed, resolver->env.owner);
    }
}

/* ---- life ---- */

struct resolver *resolver_create(const struct resolver_env *env)
{
    struct resolver *resolver = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return NULL;
    }
    bound_init(&resolver->queries, "dns_queries", NULL, QUERIES_IN_FLIGHT);
    resolver->channel = dns_channel_create(env->base, &resolver->queries);
    if (resolver->channel == NULL) {
        free(resolver);
        return NULL;
    }
    resolver->env = *env;
    rng_init_random(&resolver->rng);
    names_init(&resolver->names, POOL_ENDPOINTS, rng_next(&resolver->rng), on_fire);
    TAILQ_INIT(&resolver->waiting);
    hosts_init(&resolver->hosts, env->hosts);
    (void)file_mark_moved(&resolver->resolv_conf, env->resolv_conf);
    wheel_init(&resolver->wheel, resolver_now_ms());
    event_assign(&resolver->wheel_event, env->base, -1, 0, on_wheel, resolver);
    event_assign(&resolver->work, env->base, -1, 0, on_work, resolver);
    bound_register(env->registry, &resolver->names.bound);
    bound_register(env->registry, &resolver->queries);
    return resolver;
}

void resolver_free(struct resolver **resolver_pointer)
{
    struct resolver *resolver = *resolver_pointer;
    struct name *name;
    if (resolver == NULL) {
        return;
    }
    *resolver_pointer = NULL;
    TAILQ_FOREACH (name, &resolver->names.list, link) {
        name->wanted = false;
    }
    sweep(resolver);
    dns_channel_free(&resolver->channel);
    event_del(&resolver->wheel_event);
    event_del(&resolver->work);
    hosts_release(&resolver->hosts);
    bound_remove(resolver->env.registry, &resolver->names.bound);
    bound_remove(resolver->env.registry, &resolver->queries);
    settings_put(&resolver->settings);
    free(resolver);
}

/* ---- names of the configuration ---- */

static void want(struct resolver *resolver, const struct endpoint_settings *entry,
                 uint64_t resolve_ms, bool aside)
{
    struct name *name =
        names_obtain(&resolver->names, entry->host, entry->service, resolver_now_ms());
    if (name == NULL) {
        resolver->refused_count++;
        return;
    }
    name->aside = aside && (name->aside || !name->wanted);
    name->wanted = true;
    name->resolve_ms = resolve_ms;
}

/* Of several upstreams with the name, the shortest timeouts.resolve applies. */
static void hurry(struct resolver *resolver, const struct endpoint_settings *entry,
                  uint64_t resolve_ms, bool aside)
{
    (void)aside;
    struct name *name = names_find(&resolver->names, entry->host, entry->service);
    if (name == NULL) {
        return;
    }
    if (resolve_ms < name->resolve_ms) {
        name->resolve_ms = resolve_ms;
    }
    uint64_t try_ms = resolve_ms / TRIES_PER_QUERY;
    if (try_ms < resolver->try_ms) {
        resolver->try_ms = try_ms < TRY_LEAST_MS ? TRY_LEAST_MS : try_ms;
    }
    ask_first(resolver, name);
}

static void keep_wanted(struct resolver *resolver, const struct endpoint_settings *entry,
                        uint64_t resolve_ms, bool aside)
{
    struct name *name = names_find(&resolver->names, entry->host, entry->service);
    (void)resolve_ms, (void)aside;
    if (name != NULL) {
        name->wanted = true;
    }
}

static bool same_servers(const struct resolver_settings *a, const struct resolver_settings *b)
{
    bool same = a->server_count == b->server_count;
    for (size_t i = 0; same && i < a->server_count; i++) {
        same = address_equal(&a->servers[i], &b->servers[i]);
    }
    return same;
}

size_t resolver_use(struct resolver *resolver, struct settings *settings)
{
    struct settings *before = resolver->settings;
    uint64_t try_ms = resolver->try_ms;
    if (before == NULL || !same_servers(&resolver->rules, &settings->resolver)) {
        resolver->open_wanted = true;
    }
    resolver->settings = settings_get(settings);
    resolver->rules = settings->resolver;
    settings_put(&before);
    resolver->try_ms = UINT64_MAX;
    resolver->refused_count = 0;
    resolver_each_entry(resolver, want);
    resolver_each_entry(resolver, hurry);
    if (resolver->try_ms == UINT64_MAX) { /* there are no names */
        resolver->try_ms = try_ms == 0 ? TRY_LEAST_MS : try_ms;
    }
    resolver->open_wanted = resolver->open_wanted || try_ms != resolver->try_ms;
    activate(resolver);
    return resolver->refused_count;
}

void resolver_forget_others(struct resolver *resolver)
{
    struct name *name;
    TAILQ_FOREACH (name, &resolver->names.list, link) {
        name->wanted = false;
    }
    resolver_each_entry(resolver, keep_wanted);
    sweep(resolver);
}

enum names_state resolver_state(const struct resolver *resolver)
{
    enum names_state state = NAMES_ASKED;
    const struct name *name;
    TAILQ_FOREACH (name, &resolver->names.list, link) {
        if (!name->wanted || !is_followed(name) || name_asked(name)) {
            continue;
        }
        if (nothing_known(name)) {
            return NAMES_ASKING;
        }
        state = NAMES_USABLE;
    }
    return state;
}

size_t resolver_addresses(void *owner, const struct endpoint_settings *settings,
                          struct named_address *addresses, size_t space)
{
    const struct resolver *resolver = owner;
    const struct name *name = names_find(&resolver->names, settings->host, settings->service);
    return name == NULL ? 0 : name_addresses(name, settings->port, addresses, space);
}

void resolver_save(const struct resolver *resolver, struct pack *pack)
{
    names_save(&resolver->names, pack);
}

size_t resolver_restore(struct resolver *resolver, struct unpack *unpack)
{
    return names_restore(&resolver->names, unpack, resolver_now_ms());
}
