/*
 * Which requests are traced.
 *
 * Owns nothing; pure. Thread: any. Spec: W3C Trace Context 3.2.2.5 (the sampled flag), 4.2 (whom to believe).
 */
#ifndef EVENKEEL_PROXY_TRACE_SAMPLER_H
#define EVENKEEL_PROXY_TRACE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"

/* What the traceparent of a request says. */
enum trace_word { TRACE_SAYS_NOTHING, TRACE_SAYS_SAMPLED, TRACE_SAYS_UNSAMPLED };

/* From the two hex digits of the flags. */
static inline enum trace_word trace_word_of(char low_digit)
{
    unsigned value = (unsigned char)low_digit; /* '0'..'9', 'a'..'f' */
    bool odd = ((value >= 'a' ? value - 'a' + 10 : value - '0') & 1) != 0;
    return odd ? TRACE_SAYS_SAMPLED : TRACE_SAYS_UNSAMPLED;
}

/* Whose word counts decides; of the others a share is traced, by a random number. */
static inline bool trace_samples(const struct tracing_settings *settings, enum trace_word word,
                                 bool trusted, uint64_t random)
{
    bool believed = settings->parent == TRACE_PARENT_ANY ||
                    (settings->parent == TRACE_PARENT_TRUSTED && trusted);
    return believed && word != TRACE_SAYS_NOTHING ? word == TRACE_SAYS_SAMPLED
                                                  : (random >> 1) < settings->sample_numbers;
}

#endif
