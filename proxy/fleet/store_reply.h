/*
 * Replies of a store that speaks the Redis protocol: read by hiredis, kept as trees of bounded size.
 *
 * Owns: the reader what has been fed and not taken; a reply is the caller's until store_reply_free(). Thread: control. Errors:
 * enum store_read_result. Bounds: STORE_REPLY_BYTES_MOST and STORE_REPLY_ITEMS_MOST a reply, lists in lists up to hiredis' depth
 * of seven. Source: the Redis serialization protocol, version 2 (RESP2).
 */
#ifndef EVENKEEL_PROXY_FLEET_STORE_REPLY_H
#define EVENKEEL_PROXY_FLEET_STORE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define STORE_REPLY_BYTES_MOST (8u << 20)
#define STORE_REPLY_ITEMS_MOST 16384u

enum store_reply_kind {
    STORE_REPLY_NIL,
    STORE_REPLY_TEXT, /* a status or a string */
    STORE_REPLY_NUMBER,
    STORE_REPLY_LIST,
    STORE_REPLY_ERROR, /* its text begins with a word in capitals */
};

struct store_reply {
    enum store_reply_kind kind;
    long long number;
    char *text; /* of TEXT and ERROR: with a NUL behind it */
    size_t bytes;
    struct store_reply *items; /* of LIST */
    size_t count;
};

/* NULL is fine. */
void store_reply_free(struct store_reply **reply);

struct store_reader;
/* NULL: no memory. */
struct store_reader *store_reader_create(void);
/* NULL is fine. */
void store_reader_free(struct store_reader **reader);

enum store_read_result {
    STORE_READ_WHOLE,
    STORE_READ_MORE,    /* the rest has not been fed yet */
    STORE_READ_RUBBISH, /* not the protocol, or beyond the bounds; the reader is of no more use */
};
/* False: no memory. */
__attribute__((warn_unused_result)) bool store_reader_feed(struct store_reader *reader,
                                                           const char *bytes, size_t length);
__attribute__((warn_unused_result)) enum store_read_result store_reader_take(
    struct store_reader *reader, struct store_reply **ret_reply);

#endif
