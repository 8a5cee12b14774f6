/*
 * TLS towards upstreams: whom we trust, who we say we are, and what we resume.
 *
 * Owns: OpenSSL's contexts, one for each trust profile (verify, CA, client certificate) whatever upstreams use it, and the
 * session cache. Thread: clients and targets are made and freed on the control thread; connections are begun and finished
 * on any. Time base: the monotonic clock. Errors: enum tls_client_result and words for the log; why a handshake failed is
 * in the stream. Spec: RFC 8446, RFC 5246, RFC 6066 3, RFC 6125, RFC 9325.
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

/* The clients of a process and their sessions; NULL when memory is exhausted. */
struct tls_clients *tls_clients_create(struct bound_registry *registry);
/* After the last client was put. NULL is fine. */
void tls_clients_free(struct tls_clients **clients);
struct session_cache *tls_clients_sessions(struct tls_clients *clients);

/* Reads every file anew. What they say is compared, not what they are called: settings that come to the same trust are
   the same client. `why` names key, file and cause. clients: NULL for a mere test. */
__attribute__((warn_unused_result)) enum tls_client_result tls_client_obtain(
    struct tls_clients *clients, const struct upstream_tls_settings *settings,
    struct tls_client **ret_client, char *why, size_t why_bytes);
/* When the certificate that we show expires, in seconds since 1970; 0: we show none. */
int64_t tls_client_expires_s(const struct tls_client *client);
/* NULL is fine, for both. */
struct tls_client *tls_client_get(struct tls_client *client);
void tls_client_put(struct tls_client **client);

/* Where a client connects to: a name at an address. Outlives its connections. */
struct tls_target {
    struct tls_client *client;
    struct session_key key;
    struct session_address address;
    char name[SESSION_NAME_MOST_BYTES + 1]; /* asked for and checked */
    bool literal;                           /* it is an address: checked, but not asked for */
    const uint64_t
        *connections_count; /* atomic: as many sessions are worth keeping; NULL: unknown */
};

/* False: no such name can be asked for. The count outlives the target. */
__attribute__((warn_unused_result)) bool tls_target_init(struct tls_target *target,
                                                         struct tls_client *client,
                                                         const char *server_name, uint16_t port,
                                                         const struct sockaddr *address,
                                                         const uint64_t *connections_count);
void tls_target_release(struct tls_target *target);

/* Makes TLS of a connected socket and offers a session; stream_handshake() comes next. False: no memory. */
__attribute__((warn_unused_result)) bool tls_client_begin(const struct tls_target *target,
                                                          struct stream *stream,
                                                          struct tls_scratch *scratch);
/* The handshake is over: the cache learns whether what it offered was of use. True: the session was resumed. */
bool tls_client_finish(const struct stream *stream, bool succeeded);
/* False: we were asked for a certificate and the server has not said yet what it thinks of it (RFC 8446 4.4.2: TLS 1.3
   judges it after our part is done). Its next word is met by stream_probe(). */
bool tls_client_confirmed(const struct stream *stream);

#endif
