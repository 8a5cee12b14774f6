/* One value for each placeholder, and one way of writing for each use. */
#include "proxy/edge/edge_render.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/cookie.h"
#include "proxy/http/target_path.h"
#include "proxy/worker/route.h"
#include "steady/address.h"

struct value {
    const char *at;
    size_t bytes;
};

struct writer {
    char *at;
    char *end;
    enum edge_use use;
    bool decoded; /* the value is: "%" and "?" in it are bytes of a path */
    bool overflow;
};

/* ---- writing ---- */

static void put(struct writer *writer, const char *bytes, size_t count)
{
    if ((size_t)(writer->end - writer->at) < count) {
        writer->overflow = true;
        return;
    }
    memcpy(writer->at, bytes, count);
    writer->at += count;
}

static void put_in_url(struct writer *writer, unsigned char byte)
{
    static const char hex[] = "0123456789ABCDEF";
    bool fits = byte > ' ' && byte < 0x7f && strchr("\"#<>\\^`{|}", byte) == NULL;
    if (fits && !(writer->decoded && (byte == '%' || byte == '?'))) {
        put(writer, (const char *)&byte, 1);
    } else {
        const char encoded[] = {'%', hex[byte >> 4], hex[byte & 15]};
        put(writer, encoded, sizeof encoded);
    }
}

static void put_in_html(struct writer *writer, char byte)
{
    switch (byte) {
    case '<': put(writer, "&lt;", 4); break;
    case '>': put(writer, "&gt;", 4); break;
    case '&': put(writer, "&amp;", 5); break;
    case '"': put(writer, "&quot;", 6); break;
    case '\'': put(writer, "&#39;", 5); break;
    default: put(writer, &byte, 1);
    }
}

static void put_in_json(struct writer *writer, char byte)
{
    if (byte == '"' || byte == '\\') {
        put(writer, "\\", 1);
    }
    put(writer, &byte, 1);
}

/* A byte that comes from the request. */
static void put_value_byte(struct writer *writer, char byte)
{
    bool control = (unsigned char)byte < ' ' || byte == 0x7f;
    if (writer->use == EDGE_IN_URL) {
        put_in_url(writer, (unsigned char)byte);
    } else if (control && byte != '\t') {
        return;
    } else if (writer->use == EDGE_IN_HTML) {
        put_in_html(writer, byte);
    } else if (writer->use == EDGE_IN_JSON) {
        put_in_json(writer, byte == '\t' ? ' ' : byte);
    } else {
        put(writer, &byte, 1);
    }
}

/* What the configuration says, which knows what it means, but for bytes that would end a line of a request. */
static void put_literal(struct writer *writer, const struct edge_part *part)
{
    if (writer->use != EDGE_IN_URL) {
        put(writer, part->text, part->bytes);
        return;
    }
    for (size_t i = 0; i < part->bytes; i++) {
        unsigned char byte = (unsigned char)part->text[i];
        if (byte > ' ' && byte < 0x7f) {
            put(writer, &part->text[i], 1);
        } else {
            put_in_url(writer, byte);
        }
    }
}

/* ---- values ---- */

static struct value value_of_text(const char *text)
{
    return (struct value){text, strlen(text)};
}

static struct value value_of_field(const struct edge_facts *facts, const struct edge_part *part)
{
    const struct http_head *head = facts->head;
    enum field_id id = field_id_of(part->text, part->bytes);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        bool same = id != FIELD_OTHER ? field->id == id
                                      : field->name_bytes == part->bytes &&
                                            strncasecmp(head->base + field->name_at, part->text,
                                                        part->bytes) == 0;
        /* what is dropped of an untrusted client may be forged; Cookie, Accept and the like are not */
        if (same && (facts->trusted || !field->drop)) {
            return (struct value){head->base + field->value_at, field->value_bytes};
        }
    }
    return (struct value){"", 0};
}

static struct value value_of_cookie(const struct edge_facts *facts, const struct edge_part *part)
{
    struct value value = {"", 0};
    return cookie_find(facts->head, part->text, part->bytes, &value.at, &value.bytes)
               ? value
               : (struct value){"", 0};
}

bool edge_is_secure(const struct edge_facts *facts)
{
    const struct http_field *told =
        facts->trusted ? head_find(facts->head, FIELD_X_FORWARDED_PROTO) : NULL;
    return told == NULL ? facts->secure
                        : told->value_bytes == 5 &&
                              strncasecmp(facts->head->base + told->value_at, "https", 5) == 0;
}

static struct value value_of_scheme(const struct edge_facts *facts)
{
    return value_of_text(edge_is_secure(facts) ? "https" : "http");
}

/* Between the quotes of Subject="...", which stands last: quotes in it have a backslash before them. */
static struct value value_of_subject(const struct edge_facts *facts)
{
    static const char before[] = "Subject=\"";
    const char *at = facts->certificate != NULL ? strstr(facts->certificate, before) : NULL;
    if (at == NULL) {
        return (struct value){"", 0};
    }
    at += sizeof before - 1;
    const char *end = strrchr(at, '"');
    return (struct value){at, end != NULL ? (size_t)(end - at) : 0};
}

static struct value value_of_query(struct value target)
{
    size_t path_bytes = target_path_bytes(target.at, target.bytes);
    if (path_bytes == target.bytes) {
        return (struct value){"", 0};
    }
    return (struct value){target.at + path_bytes + 1, target.bytes - path_bytes - 1};
}

static struct value value_of_capture(const struct edge_facts *facts, unsigned number)
{
    const struct path_captures *captures = facts->captures;
    if (captures == NULL || captures->of[number].at == NULL) {
        return (struct value){"", 0};
    }
    return (struct value){captures->of[number].at, captures->of[number].bytes};
}

/* client_text: space for an address. */
static struct value value_of(const struct edge_facts *facts, const struct edge_part *part,
                             char client_text[ADDRESS_TEXT_BYTES])
{
    const struct http_head *head = facts->head;
    /* "*" is no path */
    const struct value target = {head_text(head, facts->target),
                                 (head->facts & FACT_ASTERISK) != 0 ? 0 : facts->target.bytes};
    const char *host = head_text(head, facts->host);
    switch (part->place) {
    case EDGE_LITERAL: break;
    case EDGE_CLIENT:
        return (struct value){client_text, address_format_ip(facts->client, client_text)};
    case EDGE_HOST: return (struct value){host, host_name_bytes(host, facts->host.bytes)};
    case EDGE_SCHEME: return value_of_scheme(facts);
    case EDGE_TARGET: return target;
    case EDGE_PATH: return (struct value){target.at, target_path_bytes(target.at, target.bytes)};
    case EDGE_QUERY: return value_of_query(target);
    case EDGE_METHOD:
        return (struct value){head_text(head, head->method_text), head->method_text.bytes};
    case EDGE_REQUEST_ID: return (struct value){facts->request_id, facts->request_id_bytes};
    case EDGE_LISTENER: return value_of_text(facts->listener);
    case EDGE_ROUTE: return value_of_text(facts->route);
    case EDGE_UPSTREAM: return value_of_text(facts->upstream);
    case EDGE_HEADER: return value_of_field(facts, part);
    case EDGE_COOKIE: return value_of_cookie(facts, part);
    case EDGE_USER: return value_of_text(facts->user);
    case EDGE_CLIENT_SUBJECT: return value_of_subject(facts);
    case EDGE_CAPTURE: return value_of_capture(facts, part->capture);
    }
    return (struct value){"", 0};
}

/* ---- the whole ---- */

bool edge_render(const struct edge_text *text, const struct edge_facts *facts, enum edge_use use,
                 char *space, size_t space_bytes, size_t *ret_bytes)
{
    struct writer writer = {.at = space, .end = space + space_bytes, .use = use};
    for (size_t i = 0; i < text->part_count; i++) {
        const struct edge_part *part = &text->parts[i];
        char client_text[ADDRESS_TEXT_BYTES];
        if (part->place == EDGE_LITERAL) {
            put_literal(&writer, part);
            continue;
        }
        struct value value = value_of(facts, part, client_text);
        writer.decoded = part->place == EDGE_CAPTURE && facts->captures_decoded;
        for (size_t j = 0; j < value.bytes; j++) {
            put_value_byte(&writer, value.at[j]);
        }
    }
    *ret_bytes = (size_t)(writer.at - space);
    return !writer.overflow;
}

enum edge_use edge_use_of(const char *content_type)
{
    static const struct {
        const char *part;
        enum edge_use use;
    } rows[] = {{"html", EDGE_IN_HTML}, {"xml", EDGE_IN_HTML}, {"json", EDGE_IN_JSON}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcasestr(content_type, rows[i].part) != NULL) {
            return rows[i].use;
        }
    }
    return EDGE_IN_TEXT;
}

bool edge_is_host(const char *host, size_t bytes)
{
    static const char name_bytes[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char text[EDGE_HOST_MAX_BYTES + 1];
    if (bytes > EDGE_HOST_MAX_BYTES) {
        return false;
    }
    memcpy(text, host, bytes);
    text[bytes] = '\0';
    bool v6 = text[0] == '[';
    size_t name = v6 ? 1 + strspn(text + 1, "0123456789abcdefABCDEF:.") : strspn(text, name_bytes);
    name += v6 && text[name] == ']';
    size_t port = text[name] == ':' ? 1 + strspn(text + name + 1, "0123456789") : 0;
    return name > 0 && (!v6 || text[name - 1] == ']') && name + port == bytes;
}

size_t edge_one_slash(char *target, size_t bytes)
{
    size_t slashes = 0;
    while (slashes < bytes && (target[slashes] == '/' || target[slashes] == '\\')) {
        slashes++;
    }
    size_t more = slashes > 1 ? slashes - 1 : 0;
    memmove(target, target + more, bytes - more);
    if (more > 0) {
        target[0] = '/';
    }
    return bytes - more;
}

bool edge_encode(const char *bytes, size_t count, char *space, size_t space_bytes,
                 size_t *ret_bytes)
{
    struct writer writer = {space, space + space_bytes, EDGE_IN_URL, true, false};
    for (size_t i = 0; i < count; i++) {
        put_in_url(&writer, (unsigned char)bytes[i]);
    }
    *ret_bytes = (size_t)(writer.at - space);
    return !writer.overflow;
}
