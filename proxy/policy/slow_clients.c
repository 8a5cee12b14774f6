/* Counts by slot, and the decision. */
#include "proxy/policy/slow_clients.h"

#include "proxy/policy/call_strata.h"

unsigned slow_client_slot(uint64_t seed, const struct ip_address *client)
{
    return (unsigned)(call_client_hash(seed, client) % SLOW_CLIENT_SLOTS);
}

bool slow_client_upload(uint64_t bytes, uint64_t took_us)
{
    return bytes < took_us * SLOW_CLIENT_BYTES_PER_S / 1000000;
}

void slow_clients_add(uint32_t *count, int difference)
{
    __atomic_store_n(count, *count + (uint32_t)difference, __ATOMIC_RELAXED);
}

void slow_clients_sum_add(struct slow_clients_sum *sum, const struct slow_clients *of,
                          unsigned slot)
{
    sum->uploads_count += __atomic_load_n(&of->uploads[slot], __ATOMIC_RELAXED);
    for (unsigned i = 0; i < SLOW_CLIENT_SLOTS; i++) {
        sum->others_waiting_count +=
            i == slot ? 0 : __atomic_load_n(&of->waiting[i], __ATOMIC_RELAXED);
    }
}

bool slow_clients_exceed(const struct slow_clients_sum *sum, uint64_t in_flight_count, double share)
{
    return sum->others_waiting_count > 0 &&
           (double)sum->uploads_count > share * (double)in_flight_count;
}
