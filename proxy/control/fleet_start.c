/* What a fleet is given. */
#include "config.h"

#include "proxy/control/fleet_start.h"

#include "pool/resolver.h"
#include "proxy/control/control_state.h"

/* A pools_names_fn: the resolver comes later than whoever asks. */
static size_t addresses_of_name(void *owner, const struct endpoint_settings *settings,
                                struct named_address *addresses, size_t space)
{
    const struct control *control = owner;
    return resolver_addresses(control->names.resolver, settings, addresses, space);
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
    const struct fleet_env env = {store, control->log, control->replica.tickets, PACKAGE_VERSION,
                                  control->program.started_wall_ms};
    control->replica.fleet = fleet_create(&env);
    if (control->replica.fleet == NULL) {
        log_error(control->log, "start: no memory");
    }
    return control->replica.fleet != NULL;
}
