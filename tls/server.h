/*
 * TLS of a listener: its certificates by name, versions and ciphers, client certificates.
 *
 * Owns: OpenSSL's contexts. Immutable and reference-counted: a generation has one for each listener with TLS; workers,
 * and connections that began with it, keep theirs. Thread: built on the control thread, then any. Errors: enum
 * tls_server_result, and a text for the log. Spec: RFC 8446, RFC 5246, RFC 6066 3, RFC 7301, RFC 9325.
 */
#ifndef EVENKEEL_TLS_SERVER_H
#define EVENKEEL_TLS_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "tls/stream.h"
#include "tls/tickets.h"

struct tls_server;

enum tls_server_result { TLS_SERVER_OK, TLS_SERVER_BAD_FILE, TLS_SERVER_NO_MEMORY };

/* Reads every file again. tickets: outlives it; NULL for a test of the files. `why` names key, file and cause. */
__attribute__((warn_unused_result)) enum tls_server_result tls_server_create(
    const struct listener_tls_settings *settings, struct tls_tickets *tickets,
    struct tls_server **ret_server, char *why, size_t why_bytes);
/* NULL is fine, for both. */
struct tls_server *tls_server_get(struct tls_server *server);
void tls_server_put(struct tls_server **server);

/* Makes TLS of an accepted connection; stream_handshake() comes next, and the server must be kept until that is over.
   False: no memory. */
__attribute__((warn_unused_result)) bool tls_server_accept(struct tls_server *server,
                                                           struct stream *stream,
                                                           struct tls_scratch *scratch);

/* What a finished handshake agreed on; the texts live as long as the stream. */
struct tls_agreement {
    bool resumed;
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    const char *name; /* the name in SNI; NULL: none */
    bool http2;       /* by ALPN */
};
struct tls_agreement tls_agreement(const struct stream *stream);
/* Whether the host, a name without a port, is that of another site than the one whose certificate the client has asked for and seen:
   both have certificates here, and the first one's does not do for the second (RFC 9110 7.4 and 15.5.20). A client that asked for no
   name, or for one that nobody has, has seen the default and is not misdirected. */
bool tls_server_misdirects(const struct tls_server *server, const struct stream *stream,
                           const char *host, size_t host_bytes);
/* The client's verified certificate in the form of X-Forwarded-Client-Cert, `Hash=...;Subject="..."`, on the heap.
   NULL: there is none. */
char *tls_client_certificate(const struct stream *stream);

struct tls_certificate_figures {
    size_t number;     /* number in the settings */
    const char *name;  /* the first of its names */
    const char *type;  /* "RSA", "EC", ... */
    int64_t expires_s; /* since 1970 */
};
typedef void tls_certificate_fn(const struct tls_certificate_figures *figures, void *owner);
void tls_server_each_certificate(const struct tls_server *server, tls_certificate_fn *each,
                                 void *owner);

#endif
