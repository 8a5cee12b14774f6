/* What is looked at, and the lines. */
#include "proxy/control/trouble.h"

#include <inttypes.h>

#include "proxy/control/control_state.h"
#include "steady/counter.h"

#define LOOK_EVERY_MS 1000
/* So long without a refusal: it is over. */
#define REST_MS 5000

static uint64_t count_accept_pauses(const struct control *control)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < control->workers.count; i++) {
        count += stat_read(&control->workers.stats[i]->accept_pauses);
    }
    return count;
}

static void look_at_accepting(struct control *control, uint64_t now_ms)
{
    struct episode *episode = &control->limits.trouble.accept_pauses;
    const struct bound *fds = &control->limits.shared.fds;
    switch (episode_note(episode, count_accept_pauses(control), REST_MS, now_ms)) {
    case EPISODE_BEGINS:
        log_warn(control->log,
                 "accepting pauses: no descriptors are left for clients: %" PRIu64 " of %" PRIu64
                 " are in use, and nothing has been idle for long; raise the limit of the process "
                 "(LimitNOFILE, ulimit -n), or lower limits.clients or timeouts.idle",
                 bound_used(fds), bound_limit(fds));
        break;
    case EPISODE_ENDS:
        log_info(control->log, "accepting goes on: %" PRIu64 " pauses in %" PRIu64 " ms",
                 episode_count(episode), episode_length_ms(episode));
        break;
    case EPISODE_NO_EVENT: break;
    }
}

void trouble_look(struct control *control)
{
    struct trouble *trouble = &control->limits.trouble;
    uint64_t now_ms = control_now_ms();
    if (now_ms - trouble->looked_ms < LOOK_EVERY_MS) {
        return;
    }
    trouble->looked_ms = now_ms;
    look_at_accepting(control, now_ms);
}
