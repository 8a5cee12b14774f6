/* Two short hashes: that of the client is made for every connection, that of the path for every request. */
#include "proxy/policy/call_strata.h"

#include <endian.h>
#include <netinet/in.h>
#include <string.h>

/* An odd number without a pattern. */
#define SCATTER UINT64_C(0x9e3779b97f4a7c15)
#define EACH_BYTE UINT64_C(0x0101010101010101)
/* Number of client strata that a network can reach, a power of two. */
#define NETWORK_STRATA 4

_Static_assert((STRATA_COUNT & (STRATA_COUNT - 1)) == 0, "a stratum is some bits of a hash");

/* Both halves of the product depend on all bits of the word. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * SCATTER;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The seed is mixed in once more, because the results for similar words would else differ in a way that does not depend
   on the seed. */
static unsigned stratum_of(uint64_t seed, uint64_t hash)
{
    return (unsigned)(mix(hash, ~seed) % STRATA_COUNT);
}

/* ---- the client ---- */

/* The address as a number, and how many of its bits are below the network's. An IPv4 address gives the same number in
   both its forms. */
static uint64_t number_of(const struct ip_address *address, unsigned *ret_host_bits)
{
    if (address->any.sa_family == AF_INET) {
        *ret_host_bits = 8;
        return ntohl(address->v4.sin_addr.s_addr);
    }
    if (address->any.sa_family != AF_INET6) {
        *ret_host_bits = 0;
        return 0;
    }
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        *ret_host_bits = 8;
        return ntohl(v6->s6_addr32[3]);
    }
    uint64_t prefix;
    memcpy(&prefix, v6, sizeof prefix);
    *ret_host_bits = 16; /* of the /64, which is one client's */
    return be64toh(prefix);
}

uint64_t call_client_hash(uint64_t seed, const struct ip_address *client)
{
    unsigned host_bits;
    return mix(mix(seed, number_of(client, &host_bits)), ~seed);
}

uint8_t call_client_stratum(uint64_t seed, const struct ip_address *client)
{
    unsigned host_bits;
    uint64_t number = number_of(client, &host_bits);
    unsigned network = stratum_of(seed, mix(seed, number >> host_bits));
    unsigned host = stratum_of(seed, mix(seed, number)) % NETWORK_STRATA;
    return (uint8_t)((network + host) % STRATA_COUNT);
}

/* ---- the path ---- */

/* Cuts the word at the first '?' (the bytes are in the order of the text). True: there was one. */
static bool cut_query(uint64_t *word)
{
    uint64_t differs = *word ^ (EACH_BYTE * '?');
    uint64_t found = (differs - EACH_BYTE) & ~differs & (EACH_BYTE << 7);
    if (found == 0) {
        return false;
    }
    *word &= ((found & -found) >> 7) - 1;
    return true;
}

static uint64_t word_at(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* The last bytes of a text, fewer than a word. Reading beyond them is safe, because the request line continues behind
   its target. */
static uint64_t rest_at(const struct http_head *head, const char *bytes, size_t count)
{
    uint64_t word = 0;
    if (__builtin_expect(bytes + sizeof word <= head->base + head->head_bytes, 1)) {
        return word_at(bytes) & ((UINT64_C(1) << (8 * count)) - 1);
    }
    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    }
    return word;
}

uint8_t call_path_stratum(uint64_t seed, const char *route_name, const struct http_head *head)
{
    const char *target = head_text(head, head->target);
    size_t left = head->target.bytes;
    uint64_t hash = seed ^ (uint64_t)(uintptr_t)route_name;
    for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), target += sizeof(uint64_t)) {
        uint64_t word = word_at(target);
        bool at_query = cut_query(&word);
        hash = mix(hash, word);
        if (at_query) {
            return (uint8_t)stratum_of(seed, hash);
        }
    }
    uint64_t word = rest_at(head, target, left);
    (void)cut_query(&word);
    return (uint8_t)stratum_of(seed, mix(hash, word));
}
