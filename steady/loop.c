/* The parts of a loop, made and run. */
#include "steady/loop.h"

#include <string.h>

enum mailbox_result loop_init(struct loop *loop)
{
    memset(loop, 0, sizeof *loop);
    TAILQ_INIT(&loop->deferred);
    SLIST_INIT(&loop->freed);
    wheel_init(&loop->wheel, loop_now_ms(loop));
    rng_init_random(&loop->rng);
    return mailbox_create(&loop->mailbox);
}

void loop_release(struct loop *loop)
{
    mailbox_free(loop->mailbox);
    loop->mailbox = NULL;
}

/* What ends the pass cannot be cancelled, while the last that was deferred can. */
uint64_t loop_run_deferred(struct loop *loop)
{
    struct deferred *first;
    uint64_t run_count = 0;
    if (!loop_has_deferred(loop)) {
        return 0;
    }
    loop_defer(loop, &loop->pass_end);
    while ((first = TAILQ_FIRST(&loop->deferred)) != &loop->pass_end) {
        loop_defer_cancel(loop, first);
        first->run(first);
        run_count++;
    }
    loop_defer_cancel(loop, &loop->pass_end);
    return run_count;
}
