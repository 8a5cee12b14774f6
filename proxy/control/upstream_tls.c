/* At most one line in ten seconds for each endpoint and cause, with a count. */
#include "proxy/control/upstream_tls.h"

#include <inttypes.h>

#include "pool/upstream.h"
#include "proxy/control/control_state.h"
#include "tls/session_cache.h"

static void tell_failure(const struct pools_tls_failure *failure, void *owner)
{
    const struct control *control = owner;
    log_error(control->log,
              "upstream %s: endpoint %s (%s): TLS handshake for \"%s\": %s; %" PRIu64 " failed",
              failure->upstream, failure->text, failure->address, failure->server_name,
              tls_failure_name(failure->failure), failure->count);
}

void upstream_tls_housekeeping(struct control *control)
{
    uint64_t now_ms = control_now_ms();
    pools_log_tls_failures(control->pools, now_ms, tell_failure, control);
    session_cache_sweep(pools_sessions(control->pools), now_ms);
}
