/* Follows frames by their lengths. */
#include "proxy/http2/h2_watch.h"

#include <string.h>

#define HEADER_BYTES 9
#define TYPE_DATA 0x00
#define TYPE_HEADERS 0x01
#define TYPE_PRIORITY 0x02
#define TYPE_PUSH_PROMISE 0x05
#define TYPE_CONTINUATION 0x09 /* the last of RFC 9113 6 */
#define TYPE_PRIORITY_UPDATE 0x10
#define FLAG_END_HEADERS 0x04
#define FLAG_PADDED 0x08
#define FLAG_PRIORITY 0x20
#define PRIORITY_BYTES 5

void h2_watch_init(struct h2_watch *watch, uint32_t preface_bytes)
{
    *watch = (struct h2_watch){.skip_bytes = preface_bytes};
}

static uint32_t number_of(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t stream_of(const uint8_t *bytes)
{
    return number_of(bytes) & INT32_MAX;
}

/* How many bytes of the frame must be seen. */
static uint8_t wanted_bytes(const struct h2_watch *watch, uint32_t payload_bytes)
{
    uint8_t type = watch->seen[3];
    if (type == TYPE_HEADERS && payload_bytes > 0) {
        return HEADER_BYTES + 1;
    }
    bool watched = type == TYPE_PRIORITY || type == TYPE_PRIORITY_UPDATE;
    return watched && payload_bytes >= H2_WATCH_BYTES - HEADER_BYTES ? H2_WATCH_BYTES
                                                                     : HEADER_BYTES;
}

/* A frame on no stream or on itself. One too short to tell is an error of nghttp2's. */
static bool is_fault(const struct h2_watch *watch)
{
    uint32_t stream = stream_of(watch->seen + 5), named = stream_of(watch->seen + HEADER_BYTES);
    return watch->seen[3] == TYPE_PRIORITY ? stream == 0 || named == stream : named == 0;
}

static size_t gather(struct h2_watch *watch, const char *bytes, size_t length, uint8_t wanted)
{
    size_t missing = wanted > watch->seen_bytes ? (size_t)(wanted - watch->seen_bytes) : 0;
    size_t taken = missing < length ? missing : length;
    memcpy(watch->seen + watch->seen_bytes, bytes, taken);
    watch->seen_bytes += (uint8_t)taken;
    return taken;
}

static size_t skip(struct h2_watch *watch, size_t length)
{
    size_t taken = watch->skip_bytes < length ? watch->skip_bytes : length;
    watch->skip_bytes -= (uint32_t)taken;
    return taken;
}

/* The frame is seen: what follows of it is skipped. */
static enum h2_watch_found judge(struct h2_watch *watch, uint32_t payload_bytes, uint8_t seen)
{
    watch->skip_bytes = payload_bytes - (uint32_t)(seen - HEADER_BYTES);
    watch->seen_bytes = 0;
    watch->stream = stream_of(watch->seen + 5);
    watch->type = watch->seen[3];
    if (seen == H2_WATCH_BYTES && is_fault(watch)) {
        return H2_WATCH_FAULT;
    }
    if (watch->type > TYPE_CONTINUATION && watch->type != TYPE_PRIORITY_UPDATE) {
        return H2_WATCH_UNKNOWN;
    }
    return watch->type == TYPE_DATA ? H2_WATCH_DATA : H2_WATCH_FRAME;
}

size_t h2_watch_take(struct h2_watch *watch, const char *bytes, size_t length,
                     enum h2_watch_found *ret_found)
{
    size_t at = skip(watch, length);
    uint8_t wanted = HEADER_BYTES;
    *ret_found = H2_WATCH_NOTHING;
    at += gather(watch, bytes + at, length - at, wanted);
    if (watch->seen_bytes < wanted) {
        return at;
    }
    uint32_t payload_bytes = number_of(watch->seen) >> 8;
    wanted = wanted_bytes(watch, payload_bytes);
    at += gather(watch, bytes + at, length - at, wanted);
    if (watch->seen_bytes < wanted) {
        return at;
    }
    *ret_found = judge(watch, payload_bytes, wanted);
    return at;
}

/* ---- field blocks ---- */

bool h2_watch_block(const struct h2_watch *watch, const char *bytes, size_t length,
                    struct h2_watch_block *ret_block)
{
    size_t at = watch->skip_bytes;
    if (watch->seen_bytes > 0 || length < HEADER_BYTES || at > length - HEADER_BYTES) {
        return false;
    }
    const uint8_t *frame = (const uint8_t *)bytes + at;
    uint32_t payload_bytes = number_of(frame) >> 8;
    unsigned flags = frame[4];
    uint32_t before = flags & FLAG_PRIORITY ? PRIORITY_BYTES : 0;
    if (frame[3] != TYPE_HEADERS ||
        (flags & (FLAG_END_HEADERS | FLAG_PADDED)) != FLAG_END_HEADERS || payload_bytes < before ||
        payload_bytes > length - at - HEADER_BYTES) {
        return false;
    }
    *ret_block = (struct h2_watch_block){.frame = frame,
                                         .frame_bytes = HEADER_BYTES + payload_bytes,
                                         .begin = HEADER_BYTES + before,
                                         .skipped = watch->skip_bytes};
    return true;
}

void h2_watch_pass(struct h2_watch *watch, const struct h2_watch_block *block)
{
    watch->skip_bytes = 0;
    watch->stream = stream_of(block->frame + 5);
    watch->type = TYPE_HEADERS;
}

/* RFC 7541 4.2: it is told at the begin of a block, so CONTINUATION says nothing of it. Padding and priority hide the begin. */
bool h2_watch_keeps_table(const struct h2_watch *watch)
{
    bool bare =
        number_of(watch->seen) >> 8 > 0 && !(watch->seen[4] & (FLAG_PADDED | FLAG_PRIORITY));
    bool begins = watch->type == TYPE_HEADERS && bare;
    return watch->type == TYPE_CONTINUATION ||
           (begins && (watch->seen[HEADER_BYTES] & 0xe0) != 0x20);
}

bool h2_watch_in_block(const struct h2_watch *watch)
{
    return watch->type == TYPE_HEADERS || watch->type == TYPE_CONTINUATION ||
           watch->type == TYPE_PUSH_PROMISE;
}
