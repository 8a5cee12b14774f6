/* Any bytes where TLS is spoken: to a listener's side, to an upstream's side, or a real conversation with bytes of it changed, dropped
   and cut on the way. Whatever comes, each side has a verdict, and nothing is left behind. */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steady/bound.h"
#include "steady/check.h"
#include "tls/scratch.h"
#include "tls/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

#define PIECE_BYTES 4096
#define ROUNDS 12

static struct bound kept_bytes;
static struct buf_pool *bufs;
static struct loop_clock loop_clock;
static struct tls_scratch *room;
static struct tls_tickets *tickets;
static struct tls_server *server;
static SSL_CTX *client_side;

/* ---- what stays from one input to the next ---- */

static void make_files(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    CHECK(key != NULL && certificate != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 30 * 24 * 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"fuzz.test", -1,
                               -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *cert_file = fopen(cert_path, "w"), *key_file = fopen(key_path, "w");
    CHECK(cert_file != NULL && key_file != NULL);
    CHECK(PEM_write_X509(cert_file, certificate) == 1 &&
          PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(cert_file);
    fclose(key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* A listener that asks clients for a certificate and takes none from them reads most of what they may say. */
static void make_server(void)
{
    char folder[] = "/tmp/fuzz-tls-XXXXXX", cert_path[64], key_path[64], why[256];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(cert_path, sizeof cert_path, "%s/cert", folder);
    snprintf(key_path, sizeof key_path, "%s/key", folder);
    make_files(cert_path, key_path);
    struct certificate_settings files = {.cert = cert_path, .key = key_path, .ocsp = ""};
    const struct listener_tls_settings settings = {
        .enabled = true,
        .certificates = &files,
        .certificate_count = 1,
        .client_ca = cert_path,
        .client_auth = CLIENT_AUTH_OPTIONAL,
        .tickets = true,
    };
    CHECK(tls_server_create(&settings, tickets, &server, why, sizeof why) == TLS_SERVER_OK);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
}

static void prepare(void)
{
    if (server != NULL) {
        return;
    }
    bound_init(&kept_bytes, "buffers_bytes", NULL, 16 * 1024 * 1024);
    bufs = buf_pool_create(&kept_bytes);
    CHECK(bufs != NULL);
    room = tls_scratch_create(bufs, &loop_clock);
    tickets = tls_tickets_create(1);
    client_side = SSL_CTX_new(TLS_client_method());
    CHECK(room != NULL && tickets != NULL && client_side != NULL);
    make_server();
}

/* ---- a side and its verdict ---- */

static void open_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
}

static void begin(struct stream *stream, int fd, bool is_server, bool old)
{
    stream_init(stream, fd);
    if (is_server) {
        CHECK(tls_server_accept(server, stream, room));
        return;
    }
    SSL *ssl = SSL_new(client_side);
    CHECK(ssl != NULL);
    SSL_set_connect_state(ssl);
    if (old) {
        CHECK(SSL_set_max_proto_version(ssl, TLS1_2_VERSION) == 1);
    }
    CHECK(SSL_set_tlsext_host_name(ssl, "fuzz.test") == 1 && stream_start_tls(stream, ssl, room));
}

/* A step: the handshake, and once it is done what comes is read and answered. */
static enum stream_result step(struct stream *stream, bool *done)
{
    char bytes[PIECE_BYTES];
    size_t got = 0;
    enum stream_result result = STREAM_OK;
    if (!*done) {
        result = stream_handshake(stream);
        *done = result == STREAM_OK;
    }
    if (*done) {
        struct iovec answer = {"answer", 6};
        do {
            result = stream_recv(stream, bytes, sizeof bytes, &got);
        } while (result == STREAM_OK);
        CHECK(result != STREAM_BLOCKED || stream->drained);
        if (result == STREAM_BLOCKED) {
            result = stream_send(stream, &answer, 1, &got);
        }
    }
    CHECK(ERR_peek_error() == 0);
    CHECK(result != STREAM_ERROR || stream_failure(stream) != TLS_FAILURE_NONE);
    return result;
}

static void finish(struct stream *stream)
{
    stream_close(stream, false);
    CHECK(ERR_peek_error() == 0);
}

/* ---- bytes out of thin air ---- */

static void feed(bool to_server, bool old, size_t piece_bytes, const uint8_t *bytes, size_t length)
{
    struct stream stream;
    int fds[2];
    bool done = false;
    open_pair(fds);
    begin(&stream, fds[0], to_server, old);
    enum stream_result result = step(&stream, &done);
    while (length > 0 && (result == STREAM_OK || result == STREAM_BLOCKED)) {
        size_t n = length < piece_bytes ? length : piece_bytes;
        ssize_t written = write(fds[1], bytes, n);
        CHECK(written > 0);
        bytes += written;
        length -= (size_t)written;
        result = step(&stream, &done);
    }
    close(fds[1]);
    result = step(&stream, &done);
    CHECK(result != STREAM_OK && result != STREAM_BLOCKED); /* whoever is gone is missed */
    finish(&stream);
}

/* ---- a real conversation, interfered with ---- */

struct changes {
    const uint8_t *at, *end;
};

/* Passes on what came, changed by three bytes of the input at a time: where, and what; a change by nothing cuts there. */
static void pass_on(int from, int to, struct changes *changes)
{
    uint8_t bytes[4 * PIECE_BYTES];
    ssize_t got = read(from, bytes, sizeof bytes);
    size_t length = got > 0 ? (size_t)got : 0;
    while (length > 0 && changes->end - changes->at >= 3) {
        size_t where = (size_t)(changes->at[0] << 8 | changes->at[1]) % length;
        uint8_t what = changes->at[2];
        changes->at += 3;
        if (what == 0xff) {
            break; /* the next changes are for the next flight */
        }
        bytes[where] ^= what;
        if (what == 0) {
            length = where;
        }
    }
    if (length > 0) {
        (void)!write(to, bytes, length);
    }
}

static void interfere(bool old, const uint8_t *bytes, size_t length)
{
    struct changes changes = {bytes, bytes + length};
    struct stream one, other;
    bool one_done = false, other_done = false, untouched = length == 0;
    int left[2], right[2];
    open_pair(left);
    open_pair(right);
    begin(&one, left[0], false, old);
    begin(&other, right[0], true, old);
    for (unsigned round = 0; round < ROUNDS; round++) {
        (void)step(&one, &one_done);
        pass_on(left[1], right[1], &changes);
        (void)step(&other, &other_done);
        pass_on(right[1], left[1], &changes);
    }
    CHECK(!untouched || (one_done && other_done));
    finish(&one);
    finish(&other);
    close(left[1]);
    close(right[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    if (length_bytes < 2) {
        return 0;
    }
    prepare();
    bool old = (input[0] & 4) != 0;
    size_t piece_bytes = input[1] == 0 ? PIECE_BYTES : input[1];
    switch (input[0] & 3) {
    case 0: feed(true, old, piece_bytes, input + 2, length_bytes - 2); break;
    case 1: feed(false, old, piece_bytes, input + 2, length_bytes - 2); break;
    default: interfere(old, input + 2, length_bytes - 2); break;
    }
    CHECK(bound_used(&kept_bytes) == 0);
    return 0;
}
