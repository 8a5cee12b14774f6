/* Counts by slot, and the decision. */
#include "proxy/policy/slow_clients.h"

#include "proxy/policy/call_strata.h"

unsigned slow_client_slot(uint64_t seed, const struct ip_address *client)
{
    return (unsigned)(call_client_hash(seed, client) % SLOW_CLIENT_SLOTS);
}

bool slow_client_transfer(uint64_t bytes, uint64_t took_us)
{
    return bytes < took_us * SLOW_CLIENT_BYTES_PER_S / 1000000;
}

void slow_clients_add(uint32_t *count, int difference)
{
    __atomic_store_n(count, *count + (uint32_t)difference, __ATOMIC_RELAXED);
}

void slow_clients_refused(struct slow_clients *clients, unsigned slot, uint64_t now_ms)
{
    __atomic_store_n(&clients->refused_ms[slot], (uint32_t)now_ms | 1, __ATOMIC_RELAXED);
}

bool slow_clients_begin(struct slow_clients_turn *turn)
{
    return !__atomic_exchange_n(&turn->taken, true, __ATOMIC_ACQUIRE);
}

void slow_clients_end(struct slow_clients_turn *turn)
{
    __atomic_store_n(&turn->taken, false, __ATOMIC_RELEASE);
}

static uint64_t waiting_in(const struct slow_clients *clients, unsigned slot, uint64_t now_ms)
{
    uint32_t refused_ms = __atomic_load_n(&clients->refused_ms[slot], __ATOMIC_RELAXED);
    bool refused = refused_ms != 0 && (uint32_t)now_ms - refused_ms + 1 <= SLOW_CLIENT_REFUSED_MS;
    return __atomic_load_n(&clients->waiting[slot], __ATOMIC_RELAXED) + refused;
}

void slow_clients_sum_add(struct slow_clients_sum *sum, const struct slow_clients *of,
                          unsigned slot, uint64_t now_ms)
{
    sum->transfers_count += __atomic_load_n(&of->transfers[slot], __ATOMIC_RELAXED);
    for (unsigned i = 0; i < SLOW_CLIENT_SLOTS; i++) {
        sum->all_transfers_count += __atomic_load_n(&of->transfers[i], __ATOMIC_RELAXED);
        sum->others_waiting_count += i == slot ? 0 : waiting_in(of, i, now_ms);
    }
}

bool slow_clients_exceed(const struct slow_clients_sum *sum, uint64_t in_flight_count, double share)
{
    double most = share * (double)in_flight_count;
    if ((double)sum->all_transfers_count > 2 * most) {
        most = most / 8 > 1 ? most / 8 : 1;
    }
    return sum->others_waiting_count > 0 && (double)sum->transfers_count > most;
}
