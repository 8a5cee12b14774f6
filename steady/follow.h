/*
 * Following: whether the load explains that a figure has risen within a window of its history.
 *
 * A queue that creeps goes on while the load falls, and one that follows the load does not. So the points of the window are compared in pairs,
 * those at least a sixth of the window apart. The load explains the rise from one to the other when the figure has grown, relatively, by no more than the
 * load to some power; and where the load has not grown, when the figure has not either. It explains the window when few pairs remain. A load that
 * merely varies explains nothing, however much it does: half of its pairs fall.
 *
 * A figure may come late, or keep what it has needed at a peak. So the load is looked at as it is, as means that look back 3 to 100
 * points, and as the peaks of these; the figure follows if it follows one of them.
 *
 * Owns nothing; pure. Thread: any. Time base: the ticks of the histories, which are sampled at the same ones. Errors: none. Cost: ten times the
 * 1,275 pairs of a window.
 */
#ifndef EVENKEEL_STEADY_FOLLOW_H
#define EVENKEEL_STEADY_FOLLOW_H

#include "steady/history.h"

/* How a figure may grow with its load. */
struct follow_terms {
    /* of the load; NULL: the figure should not move with anything */
    const struct history *load;
    /* a figure that grows, relatively, by no more than the load to this power may follow it */
    double power;
    /* likewise, if the two rise and fall together in nearly all pairs and at once: far more of a queue near its capacity; 0: no more than that */
    double steep_power;
};

bool follow_explains(const struct follow_terms *terms, const struct history *history,
                     enum history_window window);

#endif
