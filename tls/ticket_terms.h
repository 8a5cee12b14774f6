/*
 * Terms of a ticket: what a session that a client brings back must still fulfil, written into the ticket itself. Private to tls/.
 *
 * Owns nothing. Thread: any. Time base: the wall clock in seconds since 1970, as certificates have it. Spec: RFC 8446 4.6.1 (a ticket's
 * life, and what the session was made with), RFC 5077 5.6.
 *
 * Resumption skips certificates: without terms a client would be let in as long as it comes back, each time with a fresh ticket, however
 * long ago its certificate has expired. Whether its authority is still trusted is asked elsewhere: by the scope of sessions.
 */
#ifndef EVENKEEL_TLS_TICKET_TERMS_H
#define EVENKEEL_TLS_TICKET_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tickets beget tickets: so long after the last full handshake none of the chain is taken. */
#define TICKET_CHAIN_S (24 * 3600)

/* In the order of the bytes in a ticket, which members of a fleet may open for one another. */
struct ticket_terms {
    int64_t since_s; /* when the last full handshake was */
    int64_t
        until_s; /* when the first certificate of the client's verified chain expires; INT64_MAX: it showed none */
};
#define TICKET_TERMS_BYTES 16

void ticket_terms_write(const struct ticket_terms *terms, unsigned char bytes[TICKET_TERMS_BYTES]);
/* Whether the terms that came with a ticket hold. A ticket without any is not ours, or of an older program. */
bool ticket_terms_hold(const void *bytes, size_t length, int64_t now_s);

struct ssl_ctx_st;
/* Sessions of the context are sealed with terms, and taken up only while they hold. */
void ticket_terms_use(struct ssl_ctx_st *context);

#endif
