/* Any bytes as a PROXY header: a verdict never changes with more bytes, and what is told can be told on. */

#include <stdint.h>

#include "pool/proxy_header.h"
#include "steady/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

static bool same_address(const struct ip_address *a, const struct ip_address *b)
{
    struct address left = {.length = sizeof left.v6}, right = {.length = sizeof right.v6};
    left.v6 = a->v6;
    right.v6 = b->v6;
    return address_equal(&left, &right);
}

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->known == b->known && (!a->known || (same_address(&a->source, &b->source) &&
                                                  same_address(&a->destination, &b->destination)));
}

static void judge_again(const struct proxy_header *header)
{
    char room[PROXY_HEADER_WRITE_BYTES];
    struct proxy_header again;
    size_t used = 0;
    size_t length = proxy_header_write(&header->source.any, &header->destination.any, room);
    CHECK(proxy_header_parse(room, length, &again, &used) == PROXY_HEADER_OK && used == length);
    CHECK(same(&again, header));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    struct proxy_header header, other;
    size_t used = 0, other_used = 0;
    const char *bytes = (const char *)input;
    enum proxy_header_result result = proxy_header_parse(bytes, length_bytes, &header, &used);
    if (result == PROXY_HEADER_OK) {
        CHECK(used > 0 && used <= length_bytes && used <= PROXY_HEADER_MAX_BYTES);
        CHECK(proxy_header_parse(bytes, used, &other, &other_used) == PROXY_HEADER_OK);
        CHECK(used == other_used && same(&header, &other));
        if (header.known) {
            judge_again(&header);
        }
    }
    for (size_t cut = 0; cut < length_bytes && cut < 200; cut++) {
        enum proxy_header_result sooner = proxy_header_parse(bytes, cut, &other, &other_used);
        CHECK(sooner == PROXY_HEADER_INCOMPLETE || sooner == result);
    }
    return 0;
}
