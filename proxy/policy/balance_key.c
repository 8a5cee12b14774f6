/* Finds the key and hashes it. */
#include "proxy/policy/balance_key.h"

#include <netinet/in.h>
#include <string.h>

#include "pool/balance.h"
#include "proxy/http/cookie.h"
#include "proxy/worker/route.h"
#include "steady/hash.h"

/* RFC 1035 2.3.4: no name is longer. */
#define HOST_KEY_BYTES 256
/* Of an IPv6 address: its /64. */
#define CLIENT_V6_BYTES 8

static uint64_t hash_of(const void *bytes, size_t count)
{
    return hash_bytes(BALANCE_KEY_SEED, bytes, count);
}

static bool key_of_field(const struct http_head *head, const char *name, uint64_t *ret_hash)
{
    const struct http_field *field = head_find_name(head, name, strlen(name));
    if (field == NULL || field->value_bytes == 0) {
        return false;
    }
    *ret_hash = hash_of(head->base + field->value_at, field->value_bytes);
    return true;
}

static bool key_of_cookie(const struct http_head *head, const char *name, uint64_t *ret_hash)
{
    const char *value;
    size_t bytes;
    if (!cookie_find(head, name, strlen(name), &value, &bytes) || bytes == 0) {
        return false;
    }
    *ret_hash = hash_of(value, bytes);
    return true;
}

/* The address without the port; of IPv6 the /64, whose addresses one client has all to itself. An IPv4 address is one however it
   is written. */
static bool key_of_client(const struct sockaddr *address, uint64_t *ret_hash)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        *ret_hash = hash_of(&v4->sin_addr, sizeof v4->sin_addr);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        *ret_hash = IN6_IS_ADDR_V4MAPPED(v6) ? hash_of(&v6->s6_addr[12], sizeof(struct in_addr))
                                             : hash_of(v6, CLIENT_V6_BYTES);
        return true;
    }
    return false;
}

bool balance_key(const struct upstream_settings *settings, const struct http_head *head,
                 const struct sockaddr *client_address, uint64_t *ret_hash)
{
    enum balance_key_source source = balance_method_rows[settings->balance].key_source;
    if (__builtin_expect(source == BALANCE_KEY_NONE, 1)) {
        return false;
    }
    switch (source) {
    case BALANCE_KEY_HEADER: return key_of_field(head, settings->balance_key, ret_hash);
    case BALANCE_KEY_COOKIE: return key_of_cookie(head, settings->balance_key, ret_hash);
    case BALANCE_KEY_CLIENT: return key_of_client(client_address, ret_hash);
    case BALANCE_KEY_NONE: break;
    }
    return false;
}

/* A host is one however a client writes it: in any case, with a port, with a dot at its end. */
static uint64_t hash_of_host(const char *host, size_t bytes)
{
    char name[HOST_KEY_BYTES];
    bytes = host_name_bytes(host, bytes);
    bytes = bytes < sizeof name ? bytes : sizeof name;
    for (size_t i = 0; i < bytes; i++) {
        name[i] = (char)route_lower(host[i]);
    }
    return hash_of(name, bytes);
}

bool request_key(enum key_source source, const char *name, const struct http_head *head,
                 struct span host, const struct sockaddr *client_address, uint64_t *ret_hash)
{
    switch (source) {
    case KEY_HOST: *ret_hash = hash_of_host(head_text(head, host), host.bytes); return true;
    case KEY_HEADER: return key_of_field(head, name, ret_hash);
    case KEY_COOKIE: return key_of_cookie(head, name, ret_hash);
    case KEY_CLIENT: return key_of_client(client_address, ret_hash);
    case KEY_NONE: break;
    }
    return false;
}
