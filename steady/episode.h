/*
 * An episode: a rising count, seen as something that begins, continues, and is over when the count has not risen for
 * some time.
 *
 * It turns thousands of refusals into two lines for the operator. The owner notes the count whenever it looks; how
 * often that is decides how early an episode is seen, not how much it counts.
 *
 * Owns: nothing; embedded. Thread: its owner's. Time base: milliseconds of any clock that does not go back, as
 * arguments. Errors: none.
 */
#ifndef EVENKEEL_STEADY_EPISODE_H
#define EVENKEEL_STEADY_EPISODE_H

#include <stdint.h>

enum episode_state { EPISODE_OVER, EPISODE_ON };
enum episode_event { EPISODE_NO_EVENT, EPISODE_BEGINS, EPISODE_ENDS };

struct episode {
    enum episode_state state;
    uint64_t seen_count;   /* when it was noted last */
    uint64_t before_count; /* before the present or the last episode */
    uint64_t began_ms,
        /* of the present or the last episode: its begin, and when the count was last seen to have risen */
        risen_ms;
};

/* What the count, as it is now, says: an episode begins when it has risen, and ends when it has not for `rest_ms`. A count that
   falls, because part of what it sums has gone, is no event. */
enum episode_event episode_note(struct episode *episode, uint64_t count, uint64_t rest_ms,
                                uint64_t now_ms);
/* The cause is known to last though the count rests: the rest begins anew. */
void episode_prolong(struct episode *episode, uint64_t now_ms);

/* By how much the count rose in the present or the last episode. */
static inline uint64_t episode_count(const struct episode *episode)
{
    return episode->seen_count - episode->before_count;
}

/* How long the present or the last episode took, without the rest at its end. */
static inline uint64_t episode_length_ms(const struct episode *episode)
{
    return episode->risen_ms - episode->began_ms;
}

#endif
