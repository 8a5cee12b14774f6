/* When an episode begins and ends. */
#include "steady/episode.h"

#include <stdbool.h>

/* Part of what is counted is gone. Only what comes from now on is a rise. */
static void episode_fall(struct episode *episode, uint64_t count)
{
    uint64_t fallen_count = episode->seen_count - count;
    episode->seen_count = count;
    episode->before_count -=
        fallen_count < episode->before_count ? fallen_count : episode->before_count;
}

enum episode_event episode_note(struct episode *episode, uint64_t count, uint64_t rest_ms,
                                uint64_t now_ms)
{
    if (count < episode->seen_count) {
        episode_fall(episode, count);
    }
    bool risen = count > episode->seen_count;
    enum episode_state before = episode->state;
    if (risen && before == EPISODE_OVER) {
        episode->before_count = episode->seen_count;
        episode->began_ms = now_ms;
    }
    if (risen) {
        episode->seen_count = count;
        episode->risen_ms = now_ms;
        episode->state = EPISODE_ON;
        return before == EPISODE_OVER ? EPISODE_BEGINS : EPISODE_NO_EVENT;
    }
    if (before == EPISODE_ON && now_ms - episode->risen_ms >= rest_ms) {
        episode->state = EPISODE_OVER;
        return EPISODE_ENDS;
    }
    return EPISODE_NO_EVENT;
}

void episode_prolong(struct episode *episode, uint64_t now_ms)
{
    if (episode->state == EPISODE_ON) {
        episode->risen_ms = now_ms;
    }
}
