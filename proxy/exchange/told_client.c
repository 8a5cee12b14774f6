/* From right to left: each hop vouches for what it has appended, and the first that is no trusted peer vouches for nothing. */
#include "proxy/exchange/told_client.h"

#include <strings.h>

#include "proxy/exchange/exchange.h"

/* More hops than any way has. */
#define HOPS_MAX 32

struct text {
    const char *at;
    size_t bytes;
};

/* What reads an element of the list; false: it tells no address. */
typedef bool read_element_fn(struct text element, struct address *ret_address);

/* Where a walk has come to. */
struct walk {
    const struct generation *generation;
    struct address client; /* the leftmost so far that a trusted peer tells of */
    unsigned hops_count;   /* told so far; 0: client is not set */
    bool over;
};

static struct text trimmed(struct text text)
{
    while (text.bytes > 0 && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.bytes--;
    }
    while (text.bytes > 0 && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t')) {
        text.bytes--;
    }
    return text;
}

/* What stands behind the last separator; *rest is what stands before it, without bytes when there is none. */
static struct text last_part(struct text *rest, char separator)
{
    const char *found = memrchr(rest->at, separator, rest->bytes);
    const char *begin = found != NULL ? found + 1 : rest->at;
    struct text part = {begin, (size_t)(rest->at + rest->bytes - begin)};
    rest->bytes = found != NULL ? (size_t)(found - rest->at) : 0;
    return trimmed(part);
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80" */
static bool read_address(struct text text, struct address *ret_address)
{
    const char *colon = memchr(text.at, ':', text.bytes);
    if (text.bytes > 0 && *text.at == '[') {
        const char *bracket = memchr(text.at, ']', text.bytes);
        if (bracket == NULL) {
            return false;
        }
        text.at++;
        text.bytes = (size_t)(bracket - text.at);
    } else if (colon != NULL &&
               memchr(colon + 1, ':', text.bytes - (size_t)(colon + 1 - text.at)) == NULL) {
        text.bytes = (size_t)(colon - text.at);
    }
    return address_from_host(text.at, text.bytes, 0, ret_address);
}

/* `for` of an element of Forwarded: a token or a quoted string, in which no address has anything escaped. */
static bool read_forwarded(struct text element, struct address *ret_address)
{
    static const char name[] = "for=";
    const size_t name_bytes = sizeof name - 1;
    while (element.bytes > 0) {
        struct text pair = last_part(&element, ';');
        if (pair.bytes < name_bytes || strncasecmp(pair.at, name, name_bytes) != 0) {
            continue;
        }
        struct text value = {pair.at + name_bytes, pair.bytes - name_bytes};
        if (value.bytes >= 2 && *value.at == '"' && value.at[value.bytes - 1] == '"') {
            value.at++;
            value.bytes -= 2;
        }
        return read_address(value, ret_address);
    }
    return false;
}

/* Split at every comma, quoted or not: what a client has written stands left of what the hops have, and must not reach there. */
static void walk_list(struct walk *walk, struct text list, read_element_fn *read_element)
{
    while (list.bytes > 0 && !walk->over) {
        struct text element = last_part(&list, ',');
        struct address address;
        if (element.bytes == 0) {
            continue;
        }
        if (walk->hops_count == HOPS_MAX || !read_element(element, &address)) {
            walk->over = true;
            return;
        }
        walk->client = address;
        walk->hops_count++;
        walk->over = !generation_trusts(walk->generation, &address.any);
    }
}

static void walk_fields(struct walk *walk, const struct http_head *head, enum field_id id,
                        read_element_fn *read_element)
{
    for (size_t i = head->field_count; i > 0 && !walk->over; i--) {
        const struct http_field *field = &head->fields[i - 1];
        if (field->id == id) {
            walk_list(walk, (struct text){head->base + field->value_at, field->value_bytes},
                      read_element);
        }
    }
}

/* The field that we write ourselves is the one that the peers are taken to write; the other one where they do not. */
void told_client_find(struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    struct walk walk = {.generation = exchange->worker->generation};
    bool forwarded = exchange->forward.style == FORWARDED_RFC7239
                         ? head_has(head, FIELD_FORWARDED)
                         : !head_has(head, FIELD_X_FORWARDED_FOR);
    if (forwarded) {
        walk_fields(&walk, head, FIELD_FORWARDED, read_forwarded);
    } else {
        walk_fields(&walk, head, FIELD_X_FORWARDED_FOR, read_address);
    }
    if (walk.hops_count == 0) {
        return;
    }
    exchange->forward.client_told = true;
    if (walk.client.any.sa_family == AF_INET) {
        exchange->told_client.v4 = walk.client.v4;
    } else {
        exchange->told_client.v6 = walk.client.v6;
    }
}
