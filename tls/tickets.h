/*
 * Ticket keys of the listeners: they encrypt the sessions that clients keep, so that Evenkeel keeps none.
 *
 * Owns: a few keys: one encrypts, the newest but for keys that are shared, and all decrypt. One set for the process, over reloads, so that sessions outlive
 * them. Thread: any; a short lock. Time base: milliseconds, monotonic, given by the caller. Errors: enum
 * tls_tickets_result. Spec: RFC 5077 4 and 5.5, RFC 8446 4.6.1 and C.4.
 *
 * A key that leaks decrypts the TLS 1.2 connections of its tickets. So keys are short-lived and stay in memory, unless
 * several machines share them by a file.
 */
#ifndef EVENKEEL_TLS_TICKETS_H
#define EVENKEEL_TLS_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"
#include "steady/pack.h"

/* Bytes of a key, as files and stores have it. */
#define TLS_TICKET_KEY_BYTES 80
/* Keys that several processes share by a store. */
#define TLS_TICKETS_SHARED_MOST 4
/* Longest life of a ticket. */
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
/* To be called after all contexts that use it are freed. NULL is fine. */
void tls_tickets_free(struct tls_tickets **tickets);

/* To be called now and then: makes a new key when the newest is rotate_ms old, unless the keys come from a file or are shared. A key
   decrypts for twice as long after it has encrypted. */
void tls_tickets_rotate(struct tls_tickets *tickets, uint64_t rotate_ms, uint64_t now_ms);
/* Uses these keys, at most TLS_TICKETS_SHARED_MOST, of which the one with the number `sealing` encrypts; those before it will. What
   encrypted until now goes on decrypting. Not while keys come from a file. */
void tls_tickets_share(struct tls_tickets *tickets, const uint8_t *keys, size_t count,
                       size_t sealing);
/* The keys are no longer shared: the one that encrypts is of the process from now on. */
void tls_tickets_unshare(struct tls_tickets *tickets, uint64_t now_ms);
/* The key that encrypts. */
void tls_tickets_sealing_key(struct tls_tickets *tickets, uint8_t ret_key[TLS_TICKET_KEY_BYTES]);
/* A new key. False: no random numbers. */
__attribute__((warn_unused_result)) bool tls_ticket_key_make(uint8_t ret_key[TLS_TICKET_KEY_BYTES]);
/* Keys that were read and are not in use yet. */
struct tls_ticket_keys;
/* Reads the keys of the file, of which the first encrypts. Each has 16 bytes of name, 32 for HMAC, 32 for AES, as in
   nginx. "": keys of the process. */
__attribute__((warn_unused_result)) enum tls_tickets_result tls_ticket_keys_load(
    const char *path, struct tls_ticket_keys **ret_keys);
/* NULL is fine. */
void tls_ticket_keys_free(struct tls_ticket_keys **keys);
/* Uses these keys from now on. If keys of the process are already in use they stay as they are. */
void tls_tickets_follow(struct tls_tickets *tickets, const struct tls_ticket_keys *keys,
                        uint64_t now_ms);

/* Packs the keys of the process for its successor; they must not get to a disk. Keys of a file are not packed. */
void tls_tickets_save(struct tls_tickets *tickets, uint64_t now_ms, struct pack *pack);
/* To be called before any ticket is issued. Returns how many keys were restored. */
size_t tls_tickets_restore(struct tls_tickets *tickets, struct unpack *unpack, uint64_t now_ms);

/* Makes the context encrypt and decrypt with these keys. */
void tls_tickets_use(struct tls_tickets *tickets, struct ssl_ctx_st *context);

#endif
