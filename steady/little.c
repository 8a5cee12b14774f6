/* Capacity, utilisation, phase. */
#include "steady/little.h"

/* Slower than at its best by this factor, at a utilisation that can be the cause. */
#define SLOWER 1.5
#define SLOWER_UTILISATION 0.3
/* So many samples in a row have to speak for a higher phase, and for a lower one. */
#define RISE_SAMPLES 2
#define CALM_SAMPLES 6
/* With each sample: half more in about two hours of samples of ten seconds. */
#define LEAST_RISE 1.0005

ENUM_NAME_FUNCTION(little_phase_name, enum little_phase, LITTLE_PHASES)

static enum little_phase phase_of(const struct little *little, const struct little_sample *sample)
{
    if (sample->queued_count > 0 || sample->refused_count > little->refused_count) {
        return LITTLE_SATURATED;
    }
    bool slower = little->service_s > SLOWER * little->least_service_s &&
                  little->utilisation >= SLOWER_UTILISATION;
    return slower || little->utilisation >= LITTLE_UTILISATION_HIGH ? LITTLE_SUB_LINEAR
                                                                    : LITTLE_LINEAR;
}

static void enter(struct little *little, enum little_phase phase)
{
    little->higher_count = phase > little->phase ? little->higher_count + 1 : 0;
    little->lower_count = phase < little->phase ? little->lower_count + 1 : 0;
    if (little->higher_count >= RISE_SAMPLES || little->lower_count >= CALM_SAMPLES) {
        little->phase = phase;
        little->higher_count = little->lower_count = 0;
    }
}

static void note_service(struct little *little, double service_s)
{
    little->service_s = service_s;
    double least = little->least_service_s * LEAST_RISE;
    little->least_service_s = least == 0 || service_s < least ? service_s : least;
}

void little_note(struct little *little, const struct little_sample *sample, double elapsed_s)
{
    bool first = little->sample_count++ == 0;
    if (first) {
        little->refused_count = sample->refused_count;
    } else {
        little->rate = (double)(sample->answers_count - little->answers_count) / elapsed_s;
    }
    if (sample->service_s > 0 && sample->answers_count > little->answers_count) {
        note_service(little, sample->service_s);
    }
    little->capacity = little->service_s > 0 ? (double)sample->limit / little->service_s : 0;
    little->utilisation = little->capacity > 0 ? little->rate / little->capacity : 0;
    enter(little, phase_of(little, sample));
    little->answers_count = sample->answers_count;
    little->refused_count = sample->refused_count;
}
