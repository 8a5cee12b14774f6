/* What the tests of the breaker have in common: the settings that it has by default. */
#ifndef EVENKEEL_TESTS_UNIT_BREAKER_RIG_H
#define EVENKEEL_TESTS_UNIT_BREAKER_RIG_H

#include "tests/unit/unit.h"

#include "breaker/breaker.h"
#include "steady/rng.h"

static const struct breaker_settings defaults = {
    .enabled = true,
    .window_ms = 10000,
    .min_requests_count = 20,
    .failure_rate = 0.5,
    .slow_rate = 0.8,
    .slow_after_ms = 10000,
    .consecutive_count = 10,
    .open_share = 0.1,
    .open_min_ms = 250,
    .open_max_ms = 5000,
    .probes_count = 3,
    .ramp_ms = 1000,
};

#endif
