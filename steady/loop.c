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

uint64_t loop_run_deferred(struct loop *loop)
{
    struct deferred *last = TAILQ_LAST(&loop->deferred, deferred_list);
    uint64_t run_count = 0;
    bool done = last == NULL;
    while (!done && loop_has_deferred(loop)) {
        struct deferred *first = TAILQ_FIRST(&loop->deferred);
        done = first == last;
        loop_defer_cancel(loop, first);
        first->run(first);
        run_count++;
    }
    return run_count;
}
