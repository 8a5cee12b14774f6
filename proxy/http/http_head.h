/*
 * A request or response head, whatever wire protocol carried it.
 *
 * Owns nothing: fields are offsets into `base`, so a head can be moved with its bytes. Thread: its holder's.
 * Errors: none. Spec: RFC 9110 sections 5-9, 15.
 */
#ifndef EVENKEEL_PROXY_HTTP_HTTP_HEAD_H
#define EVENKEEL_PROXY_HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/field_names.h"

struct span {
    uint32_t at; /* offset from the head's base */
    uint32_t bytes;
};

struct http_field {
    uint32_t name_at;
    uint32_t value_at; /* value without surrounding white space (RFC 9110 5.5) */
    uint32_t value_bytes;
    uint16_t name_bytes;
    uint8_t id; /* enum field_id; FIELD_OTHER when not in the table */
    /* 1: not forwarded (hop-by-hop, named by Connection, or written anew: framing, Host) */
    uint8_t drop;
};

enum http_method {
    METHOD_OTHER, /* any other token; its bytes are in head.method_text */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_TRACE,
    METHOD_CONNECT,
};

/* How the message's end is found (RFC 9112 6.3). */
enum http_framing {
    FRAMING_NONE,    /* no body */
    FRAMING_LENGTH,  /* content_length bytes */
    FRAMING_CHUNKED, /* chunked; in HTTP/2: DATA frames without a length */
    FRAMING_CLOSE,   /* until the connection closes (responses only) */
};

/* Facts found while parsing, bits of head.facts. */
enum http_fact {
    FACT_CLOSE = 1 << 0,           /* Connection: close, or HTTP/1.0 without keep-alive */
    FACT_UPGRADE = 1 << 1,         /* Connection: upgrade with an Upgrade field */
    FACT_EXPECT_CONTINUE = 1 << 2, /* Expect: 100-continue, HTTP/1.1 */
    FACT_TE_TRAILERS = 1 << 3,
    FACT_KEEP_ALIVE = 1 << 4, /* an explicit Connection: keep-alive */
    FACT_HTTP_1_0 = 1 << 5,
    FACT_ABSOLUTE_FORM = 1 << 6, /* target came as scheme://authority/path; host is from there */
    FACT_UNDERSCORE = 1 << 7,    /* a field's name has "_" in it */
    FACT_ASTERISK = 1 << 8, /* OPTIONS for the server as a whole: written with "*" as the target */
    /* The received field lines are exactly as they would be written, without gaps. Code that changes more of a field
       than `drop` removes this fact. */
    FACT_CANONICAL = 1 << 9,
    /* The sender's framing is unusual: nothing that follows on its connection is trusted. */
    FACT_LAST = 1 << 10,
    /* The target is a query right behind the authority; a copy of the head has the "/". */
    FACT_EMPTY_PATH = 1 << 11,
    /* Refused: its texts are what could be read of it, and METHOD_OTHER may have become any method. */
    FACT_GLIMPSED = 1 << 12,
    /* CONNECT with :protocol (RFC 8441). The head is that of the upgrade which asks for the same in HTTP/1: GET, Upgrade with
       the protocol, FACT_UPGRADE. */
    FACT_EXTENDED_CONNECT = 1 << 13,
    /* A gRPC call of an HTTP/2 client, by its content type. */
    FACT_GRPC = 1 << 14,
};

struct http_head {
    const char *base;    /* every offset is relative to this */
    uint32_t head_bytes; /* length of the head including the empty line */
    uint16_t status;     /* responses; 0 in requests */
    uint8_t method;      /* enum http_method, requests */
    uint8_t framing;     /* enum http_framing; for responses by status and method already */
    uint16_t facts;
    uint16_t field_count;
    uint64_t content_length; /* with FRAMING_LENGTH, and for HEAD/304 what the field said; else 0 */
    struct span method_text;
    /* path and query to be sent on; "*" for OPTIONS *; authority for CONNECT; never empty */
    struct span target;
    struct span host;   /* Host field or authority of the absolute form; as received */
    struct span reason; /* responses */
    struct http_field *fields;
    uint32_t field_limit; /* room in fields[] */
    uint64_t seen[2];     /* one bit for each enum field_id that occurs, except FIELD_OTHER */
};

static inline const char *head_text(const struct http_head *head, struct span span)
{
    return head->base + span.at;
}

static inline bool head_has(const struct http_head *head, enum field_id id)
{
    return (head->seen[id / 64] >> (id % 64)) & 1;
}

/* Makes it appear as if no field had this id; the fields stay. */
static inline void head_forget(struct http_head *head, enum field_id id)
{
    head->seen[id / 64] &= ~((uint64_t)1 << (id % 64));
}

/* The first field with this id, or NULL. */
const struct http_field *head_find(const struct http_head *head, enum field_id id);
/* The first field with this name (any case), known or not, or NULL. */
const struct http_field *head_find_name(const struct http_head *head, const char *name,
                                        size_t name_bytes);
/* The next one with the name of this one, or NULL. */
const struct http_field *head_find_next(const struct http_head *head,
                                        const struct http_field *field);

/* A longer method is refused. */
#define HTTP_METHOD_MAX_BYTES 32
/* METHOD_OTHER for a name that is not in the table; names are case-sensitive (RFC 9110 9.1). */
enum http_method http_method_of(const char *name, size_t name_bytes);
/* Safe methods and PUT, DELETE (RFC 9110 9.2.2). */
bool http_method_idempotent(enum http_method method);

/* "Not Found"; "" for a status without a registered phrase. */
const char *http_reason_phrase(unsigned status);

/* Bytes needed by head_copy. */
size_t head_copy_bytes(const struct http_head *head);
/* Copies the head, its fields and its head_bytes bytes into `space` (aligned to 8, head_copy_bytes long). The copy's
   base and fields point into space, and it has room for no more fields than it has. Its target has a path, if need be
   by moving its host a byte (FACT_EMPTY_PATH). */
void head_copy(const struct http_head *head, struct http_head *ret_head, void *space);

#endif
