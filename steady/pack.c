/* Values to bytes and back. */
#include "steady/pack.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "steady/fault.h"

#define PACK_FIRST_BYTES 4096

void pack_init(struct pack *pack, size_t limit_bytes)
{
    *pack = (struct pack){.limit = limit_bytes};
}

void pack_release(struct pack *pack)
{
    if (pack->bytes != NULL) {
        explicit_bzero(pack->bytes, pack->length); /* there may be secrets among it */
    }
    free(pack->bytes);
    *pack = (struct pack){.failed = true};
}

static bool pack_space(struct pack *pack, size_t length)
{
    if (pack->failed || length > pack->limit - pack->length) {
        pack->failed = true;
        return false;
    }
    if (length <= pack->space - pack->length) {
        return true;
    }
    size_t space = pack->space == 0 ? PACK_FIRST_BYTES : pack->space;
    while (space - pack->length < length) {
        space *= 2;
    }
    space = space < pack->limit ? space : pack->limit;
    uint8_t *bytes = fault_hits(FAULT_ALLOC) ? NULL : realloc(pack->bytes, space);
    if (bytes == NULL) {
        pack->failed = true;
        return false;
    }
    pack->bytes = bytes;
    pack->space = space;
    return true;
}

void pack_raw(struct pack *pack, const void *bytes, size_t length)
{
    if (length > 0 && pack_space(pack, length)) {
        memcpy(pack->bytes + pack->length, bytes, length);
        pack->length += length;
    }
}

void pack_u8(struct pack *pack, uint8_t value)
{
    pack_raw(pack, &value, sizeof value);
}

void pack_u16(struct pack *pack, uint16_t value)
{
    value = htobe16(value);
    pack_raw(pack, &value, sizeof value);
}

void pack_u32(struct pack *pack, uint32_t value)
{
    value = htobe32(value);
    pack_raw(pack, &value, sizeof value);
}

void pack_u64(struct pack *pack, uint64_t value)
{
    value = htobe64(value);
    pack_raw(pack, &value, sizeof value);
}

void pack_bytes(struct pack *pack, const void *bytes, size_t length)
{
    pack->failed = pack->failed || length > UINT32_MAX;
    pack_u32(pack, (uint32_t)length);
    pack_raw(pack, bytes, length);
}

void pack_text(struct pack *pack, const char *text)
{
    pack_bytes(pack, text, strlen(text));
}

void pack_any_text(struct pack *pack, const char *text)
{
    pack_u8(pack, text[0] != '\0');
    if (text[0] != '\0') {
        pack_text(pack, text);
    }
}

size_t pack_begin(struct pack *pack)
{
    size_t at = pack->length;
    pack_u32(pack, 0);
    return at;
}

void pack_end(struct pack *pack, size_t at)
{
    if (pack->failed || pack->length - at - sizeof(uint32_t) > UINT32_MAX) {
        pack->failed = true;
        return;
    }
    uint32_t length = htobe32((uint32_t)(pack->length - at - sizeof length));
    memcpy(pack->bytes + at, &length, sizeof length);
}

void unpack_init(struct unpack *unpack, const void *bytes, size_t length)
{
    *unpack = (struct unpack){.next = bytes, .left = length};
}

const uint8_t *unpack_raw(struct unpack *unpack, size_t length)
{
    if (unpack->failed || length > unpack->left) {
        unpack->failed = true;
        return NULL;
    }
    const uint8_t *bytes = unpack->next;
    unpack->next += length;
    unpack->left -= length;
    return bytes;
}

static uint64_t unpack_number(struct unpack *unpack, size_t bytes)
{
    const uint8_t *next = unpack_raw(unpack, bytes);
    uint64_t value = 0;
    for (size_t i = 0; next != NULL && i < bytes; i++) {
        value = value << 8 | next[i];
    }
    return value;
}

uint8_t unpack_u8(struct unpack *unpack)
{
    return (uint8_t)unpack_number(unpack, 1);
}

uint16_t unpack_u16(struct unpack *unpack)
{
    return (uint16_t)unpack_number(unpack, 2);
}

uint32_t unpack_u32(struct unpack *unpack)
{
    return (uint32_t)unpack_number(unpack, 4);
}

uint64_t unpack_u64(struct unpack *unpack)
{
    return unpack_number(unpack, 8);
}

const uint8_t *unpack_bytes(struct unpack *unpack, size_t *ret_length)
{
    size_t length = unpack_u32(unpack);
    const uint8_t *bytes = unpack_raw(unpack, length);
    *ret_length = bytes != NULL ? length : 0;
    return bytes;
}

bool unpack_text(struct unpack *unpack, char *space, size_t space_bytes)
{
    size_t length;
    const uint8_t *bytes = unpack_bytes(unpack, &length);
    if (bytes == NULL || length == 0 || length >= space_bytes ||
        memchr(bytes, '\0', length) != NULL) {
        unpack->failed = true;
        return false;
    }
    memcpy(space, bytes, length);
    space[length] = '\0';
    return true;
}

bool unpack_any_text(struct unpack *unpack, char *space, size_t space_bytes)
{
    if (unpack_u8(unpack) != 0) {
        return unpack_text(unpack, space, space_bytes);
    }
    space[0] = '\0';
    return !unpack->failed;
}

bool unpack_more(const struct unpack *unpack)
{
    return !unpack->failed && unpack->left > 0;
}
