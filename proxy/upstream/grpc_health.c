/* Writes and reads the two messages. */
#include "proxy/upstream/grpc_health.h"

#include <string.h>

/* A message follows a byte that says whether it is compressed, and its length in four bytes. */
#define PREFIX_BYTES 5
/* Field 1: of the request a text, of the response a number. */
#define TAG_SERVICE 0x0a
#define FIELD_STATUS 1
#define STATUS_SERVING 1

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

size_t grpc_health_request(uint8_t space[GRPC_HEALTH_REQUEST_BYTES], const char *service)
{
    size_t bytes = strnlen(service, HEALTH_SERVICE_BYTES);
    uint8_t *at = space + PREFIX_BYTES;
    if (bytes > 0) {
        *at++ = TAG_SERVICE;
        if (bytes >= 0x80) {
            *at++ = (uint8_t)(bytes | 0x80);
            *at++ = (uint8_t)(bytes >> 7);
        } else {
            *at++ = (uint8_t)bytes;
        }
        memcpy(at, service, bytes);
        at += bytes;
    }
    size_t message_bytes = (size_t)(at - space) - PREFIX_BYTES;
    memcpy(space, (const uint8_t[]){0, 0, 0, (uint8_t)(message_bytes >> 8), (uint8_t)message_bytes},
           PREFIX_BYTES);
    return (size_t)(at - space);
}

struct reader {
    const uint8_t *at, *end;
};

static bool read_varint(struct reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct reader *reader, uint64_t bytes)
{
    if (bytes > (uint64_t)(reader->end - reader->at)) {
        return false;
    }
    reader->at += bytes;
    return true;
}

/* A field that this version of the message does not have. */
static bool skip_value(struct reader *reader, unsigned type)
{
    uint64_t value;
    switch (type) {
    case WIRE_VARINT: return read_varint(reader, &value);
    case WIRE_64: return skip(reader, 8);
    case WIRE_BYTES: return read_varint(reader, &value) && skip(reader, value);
    case WIRE_32: return skip(reader, 4);
    default: return false;
    }
}

bool grpc_health_serving(const uint8_t *bytes, size_t count)
{
    if (count < PREFIX_BYTES || bytes[0] != 0) {
        return false;
    }
    size_t length =
        (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
    struct reader reader = {bytes + PREFIX_BYTES, bytes + count};
    uint64_t tag, status = 0;
    if (length != count - PREFIX_BYTES) {
        return false;
    }
    while (reader.at < reader.end) {
        if (!read_varint(&reader, &tag)) {
            return false;
        }
        if (tag == (FIELD_STATUS << 3 | WIRE_VARINT)) {
            if (!read_varint(&reader, &status)) {
                return false;
            }
        } else if (!skip_value(&reader, tag & 7)) {
            return false;
        }
    }
    return status == STATUS_SERVING;
}
