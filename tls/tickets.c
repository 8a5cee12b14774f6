/* A few keys and OpenSSL's callback. */
#include "tls/tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steady/descriptor.h"
#include "steady/enum_names.h"
#include "steady/fault.h"
#include "tls/ticket_terms.h"

/* Of a file, or of the process. */
#define KEYS 3
/* Shared ones, and the one that encrypted before. */
#define KEYS_MOST (TLS_TICKETS_SHARED_MOST + 1)

/* In the layout of a key file. */
struct ticket_key {
    unsigned char name[16];
    unsigned char hmac[32];
    unsigned char aes[32];
};

struct tls_tickets {
    pthread_mutex_t lock;
    struct ticket_key keys[KEYS_MOST]; /* newest first */
    unsigned key_count;
    unsigned sealing; /* index of the key that encrypts */
    uint64_t rotated_ms;
    bool from_file, shared;
};

struct tls_ticket_keys {
    struct ticket_key keys[KEYS];
    unsigned count;
    bool from_file; /* else a new key of the process */
};

ENUM_NAME_FUNCTION(tls_tickets_result_name, enum tls_tickets_result, TLS_TICKETS_RESULTS)

static bool make_key(struct ticket_key *ret_key)
{
    return RAND_bytes((unsigned char *)ret_key, sizeof *ret_key) == 1;
}

/* Puts a key of the process in front; the oldest goes. */
static void put_key(struct tls_tickets *tickets, const struct ticket_key *key, uint64_t now_ms)
{
    memmove(tickets->keys + 1, tickets->keys, (KEYS - 1) * sizeof *key);
    tickets->keys[0] = *key;
    tickets->key_count = tickets->key_count < KEYS ? tickets->key_count + 1 : KEYS;
    tickets->sealing = 0;
    tickets->rotated_ms = now_ms;
}

static bool add_key(struct tls_tickets *tickets, uint64_t now_ms)
{
    struct ticket_key key;
    if (!make_key(&key)) {
        return false;
    }
    put_key(tickets, &key, now_ms);
    OPENSSL_cleanse(&key, sizeof key);
    return true;
}

struct tls_tickets *tls_tickets_create(uint64_t now_ms)
{
    struct tls_tickets *tickets = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *tickets);
    if (tickets == NULL) {
        return NULL;
    }
    pthread_mutex_init(&tickets->lock, NULL);
    if (!add_key(tickets, now_ms)) {
        tls_tickets_free(&tickets);
    }
    return tickets;
}

void tls_tickets_free(struct tls_tickets **tickets_pointer)
{
    struct tls_tickets *tickets = *tickets_pointer;
    *tickets_pointer = NULL;
    if (tickets == NULL) {
        return;
    }
    pthread_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets, sizeof *tickets);
    free(tickets);
}

/* Without random numbers the old key stays in use. */
void tls_tickets_rotate(struct tls_tickets *tickets, uint64_t rotate_ms, uint64_t now_ms)
{
    pthread_mutex_lock(&tickets->lock);
    if (!tickets->from_file && !tickets->shared && now_ms - tickets->rotated_ms >= rotate_ms) {
        (void)add_key(tickets, now_ms);
    }
    pthread_mutex_unlock(&tickets->lock);
}

/* ---- keys that are shared ---- */

_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_BYTES, "the layout of a key file");

bool tls_ticket_key_make(uint8_t ret_key[TLS_TICKET_KEY_BYTES])
{
    return RAND_bytes(ret_key, TLS_TICKET_KEY_BYTES) == 1;
}

void tls_tickets_sealing_key(struct tls_tickets *tickets, uint8_t ret_key[TLS_TICKET_KEY_BYTES])
{
    pthread_mutex_lock(&tickets->lock);
    memcpy(ret_key, &tickets->keys[tickets->sealing], TLS_TICKET_KEY_BYTES);
    pthread_mutex_unlock(&tickets->lock);
}

/* What encrypted before, or what has been kept of that since, is kept behind the shared keys unless it is one of them. */
static void put_shared(struct tls_tickets *tickets, const uint8_t *keys, size_t count,
                       size_t sealing)
{
    unsigned kept = tickets->shared ? tickets->key_count - 1 : tickets->sealing;
    struct ticket_key before = tickets->keys[kept];
    memcpy(tickets->keys, keys, count * sizeof tickets->keys[0]);
    bool among = false;
    for (size_t i = 0; i < count; i++) {
        among = among || CRYPTO_memcmp(&tickets->keys[i], &before, sizeof before) == 0;
    }
    tickets->key_count = (unsigned)count;
    if (!among) {
        tickets->keys[tickets->key_count++] = before;
    }
    tickets->sealing = (unsigned)sealing;
    OPENSSL_cleanse(&before, sizeof before);
}

void tls_tickets_share(struct tls_tickets *tickets, const uint8_t *keys, size_t count,
                       size_t sealing)
{
    pthread_mutex_lock(&tickets->lock);
    if (!tickets->from_file && sealing < count && count <= TLS_TICKETS_SHARED_MOST) {
        put_shared(tickets, keys, count, sealing);
        tickets->shared = true;
    }
    pthread_mutex_unlock(&tickets->lock);
}

void tls_tickets_unshare(struct tls_tickets *tickets, uint64_t now_ms)
{
    pthread_mutex_lock(&tickets->lock);
    if (tickets->shared) {
        tickets->shared = false;
        memmove(tickets->keys, tickets->keys + tickets->sealing,
                (tickets->key_count - tickets->sealing) * sizeof tickets->keys[0]);
        tickets->key_count -= tickets->sealing;
        tickets->key_count = tickets->key_count < KEYS ? tickets->key_count : KEYS;
        tickets->sealing = 0;
        tickets->rotated_ms = now_ms;
    }
    pthread_mutex_unlock(&tickets->lock);
}

/* ---- keys of a file ---- */

static enum tls_tickets_result read_keys(const char *path, struct tls_ticket_keys *keys)
{
    unsigned char bytes[sizeof keys->keys + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return TLS_TICKETS_UNREADABLE;
    }
    ssize_t n = read(fd, bytes, sizeof bytes);
    close_keeping_errno(fd);
    if (n < 0) {
        return TLS_TICKETS_UNREADABLE;
    }
    size_t length = (size_t)n;
    bool whole = length > 0 && length <= sizeof keys->keys && length % sizeof keys->keys[0] == 0;
    if (whole) {
        memcpy(keys->keys, bytes, length);
        keys->count = (unsigned)(length / sizeof keys->keys[0]);
        keys->from_file = true;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return whole ? TLS_TICKETS_OK : TLS_TICKETS_BAD_FILE;
}

enum tls_tickets_result tls_ticket_keys_load(const char *path, struct tls_ticket_keys **ret_keys)
{
    struct tls_ticket_keys *keys = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *keys);
    enum tls_tickets_result result = TLS_TICKETS_OK;
    if (keys == NULL) {
        return TLS_TICKETS_NO_MEMORY;
    }
    if (path[0] != '\0') {
        result = read_keys(path, keys);
    } else if (!make_key(&keys->keys[0])) {
        result = TLS_TICKETS_NO_RANDOM;
    }
    if (result != TLS_TICKETS_OK) {
        int error = errno;
        tls_ticket_keys_free(&keys);
        errno = error;
        return result;
    }
    *ret_keys = keys;
    return TLS_TICKETS_OK;
}

void tls_ticket_keys_free(struct tls_ticket_keys **keys)
{
    if (*keys != NULL) {
        OPENSSL_cleanse(*keys, sizeof **keys);
        free(*keys);
        *keys = NULL;
    }
}

void tls_tickets_follow(struct tls_tickets *tickets, const struct tls_ticket_keys *keys,
                        uint64_t now_ms)
{
    pthread_mutex_lock(&tickets->lock);
    if (keys->from_file) {
        memcpy(tickets->keys, keys->keys, keys->count * sizeof keys->keys[0]);
        tickets->key_count = keys->count;
        tickets->sealing = 0;
        tickets->shared = false;
    } else if (tickets->from_file) {
        put_key(tickets, &keys->keys[0], now_ms);
    }
    tickets->from_file = keys->from_file;
    pthread_mutex_unlock(&tickets->lock);
}

void tls_tickets_save(struct tls_tickets *tickets, uint64_t now_ms, struct pack *pack)
{
    pthread_mutex_lock(&tickets->lock);
    if (!tickets->from_file) {
        pack_u64(pack, now_ms - tickets->rotated_ms);
        for (unsigned i = tickets->sealing; i < tickets->key_count && i < tickets->sealing + KEYS;
             i++) {
            pack_raw(pack, &tickets->keys[i], sizeof tickets->keys[i]);
        }
    }
    pthread_mutex_unlock(&tickets->lock);
}

size_t tls_tickets_restore(struct tls_tickets *tickets, struct unpack *unpack, uint64_t now_ms)
{
    uint64_t age_ms = unpack_u64(unpack);
    unsigned count = (unsigned)(unpack->left / sizeof(struct ticket_key));
    if (unpack->failed || count == 0 || count > KEYS ||
        count * sizeof(struct ticket_key) != unpack->left) {
        return 0;
    }
    pthread_mutex_lock(&tickets->lock);
    bool own = !tickets->from_file;
    if (own) {
        memcpy(tickets->keys, unpack_raw(unpack, unpack->left), count * sizeof(struct ticket_key));
        tickets->key_count = count;
        tickets->sealing = 0;
        tickets->rotated_ms = now_ms - (age_ms < now_ms ? age_ms : now_ms);
    }
    pthread_mutex_unlock(&tickets->lock);
    return own ? count : 0;
}

/* The key to encrypt with, or the one with that name. *ret_newest: it is the one that encrypts. */
static bool find_key(struct tls_tickets *tickets, const unsigned char *name,
                     struct ticket_key *ret_key, bool *ret_newest)
{
    bool found = false;
    pthread_mutex_lock(&tickets->lock);
    for (unsigned i = 0; i < tickets->key_count && !found; i++) {
        found = name == NULL ? i == tickets->sealing
                             : memcmp(tickets->keys[i].name, name, sizeof ret_key->name) == 0;
        if (found) {
            *ret_key = tickets->keys[i];
            *ret_newest = i <= tickets->sealing;
        }
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

static bool prepare(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, bool seal)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->hmac,
                                          sizeof key->hmac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "sha256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, seal) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1: good; 2: good, but issue a new ticket; 0: unknown. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool newest = false;
    if (!find_key(tickets, seal ? NULL : name, &key, &newest)) {
        return 0;
    }
    if (seal) {
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
            return -1;
        }
    }
    bool prepared = prepare(&key, iv, cipher, mac, seal != 0);
    OPENSSL_cleanse(&key, sizeof key);
    if (!prepared) {
        return -1;
    }
    return newest ? 1 : 2;
}

void tls_tickets_use(struct tls_tickets *tickets, struct ssl_ctx_st *context)
{
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    ticket_terms_use(context);
    SSL_CTX_set_timeout(context, TLS_TICKETS_LIFETIME_S);
}
