/*
 * Pack: values as bytes that every host reads alike (big-endian), and back, without trust.
 *
 * Owns: struct pack: its growing buffer. struct unpack: nothing, it points into the caller's. Thread: any, one at a time. Errors
 * stick: after the first one everything written is dropped and everything read is 0 or empty, so that only the end is checked.
 */
#ifndef EVENKEEL_STEADY_PACK_H
#define EVENKEEL_STEADY_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack {
    uint8_t *bytes; /* heap; the caller may take it over */
    size_t length, space, limit;
    bool failed; /* no memory, or more than the limit */
};

void pack_init(struct pack *pack, size_t limit_bytes);
void pack_release(struct pack *pack);
void pack_u8(struct pack *pack, uint8_t value);
void pack_u16(struct pack *pack, uint16_t value);
void pack_u32(struct pack *pack, uint32_t value);
void pack_u64(struct pack *pack, uint64_t value);
/* As they are, without their length. */
void pack_raw(struct pack *pack, const void *bytes, size_t length);
/* With their length (32 bits) before them. */
void pack_bytes(struct pack *pack, const void *bytes, size_t length);
void pack_text(struct pack *pack, const char *text);
/* A text that may be empty. */
void pack_any_text(struct pack *pack, const char *text);
/* Room for a length (32 bits) that pack_end() fills in: what was packed in between. Returns where, for pack_end(). */
size_t pack_begin(struct pack *pack);
void pack_end(struct pack *pack, size_t at);

struct unpack {
    const uint8_t *next;
    size_t left;
    bool failed; /* something was not there, or not as it must be */
};

void unpack_init(struct unpack *unpack, const void *bytes, size_t length);
uint8_t unpack_u8(struct unpack *unpack);
uint16_t unpack_u16(struct unpack *unpack);
uint32_t unpack_u32(struct unpack *unpack);
uint64_t unpack_u64(struct unpack *unpack);
/* NULL: not that many are left. */
const uint8_t *unpack_raw(struct unpack *unpack, size_t length);
/* What pack_bytes() or pack_begin() wrote. */
const uint8_t *unpack_bytes(struct unpack *unpack, size_t *ret_length);
/* A text of at least one byte, without a NUL in it, into `room` (terminated); false, and failed, when it is anything else or longer. */
bool unpack_text(struct unpack *unpack, char *space, size_t space_bytes);
/* What pack_any_text() wrote; otherwise as unpack_text(). */
bool unpack_any_text(struct unpack *unpack, char *space, size_t space_bytes);
/* There is more, and nothing has failed. */
bool unpack_more(const struct unpack *unpack);

#endif
