/*
 * Field blocks that have arrived on a connection before, and what they meant.
 *
 * Clients ask for the same things again and again, and origins answer alike: most blocks of a busy connection are the same to the byte as
 * one before them. What a block means is a function of its bytes and of HPACK's dynamic table (RFC 7541 2.3). So a block that leaves the
 * table as it is is kept, as it was once unpacked, until a block arrives that may change the table; meanwhile the same bytes mean
 * the same, and the decoder, whose state they would not change, need not see them.
 *
 * Owns: what it keeps, in the connection's counted memory (h2_memory.h): at most H2_MEMO_BLOCKS blocks of H2_MEMO_BYTES each, and none
 * that has come only once. Embedded in a session. Thread: the session's. Errors: what cannot be kept is unpacked anew.
 * Spec: RFC 7541 2.3.2, 4, 6.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_MEMO_H
#define EVENKEEL_PROXY_HTTP2_H2_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http2/h2_block.h"
#include "proxy/http2/h2_memory.h"

#define H2_MEMO_BLOCKS 4u
/* The largest block that is kept: as it is sent, and with all that is kept of it. */
#define H2_MEMO_PACKED_BYTES 512u
#define H2_MEMO_BYTES 4096u

struct h2_known;

struct h2_memo {
    struct h2_known *blocks[H2_MEMO_BLOCKS]; /* NULL: free */
    uint32_t seen[H2_MEMO_BLOCKS];           /* hashes of blocks that have come once */
    uint32_t table_bytes; /* the most that the other side puts into its table (RFC 7541 4.2) */
    uint8_t turn;         /* counts what was put into `blocks` and `seen` */
};

void h2_memo_init(struct h2_memo *memo);
/* A block that is not seen whole is about to be unpacked, or the connection rests. */
void h2_memo_forget(struct h2_memo *memo, struct h2_memory *memory);
/* That block may tell another size of the table. */
void h2_memo_lose_table(struct h2_memo *memo);
/* What these bytes mean; NULL: they must be unpacked. Valid until the next block is. */
const struct h2_known *h2_memo_find(const struct h2_memo *memo, const uint8_t *packed,
                                    size_t packed_bytes);
/* Before a whole block is unpacked: forgets what it may make wrong. True: once it is unpacked, h2_memo_keep() may be given it. */
bool h2_memo_admit(struct h2_memo *memo, struct h2_memory *memory, const uint8_t *packed,
                   size_t packed_bytes);
/* What the block means that was just unpacked. */
void h2_memo_keep(struct h2_memo *memo, struct h2_memory *memory, const uint8_t *packed,
                  size_t packed_bytes, const struct h2_block *block);
/* Makes *block, which has just begun, what it was. */
__attribute__((warn_unused_result)) enum h2_block_result h2_memo_recall(
    const struct h2_known *known, struct h2_block *block, struct buf_pool *pool);

#endif
