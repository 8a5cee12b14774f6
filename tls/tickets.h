/*
 * Ticket keys of the listeners: what seals the sessions that clients keep for us, so that we keep none.
 *
 * Owns: three keys, the newest seals, all open. One for the process, over reloads, so that sessions outlive them. Thread: any; a
 * short lock. Time base: milliseconds, monotonic, given by the caller. Errors: enum tls_tickets_result. Spec: RFC 5077 4 and 5.5,
 * RFC 8446 4.6.1 and C.4.
 *
 * A key that leaks opens the TLS 1.2 connections that it sealed: so keys are short-lived and stay in memory, unless a fleet
 * shares them by a file.
 */
#ifndef EVENKEEL_TLS_TICKETS_H
#define EVENKEEL_TLS_TICKETS_H

#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"
#include "steady/pack.h"

/* How long a key seals; it opens twice as long after that. */
#define TLS_TICKETS_ROTATE_MS (8u * 3600 * 1000)
/* No ticket is good for longer. */
#define TLS_TICKETS_LIFETIME_S (2u * 8 * 3600)

struct tls_tickets;
struct ssl_ctx_st;

#define TLS_TICKETS_RESULTS(X)                                             \
    X(TLS_TICKETS_OK, "ok")                                                \
    X(TLS_TICKETS_UNREADABLE, "unreadable") /* errno says why */           \
    X(TLS_TICKETS_BAD_FILE, "expected one to three keys of 80 bytes each") \
    X(TLS_TICKETS_NO_RANDOM, "no random numbers")                          \
    X(TLS_TICKETS_NO_MEMORY, "no memory")
enum tls_tickets_result { ENUM_VALUES(TLS_TICKETS_RESULTS) };
const char *tls_tickets_result_name(enum tls_tickets_result value);

/* NULL: no memory, or no random numbers. */
struct tls_tickets *tls_tickets_create(uint64_t now_ms);
/* After all contexts that use it. NULL is fine. */
void tls_tickets_free(struct tls_tickets **tickets);

/* To be called now and then: makes a new key when it is time, unless the keys are a file's. */
void tls_tickets_rotate(struct tls_tickets *tickets, uint64_t now_ms);
/* Keys that are to be followed, and are not yet. */
struct tls_ticket_keys;
/* Those of the file, the first one seals: each 16 bytes of name, 32 for HMAC, 32 for AES, as nginx has them. "": keys of our own. */
__attribute__((warn_unused_result)) enum tls_tickets_result tls_ticket_keys_load(
    const char *path, struct tls_ticket_keys **ret_keys);
/* NULL is fine. */
void tls_ticket_keys_free(struct tls_ticket_keys **keys);
/* From now on the keys are these; keys of our own stay as they are when they are followed already. */
void tls_tickets_follow(struct tls_tickets *tickets, const struct tls_ticket_keys *keys,
                        uint64_t now_ms);

/* The keys of our own, for a process that takes this one's place; they must not get to a disk. A file's are not kept. */
void tls_tickets_save(struct tls_tickets *tickets, uint64_t now_ms, struct pack *pack);
/* Before any ticket is made. Returns how many keys there are by it. */
size_t tls_tickets_restore(struct tls_tickets *tickets, struct unpack *unpack, uint64_t now_ms);

/* Makes the context seal and open with these keys. */
void tls_tickets_use(struct tls_tickets *tickets, struct ssl_ctx_st *context);

#endif
