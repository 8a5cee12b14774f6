/*
 * TLS towards upstreams: which certificates are trusted, which client certificate is used, and which sessions are
 * resumed.
 *
 * Owns: OpenSSL's contexts, one for each trust profile (verify, CA, client certificate) however many upstreams use it,
 * and the session cache. Thread: clients and targets are made and freed on the control thread; connections begin and
 * finish on any. Time base: the monotonic clock. Errors: enum tls_client_result, and a text for the log; the stream
 * says why a handshake failed. Spec: RFC 8446, RFC 5246, RFC 6066 3, RFC 6125, RFC 9325.
 */
#ifndef EVENKEEL_TLS_CLIENT_H
#define EVENKEEL_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/bound.h"
#include "tls/session_cache.h"
#include "tls/stream.h"

struct tls_clients;
struct tls_client;

enum tls_client_result { TLS_CLIENT_OK, TLS_CLIENT_BAD_FILE, TLS_CLIENT_NO_MEMORY };

/* The clients of a process and their sessions. NULL: no memory. */
struct tls_clients *tls_clients_create(struct bound_registry *registry);
/* To be called after the last client was put. NULL is fine. */
void tls_clients_free(struct tls_clients **clients);
struct session_cache *tls_clients_sessions(struct tls_clients *clients);

/* Reads every file again. Compares contents, not names: settings with the same trust give the same client. `why` names
   key, file and cause. clients: NULL for a test of the files. */
__attribute__((warn_unused_result)) enum tls_client_result tls_client_obtain(
    struct tls_clients *clients, const struct upstream_tls_settings *settings,
    struct tls_client **ret_client, char *why, size_t why_bytes);
/* When the client certificate expires, in seconds since 1970; 0: there is none. */
int64_t tls_client_expires_s(const struct tls_client *client);
/* NULL is fine, for both. */
struct tls_client *tls_client_get(struct tls_client *client);
void tls_client_put(struct tls_client **client);

/* Application protocols that are offered (RFC 7301). X(id, the list as text, which is part of the key of sessions, the list as
   it is sent) */
#define TLS_OFFERS(X)                              \
    X(TLS_OFFER_HTTP1, "http/1.1", "\x08http/1.1") \
    X(TLS_OFFER_HTTP2, "h2", "\x02h2")             \
    X(TLS_OFFER_BOTH, "h2,http/1.1", "\x02h2\x08http/1.1")
enum tls_offer {
#define X(id, text, wire) id,
    TLS_OFFERS(X)
#undef X
};

/* The target of a connection: a name at an address. Outlives its connections. */
struct tls_target {
    struct tls_client *client;
    struct session_key key;
    struct session_address address;
    char name[SESSION_NAME_MOST_BYTES + 1]; /* sent in SNI and checked */
    bool literal;                           /* the name is an address: checked, but not sent */
    enum tls_offer offer;
    const uint64_t *connections_count; /* atomic: number of sessions worth keeping; NULL: unknown */
};

/* False: the name cannot be a server name. The count outlives the target. */
__attribute__((warn_unused_result)) bool tls_target_init(
    struct tls_target *target, struct tls_client *client, const char *server_name, uint16_t port,
    enum tls_offer offer, const struct sockaddr *address, const uint64_t *connections_count);
void tls_target_release(struct tls_target *target);

/* Makes TLS of a connected socket and offers a session; stream_handshake() comes next. False: no memory. */
__attribute__((warn_unused_result)) bool tls_client_begin(const struct tls_target *target,
                                                          struct stream *stream,
                                                          struct tls_scratch *scratch);
/* The handshake is over: tells the cache whether the offered session was accepted. True: the session was resumed. */
bool tls_client_finish(const struct stream *stream, bool succeeded);
/* After the handshake: when the certificate that the server has shown expires, in seconds since 1970; 0: it has shown none. Of a
   resumed session, the certificate is that of its first handshake. */
int64_t tls_client_peer_expires_s(const struct stream *stream);
/* After the handshake: whether the server has chosen HTTP/2 ("h2"). */
bool tls_client_chose_http2(const struct stream *stream);
/* False: the server asked for a client certificate and has not answered to it yet (RFC 8446 4.4.2: in TLS 1.3 it checks
   the certificate after the client has finished). stream_probe() meets its next message. */
bool tls_client_confirmed(const struct stream *stream);

#endif
