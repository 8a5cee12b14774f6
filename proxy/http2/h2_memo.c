/* Which blocks leave the decoder's table as it is, and copies of what they mean. */
#include "proxy/http2/h2_memo.h"

#include <string.h>

#include "steady/hash.h"

/* RFC 9113 6.5.2: the table's size until a block tells another. */
#define TABLE_BYTES 4096u
/* Not known: the other side may put fields into its table. */
#define TABLE_UNKNOWN UINT32_MAX
/* Room behind the text for what h2_head.c adds most often. */
#define SPARE_BYTES 2u

struct h2_known {
    struct h2_block block; /* without its buffers */
    uint32_t packed_bytes;
    uint32_t fields_bytes;
    uint32_t text_bytes;
    char bytes[]; /* the fields, the text, and the block as it was sent */
};

void h2_memo_init(struct h2_memo *memo)
{
    *memo = (struct h2_memo){.table_bytes = TABLE_BYTES};
}

/* ---- what a block does to the table ---- */

/* RFC 7541 5.1: a number behind the first `bits` of a byte. Returns what is behind it; NULL: it does not end, or is too large. */
static const uint8_t *read_number(const uint8_t *at, const uint8_t *end, unsigned bits,
                                  uint32_t *ret_number)
{
    const uint32_t most = (1u << bits) - 1;
    uint32_t number = *at++ & most;
    if (number < most) {
        *ret_number = number;
        return at;
    }
    for (unsigned shift = 0; at < end && shift <= 21; shift += 7) {
        number += (*at & 0x7fu) << shift;
        if (*at++ < 0x80) {
            *ret_number = number;
            return at;
        }
    }
    return NULL;
}

/* RFC 7541 5.2. */
static const uint8_t *skip_text(const uint8_t *at, const uint8_t *end)
{
    uint32_t bytes;
    at = at < end ? read_number(at, end, 7, &bytes) : NULL;
    return at != NULL && bytes <= (size_t)(end - at) ? at + bytes : NULL;
}

/* RFC 7541 6.2: the name by a number or as text, and the value. */
static const uint8_t *skip_literal(const uint8_t *at, const uint8_t *end, unsigned bits)
{
    uint32_t name;
    at = read_number(at, end, bits, &name);
    if (at != NULL && name == 0) {
        at = skip_text(at, end);
    }
    return at != NULL ? skip_text(at, end) : NULL;
}

/* RFC 7541 6.1, 6.2.2, 6.2.3. What is to be put into a table that holds nothing (6.2.1) is not (4.4). NULL: anything else. */
static const uint8_t *skip_field(const uint8_t *at, const uint8_t *end, bool tableless)
{
    uint32_t number;
    if (*at & 0x80) {
        return read_number(at, end, 7, &number);
    }
    if (*at & 0x40) {
        return tableless ? skip_literal(at, end, 6) : NULL;
    }
    return *at & 0x20 ? NULL : skip_literal(at, end, 4);
}

/* RFC 7541 4.2, 6.3: another size of the table may be told at the begin of a block. */
static const uint8_t *read_sizes(const uint8_t *at, const uint8_t *end, uint32_t *ret_table_bytes)
{
    while (at != NULL && at < end && (*at & 0xe0) == 0x20) {
        *ret_table_bytes = TABLE_UNKNOWN;
        at = read_number(at, end, 5, ret_table_bytes);
    }
    return at;
}

static bool leaves_table(const uint8_t *at, const uint8_t *end, bool tableless)
{
    while (at != NULL && at < end) {
        at = skip_field(at, end, tableless);
    }
    return at != NULL;
}

static void drop(struct h2_memo *memo, struct h2_memory *memory, unsigned place)
{
    if (memo->blocks[place] != NULL) {
        h2_memory_give(memory, memo->blocks[place]);
        memo->blocks[place] = NULL;
    }
}

void h2_memo_forget(struct h2_memo *memo, struct h2_memory *memory)
{
    for (unsigned i = 0; i < H2_MEMO_BLOCKS; i++) {
        drop(memo, memory, i);
    }
}

void h2_memo_lose_table(struct h2_memo *memo)
{
    memo->table_bytes = TABLE_UNKNOWN;
}

bool h2_memo_admit(struct h2_memo *memo, struct h2_memory *memory, const uint8_t *packed,
                   size_t packed_bytes)
{
    const uint8_t *end = packed + packed_bytes;
    const uint8_t *fields = read_sizes(packed, end, &memo->table_bytes);
    if (fields == packed && leaves_table(fields, end, memo->table_bytes == 0)) {
        return true;
    }
    h2_memo_forget(memo, memory);
    return false;
}

/* ---- what it means ---- */

static const char *packed_of(const struct h2_known *known)
{
    return known->bytes + known->fields_bytes + known->text_bytes;
}

const struct h2_known *h2_memo_find(const struct h2_memo *memo, const uint8_t *packed,
                                    size_t packed_bytes)
{
    for (unsigned i = 0; i < H2_MEMO_BLOCKS; i++) {
        const struct h2_known *known = memo->blocks[i];
        if (known != NULL && known->packed_bytes == packed_bytes &&
            memcmp(packed_of(known), packed, packed_bytes) == 0) {
            return known;
        }
    }
    return NULL;
}

/* Whether it has come before. The hash is a hint: a wrong one costs a copy. */
static bool is_seen(struct h2_memo *memo, const uint8_t *packed, size_t packed_bytes)
{
    uint32_t hash = (uint32_t)hash_bytes(0, packed, packed_bytes);
    for (unsigned i = 0; i < H2_MEMO_BLOCKS; i++) {
        if (memo->seen[i] == hash) {
            return true;
        }
    }
    memo->seen[memo->turn++ % H2_MEMO_BLOCKS] = hash;
    return false;
}

/* Where nothing is kept yet, else where something has been for long. */
static unsigned place_for_block(struct h2_memo *memo)
{
    for (unsigned i = 0; i < H2_MEMO_BLOCKS; i++) {
        if (memo->blocks[i] == NULL) {
            return i;
        }
    }
    return memo->turn++ % H2_MEMO_BLOCKS;
}

/* A part of a buffer that may be missing. */
static uint32_t bytes_of(const struct buf *buf)
{
    return buf != NULL ? buf->end : 0;
}

static char *put(char *at, const void *bytes, size_t length)
{
    return length > 0 ? (char *)memcpy(at, bytes, length) + length : at;
}

static struct h2_known *copy_of(struct h2_memory *memory, const uint8_t *packed,
                                size_t packed_bytes, const struct h2_block *block)
{
    const uint32_t fields_bytes = bytes_of(block->fields), text_bytes = bytes_of(block->text);
    size_t bytes = sizeof(struct h2_known) + fields_bytes + text_bytes + packed_bytes;
    struct h2_known *known = bytes <= H2_MEMO_BYTES ? h2_memory_take(memory, bytes) : NULL;
    if (known == NULL) {
        return NULL;
    }
    known->block = *block;
    known->block.text = known->block.fields = NULL;
    known->packed_bytes = (uint32_t)packed_bytes;
    known->fields_bytes = fields_bytes;
    known->text_bytes = text_bytes;
    char *at = put(known->bytes, fields_bytes > 0 ? block->fields->bytes : NULL, fields_bytes);
    at = put(at, block->text->bytes, text_bytes);
    put(at, packed, packed_bytes);
    return known;
}

void h2_memo_keep(struct h2_memo *memo, struct h2_memory *memory, const uint8_t *packed,
                  size_t packed_bytes, const struct h2_block *block)
{
    bool sound = block->kind == H2_BLOCK_TRAILERS || block->pseudo_seen != 0;
    bool whole = block->fault == H2_FAULT_NONE && block->text != NULL;
    if (!sound || !whole || h2_memory_is_short(memory) || !is_seen(memo, packed, packed_bytes)) {
        return;
    }
    unsigned place = place_for_block(memo);
    drop(memo, memory, place);
    memo->blocks[place] = copy_of(memory, packed, packed_bytes, block);
}

static struct buf *buf_of(struct buf_pool *pool, const char *bytes, uint32_t length, uint32_t spare)
{
    struct buf *buf = buf_take(pool, length + spare);
    if (buf != NULL) {
        memcpy(buf->bytes, bytes, length);
        buf->end = length;
    }
    return buf;
}

/* A message's first block has pseudo-header fields, trailers have none: what was kept as one of them is malformed as the other (RFC 9113 8.1, 8.3). */
enum h2_block_result h2_memo_recall(const struct h2_known *known, struct h2_block *block,
                                    struct buf_pool *pool)
{
    if (known->block.kind != block->kind) {
        return H2_BLOCK_MALFORMED;
    }
    const char *text = known->bytes + known->fields_bytes;
    *block = known->block;
    block->text = buf_of(pool, text, known->text_bytes, SPARE_BYTES);
    if (known->fields_bytes > 0) {
        block->fields = buf_of(pool, known->bytes, known->fields_bytes, 0);
    }
    bool fits = block->text != NULL && (block->fields != NULL || known->fields_bytes == 0);
    return fits ? H2_BLOCK_OK : H2_BLOCK_NO_MEMORY;
}
