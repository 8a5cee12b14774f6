/* Protocols by name; those that would carry requests past us are never among them. */
#include "proxy/exchange/upgrade.h"

#include "proxy/exchange/exchange.h"
#include "proxy/http/field_list.h"
#include "tls/websocket_key.h"

/* Other versions of HTTP: their requests would reach the origin unseen. TLS: it is between us and the client. */
static const char *const never[] = {"h2", "h2c", "http", "tls"};

/* "SPDY" of "SPDY/3.1". */
static struct field_element name_of(const struct field_element *protocol)
{
    const char *slash = memchr(protocol->at, '/', protocol->bytes);
    return (struct field_element){protocol->at,
                                  slash ? (size_t)(slash - protocol->at) : protocol->bytes};
}

/* A setting with a version means that version, one without any. */
static bool is_named(const struct field_element *protocol, const char *setting)
{
    struct field_element name = name_of(protocol);
    return field_element_is(strchr(setting, '/') ? protocol : &name, setting, strlen(setting));
}

static bool is_permitted(const struct field_element *protocol, const struct route_settings *route)
{
    if (protocol->bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (is_named(protocol, never[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < route->upgrade_count; i++) {
        if (is_named(protocol, route->upgrades[i])) {
            return true;
        }
    }
    return route->upgrade_count == 0;
}

/* In place: what stays is never longer than what was there. */
static void narrow_field(struct http_head *head, struct http_field *field, char *bytes,
                         const struct route_settings *route)
{
    struct field_list list = field_list_of(head, field);
    struct field_element protocol;
    char *begin = bytes + field->value_at, *out = begin;
    while (field_list_next(&list, &protocol)) {
        if (is_permitted(&protocol, route)) {
            if (out > begin) {
                *out++ = ',';
            }
            memmove(out, protocol.at, protocol.bytes);
            out += protocol.bytes;
        }
    }
    field->value_bytes = (uint32_t)(out - begin);
}

void upgrade_narrow(struct exchange *exchange, const struct route_settings *route)
{
    struct http_head *head = &exchange->request;
    char *bytes = (char *)(uintptr_t)head->base; /* the exchange's own copy */
    bool any = false;
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->id == FIELD_UPGRADE) {
            narrow_field(head, field, bytes, route);
            any = any || field->value_bytes > 0;
        }
    }
    if (!any) {
        head->facts &= (uint16_t)~FACT_UPGRADE;
    }
}

static bool is_offered(const struct http_head *request, const struct field_element *protocol)
{
    for (size_t i = 0; i < request->field_count; i++) {
        struct field_list list = field_list_of(request, &request->fields[i]);
        struct field_element offered;
        while (request->fields[i].id == FIELD_UPGRADE && field_list_next(&list, &offered)) {
            if (field_element_is(&offered, protocol->at, protocol->bytes)) {
                return protocol->bytes > 0;
            }
        }
    }
    return false;
}

/* A client of HTTP/2 sees no handshake, so it is checked for it. */
static bool is_handshake(const struct http_head *request, const struct http_head *answer)
{
    const struct http_field *key = head_find_name(request, "Sec-WebSocket-Key", 17);
    const struct http_field *accept = head_find_name(answer, "Sec-WebSocket-Accept", 20);
    return key != NULL && accept != NULL &&
           websocket_accepts(request->base + key->value_at, key->value_bytes,
                             answer->base + accept->value_at, accept->value_bytes);
}

bool upgrade_agreed(const struct exchange *exchange, const struct http_head *answer)
{
    const struct http_head *request = &exchange->request;
    if (!(request->facts & FACT_UPGRADE) || !(answer->facts & FACT_UPGRADE) ||
        exchange->stage != EXCHANGE_AWAITING ||
        ((request->facts & FACT_EXTENDED_CONNECT) && !is_handshake(request, answer))) {
        return false;
    }
    for (size_t i = 0; i < answer->field_count; i++) {
        struct field_list list = field_list_of(answer, &answer->fields[i]);
        struct field_element protocol;
        while (answer->fields[i].id == FIELD_UPGRADE && field_list_next(&list, &protocol)) {
            if (!is_offered(request, &protocol)) {
                return false;
            }
        }
    }
    return true;
}
