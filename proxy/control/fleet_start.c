/* What a fleet is given. */
#include "config.h"

#include "proxy/control/fleet_start.h"

#include "pool/resolver.h"
#include "proxy/control/control_state.h"
#include "proxy/control/operator_words.h"
#include "proxy/policy/admission.h"

/* A pools_names_fn: the resolver comes later than whoever asks. */
static size_t addresses_of_name(void *owner, const struct endpoint_settings *settings,
                                struct named_address *addresses, size_t space)
{
    const struct control *control = owner;
    return resolver_addresses(control->names.resolver, settings, addresses, space);
}

static bool is_ready(void *owner)
{
    const struct control *control = owner;
    return control->drain.stage == DRAIN_SERVING &&
           readiness_is_ready(&control->readiness.readiness);
}

static bool make_warm(const struct seal_key *key, uint8_t **ret_bytes, size_t *ret_length,
                      void *owner)
{
    return warm_make(owner, key, ret_bytes, ret_length);
}

/* Only at the start: later this process knows better. */
static bool take_warm(const struct seal_key *key, const void *bytes, size_t length, void *owner)
{
    struct control *control = owner;
    return control->generations.present != NULL || warm_take(control, key, bytes, length);
}

static bool obey(const struct operator_word *word, const char *at, void *owner)
{
    return operator_words_obey(owner, word, at);
}

bool fleet_start(struct control *control)
{
    rng_init_random(&control->replica.rng);
    const struct store_env store = {.base = control->loop.base,
                                    .log = control->log,
                                    .fds = &control->limits.shared.fds,
                                    .tls = pools_tls_clients(control->pools),
                                    .scratch = control->probe.scratch,
                                    .rng = &control->replica.rng,
                                    .addresses = addresses_of_name,
                                    .names = control};
    const struct fleet_env env = {.store = store,
                                  .log = control->log,
                                  .tickets = control->replica.tickets,
                                  .version = PACKAGE_VERSION,
                                  .started_wall_ms = control->program.started_wall_ms,
                                  .is_ready = is_ready,
                                  .warm_make = make_warm,
                                  .warm_take = take_warm,
                                  .obey = obey,
                                  .owner = control};
    control->replica.fleet = fleet_create(&env);
    if (control->replica.fleet == NULL) {
        log_error(control->log, "start: no memory");
    }
    return control->replica.fleet != NULL;
}

static bool has_address(struct control *control, const struct endpoint_settings *places,
                        size_t count)
{
    struct named_address found;
    for (size_t i = 0; i < count; i++) {
        if (places[i].local || places[i].literal ||
            addresses_of_name(control, &places[i], &found, 1) > 0) {
            return true;
        }
    }
    return false;
}

/* A reload would say what is wrong with the files; the first generation does so soon. */
static bool begin(struct control *control)
{
    struct settings *settings = control->generations.settings;
    struct fleet_access *access = NULL;
    char why[512];
    if (!settings->fleet.warm_state || takeover_pending(control) ||
        !fleet_access_load(pools_tls_clients(control->pools), &settings->fleet, &access, why,
                           sizeof why) ||
        access == NULL) {
        return false;
    }
    fleet_follow(control->replica.fleet, settings, &access);
    fleet_want_warm(control->replica.fleet);
    return true;
}

/* ---- rates ---- */

static bool follow_route(struct fleet *fleet, const struct route *route)
{
    bool followed = true;
    for (size_t kind = 0; followed && kind < ADMISSION_RATE_COUNT; kind++) {
        const struct admission_leases *leases = route->admission.leases[kind];
        if (leases != NULL) {
            const struct fleet_rate rate = {.route = route->figures->name,
                                            .kind = kind,
                                            .leases = leases->table,
                                            .whole =
                                                admission_rate_settings(route->settings, kind)};
            followed = fleet_rates_add(fleet, &rate);
        }
    }
    return followed;
}

/* Without memory for its talk with the store a rate goes on as the share that it has. */
void fleet_follow_rates(struct control *control)
{
    const struct generation *generation = control->generations.present;
    bool followed = true;
    fleet_rates_begin(control->replica.fleet);
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        followed = follow_route(control->replica.fleet, &generation->routes[i]) && followed;
    }
    fleet_rates_end(control->replica.fleet);
    if (!followed) {
        log_error(control->log, "fleet: no memory: a rate holds at this replica only");
    }
}

/* ---- the start ---- */

static void ask_first(struct control *control)
{
    if (control->replica.first == FLEET_FIRST_UNASKED) {
        control->replica.first = begin(control) ? FLEET_FIRST_ASKED : FLEET_FIRST_UNWANTED;
    }
}

void fleet_ask_first(struct control *control)
{
    const struct fleet_settings *fleet = &control->generations.settings->fleet;
    if (has_address(control, fleet->stores, fleet->store_count) ||
        has_address(control, fleet->sentinels, fleet->sentinel_count)) {
        ask_first(control);
    }
}

bool fleet_await_first(struct control *control)
{
    uint64_t until_ms = control_now_ms() + control->generations.settings->fleet.timeout_ms;
    ask_first(control);
    while (control->replica.first == FLEET_FIRST_ASKED &&
           !fleet_warm_is_settled(control->replica.fleet) && control_now_ms() < until_ms &&
           !event_base_got_break(control->loop.base)) {
        event_base_loop(control->loop.base, EVLOOP_ONCE); /* the housekeeping wakes it */
    }
    return !event_base_got_break(control->loop.base);
}
