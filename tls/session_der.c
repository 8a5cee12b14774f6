/* Removes one field of the sequence. */
#include "tls/session_der.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/ssl.h>
#include <string.h>

#include "steady/fault.h"

/* SSL_SESSION ::= SEQUENCE { ..., peer [3] EXPLICIT Certificate OPTIONAL, ... } */
#define PEER_TAG 3

struct span {
    const uint8_t *begin, *end;
};

/* Reads one element. False: malformed. */
static bool next_element(struct span *left, struct span *ret_element, struct span *ret_content,
                         int *ret_tag, int *ret_class)
{
    const uint8_t *at = left->begin;
    long length;
    int form = ASN1_get_object(&at, &length, ret_tag, ret_class, left->end - left->begin);
    if ((form & 0x80) != 0 || (form & 0x01) != 0 || length > left->end - at) {
        return false;
    }
    *ret_content = (struct span){at, at + length};
    *ret_element = (struct span){left->begin, at + length};
    left->begin = at + length;
    return true;
}

/* *ret_content: of the sequence; *ret_peer: the field in it, empty if there is none. */
static bool find_peer(struct span whole, struct span *ret_content, struct span *ret_peer)
{
    struct span element, content, left;
    int tag, class;
    if (!next_element(&whole, &element, &left, &tag, &class) || tag != V_ASN1_SEQUENCE) {
        return false;
    }
    *ret_content = left;
    *ret_peer = (struct span){left.begin, left.begin};
    while (left.begin < left.end) {
        if (!next_element(&left, &element, &content, &tag, &class)) {
            return false;
        }
        if (class == V_ASN1_CONTEXT_SPECIFIC && tag == PEER_TAG) {
            *ret_peer = element;
        }
    }
    return true;
}

static bool without_peer(struct span whole, uint8_t **ret_der, size_t *ret_bytes)
{
    struct span content, peer;
    if (!find_peer(whole, &content, &peer)) {
        return false;
    }
    int before = (int)(peer.begin - content.begin), after = (int)(content.end - peer.end);
    int bytes = ASN1_object_size(1, before + after, V_ASN1_SEQUENCE);
    uint8_t *der = fault_hits(FAULT_ALLOC) ? NULL : OPENSSL_malloc((size_t)bytes);
    if (der == NULL) {
        return false;
    }
    uint8_t *to = der;
    ASN1_put_object(&to, 1, before + after, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(to, content.begin, (size_t)before);
    memcpy(to + before, peer.end, (size_t)after);
    *ret_der = der;
    *ret_bytes = (size_t)bytes;
    return true;
}

bool session_der_write(const SSL_SESSION *session, uint8_t **ret_der, size_t *ret_bytes)
{
    uint8_t *whole = NULL;
    int bytes = i2d_SSL_SESSION(session, NULL);
    if (bytes <= 0 || fault_hits(FAULT_ALLOC) || (whole = OPENSSL_malloc((size_t)bytes)) == NULL) {
        return false;
    }
    uint8_t *to = whole;
    bool written = i2d_SSL_SESSION(session, &to) == bytes &&
                   without_peer((struct span){whole, whole + bytes}, ret_der, ret_bytes);
    session_der_free(whole, (size_t)bytes);
    return written;
}

void session_der_free(uint8_t *der, size_t bytes)
{
    OPENSSL_clear_free(der, bytes);
}

SSL_SESSION *session_der_read(const uint8_t *der, size_t bytes)
{
    const uint8_t *at = der;
    if (bytes == 0 || bytes > LONG_MAX || fault_hits(FAULT_ALLOC)) {
        return NULL;
    }
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)bytes);
    if (session != NULL && at == der + bytes && SSL_SESSION_is_resumable(session) &&
        SSL_SESSION_get_protocol_version(session) >= TLS1_2_VERSION) {
        return session;
    }
    SSL_SESSION_free(session);
    return NULL;
}
