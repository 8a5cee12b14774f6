/*
 * The key of a WebSocket handshake, and the answer that shows it was understood.
 *
 * Owns nothing. Thread: any. Spec: RFC 6455 4.1 and 4.2.2.
 */
#ifndef EVENKEEL_TLS_WEBSOCKET_KEY_H
#define EVENKEEL_TLS_WEBSOCKET_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_KEY_BYTES 24

/* Writes the key of this nonce and a NUL behind it. */
void websocket_key(const uint64_t nonce[2], char text[WEBSOCKET_KEY_BYTES + 1]);
/* Whether the value of Sec-WebSocket-Accept is that of the key. */
bool websocket_accepts(const char *key, size_t key_bytes, const char *accept, size_t accept_bytes);

#endif
