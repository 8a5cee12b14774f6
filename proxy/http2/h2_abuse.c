/* Token buckets, counted by what is spent so that zero is a full one. */
#include "proxy/http2/h2_abuse.h"

ENUM_NAME_FUNCTION(h2_abuse_name, enum h2_abuse_kind, H2_ABUSES)

static const struct {
    uint32_t burst;
    uint32_t per_second; /* and thousandths for each millisecond */
} rates[H2_ABUSE_COUNT] = {
#define X(kind, name, burst, per_second) [kind] = {burst, per_second},
    H2_ABUSES(X)
#undef X
};

static void refill(struct h2_budget *budget, enum h2_abuse_kind kind, uint64_t now_ms)
{
    uint32_t elapsed_ms = (uint32_t)now_ms - budget->at_ms;
    uint64_t back = (uint64_t)elapsed_ms * rates[kind].per_second;
    budget->spent_thousandths -=
        back < budget->spent_thousandths ? (uint32_t)back : budget->spent_thousandths;
    budget->at_ms = (uint32_t)now_ms;
}

bool h2_abuse_charge(struct h2_abuse *abuse, enum h2_abuse_kind kind, uint64_t now_ms)
{
    struct h2_budget *budget = &abuse->budgets[kind];
    refill(budget, kind, now_ms);
    if (budget->spent_thousandths + 1000 > rates[kind].burst * 1000) {
        return false;
    }
    budget->spent_thousandths += 1000;
    return true;
}

void h2_abuse_credit(struct h2_abuse *abuse, enum h2_abuse_kind kind, uint32_t count)
{
    struct h2_budget *budget = &abuse->budgets[kind];
    uint32_t back = count * 1000;
    budget->spent_thousandths -=
        back < budget->spent_thousandths ? back : budget->spent_thousandths;
}

void h2_abuse_resume(struct h2_abuse *abuse, uint64_t now_ms)
{
    for (unsigned kind = 0; kind < H2_ABUSE_COUNT; kind++) {
        abuse->budgets[kind].at_ms = (uint32_t)now_ms;
    }
}

bool h2_abuse_is_suspect(struct h2_abuse *abuse, uint64_t now_ms)
{
    bool suspect = false;
    for (unsigned kind = 0; kind < H2_ABUSE_COUNT; kind++) {
        refill(&abuse->budgets[kind], kind, now_ms);
        suspect =
            suspect || abuse->budgets[kind].spent_thousandths > rates[kind].burst * (1000 / 8);
    }
    return suspect;
}

uint32_t h2_abuse_burst(enum h2_abuse_kind kind)
{
    return rates[kind].burst;
}
