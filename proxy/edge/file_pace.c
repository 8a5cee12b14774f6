/* Counts by slot, over all workers. */
#include "proxy/edge/file_pace.h"

static void count(uint32_t *word, int difference)
{
    __atomic_add_fetch(word, (uint32_t)difference, __ATOMIC_RELAXED);
}

static void set_slow(struct file_pace *pace, struct file_crowd *crowd, bool slow)
{
    if (slow != pace->slow) {
        count(&crowd->slow_counts[pace->slot], slow ? 1 : -1);
        pace->slow = slow;
    }
}

void file_pace_begin(struct file_pace *pace, struct file_crowd *crowd, unsigned slot,
                     uint64_t now_ms)
{
    *pace = (struct file_pace){.judged_ms = now_ms, .slot = slot};
    count(&crowd->in_flight_count, 1);
}

/* Whether the slot has more slow ones than it may while others wait. */
static bool too_many(const struct file_crowd *crowd, unsigned slot)
{
    struct slow_clients_sum sum = {.others_waiting_count = 1};
    for (unsigned i = 0; i < SLOW_CLIENT_SLOTS; i++) {
        uint32_t slow_count = __atomic_load_n(&crowd->slow_counts[i], __ATOMIC_RELAXED);
        sum.all_transfers_count += slow_count;
        sum.transfers_count += i == slot ? slow_count : 0;
    }
    return slow_clients_exceed(&sum, __atomic_load_n(&crowd->in_flight_count, __ATOMIC_RELAXED),
                               FILE_CLIENT_SHARE);
}

bool file_pace_judge(struct file_pace *pace, struct file_crowd *crowd, uint64_t taken_bytes,
                     uint64_t now_ms)
{
    uint64_t bytes = taken_bytes > pace->judged_bytes ? taken_bytes - pace->judged_bytes : 0;
    set_slow(pace, crowd, slow_client_transfer(bytes, (now_ms - pace->judged_ms) * 1000));
    pace->judged_bytes = taken_bytes;
    pace->judged_ms = now_ms;
    return pace->slow && too_many(crowd, pace->slot);
}

void file_pace_end(struct file_pace *pace, struct file_crowd *crowd)
{
    set_slow(pace, crowd, false);
    count(&crowd->in_flight_count, -1);
}
