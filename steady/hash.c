/* SipHash by Aumasson and Bernstein, with one round per word and three at the end; the seed is both key halves. */
#include "steady/hash.h"

#include <endian.h>
#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t byte_count)
{
    struct state s = {
        .v0 = seed ^ UINT64_C(0x736f6d6570736575),
        .v1 = seed ^ UINT64_C(0x646f72616e646f6d),
        .v2 = seed ^ UINT64_C(0x6c7967656e657261),
        .v3 = seed ^ UINT64_C(0x7465646279746573),
    };
    const char *next = bytes;
    uint64_t word;
    for (size_t left = byte_count / sizeof word; left > 0; left--, next += sizeof word) {
        memcpy(&word, next, sizeof word);
        absorb(&s, le64toh(word));
    }
    word = 0;
    if (byte_count % sizeof word != 0) {
        memcpy(&word, next, byte_count % sizeof word);
    }
    absorb(&s, le64toh(word) | (uint64_t)byte_count << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
