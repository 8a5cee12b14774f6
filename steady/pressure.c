/* The steps of pressure on memory. */
#include "steady/pressure.h"

static const struct {
    const char *name;
    double share;
    const char *effect;
} rows[] = {
#define ROW(id, name, share, effect) [id] = {name, share, effect},
    PRESSURE_ROWS(ROW)
#undef ROW
};

static enum pressure_step step_of(double share, double slack)
{
    unsigned step = PRESSURE_STEP_COUNT - 1;
    while (step > PRESSURE_NONE && share < rows[step].share - slack) {
        step--;
    }
    return (enum pressure_step)step;
}

static void enter(struct pressure *pressure, enum pressure_step step)
{
    pressure->step = step;
    pressure->begun_counts[step]++;
}

enum pressure_step pressure_note(struct pressure *pressure, double share)
{
    enum pressure_step up_to = step_of(share, 0), down_to = step_of(share, PRESSURE_SLACK);
    while (pressure->step < up_to) {
        enter(pressure, (enum pressure_step)(pressure->step + 1));
    }
    if (pressure->step > down_to) {
        pressure->step = down_to;
        pressure->begun_counts[PRESSURE_NONE] += down_to == PRESSURE_NONE;
    }
    return pressure->step;
}

const char *pressure_step_name(enum pressure_step step)
{
    return rows[step].name;
}

const char *pressure_step_effect(enum pressure_step step)
{
    return rows[step].effect;
}
