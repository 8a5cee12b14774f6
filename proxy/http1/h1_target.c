/* Target forms by first byte and method; reg-names by character, IPv6 literals by the C library. */

#include "proxy/http1/h1_target.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "proxy/http1/h1_scan.h"

#define PORT_MAX 65535
#define PORT_MAX_DIGITS 5

/* Where the host at `at` ends, or NULL. */
static const char *ip_literal_end(const char *at, const char *end);
static const char *reg_name_end(const char *at, const char *end);
/* Whether [at, end) is ":" and a port; the port may be empty (RFC 3986 3.2.3) if may_be_empty. */
static bool port_valid(const char *at, const char *end, bool may_be_empty);
static enum h1_result absolute_form(const char *at, const char *end, struct http_head *head);

static struct span span_of(const struct http_head *head, const char *at, const char *end)
{
    return (struct span){.at = (uint32_t)(at - head->base), .bytes = (uint32_t)(end - at)};
}

enum h1_result h1_parse_target(struct span target, struct http_head *head)
{
    const char *at = head_text(head, target);
    const char *end = at + target.bytes;
    head->target = target;
    if (*at == '/' && head->method != METHOD_CONNECT) { /* RFC 9112 3.2.1: origin-form */
        return H1_OK;
    }
    if (head->method ==
        METHOD_CONNECT) { /* RFC 9112 3.2.3: authority-form, with a port (RFC 9110 9.3.6) */
        const char *host_end = *at == '[' ? ip_literal_end(at, end) : reg_name_end(at, end);
        return host_end && host_end > at && port_valid(host_end, end, false) ? H1_OK
                                                                             : H1_BAD_TARGET;
    }
    if (*at == '*' && target.bytes == 1) { /* RFC 9112 3.2.4: asterisk-form */
        head->facts |= FACT_ASTERISK;
        return head->method == METHOD_OPTIONS ? H1_OK : H1_BAD_TARGET;
    }
    return absolute_form(at, end, head);
}

bool h1_authority_valid(const char *at, const char *end, size_t plain_bytes)
{
    size_t bytes = (size_t)(end - at);
    if (bytes == 0) {
        return false;
    }
    if (plain_bytes >= bytes) {
        return true;
    }
    if (plain_bytes && at[plain_bytes] == ':') {
        return port_valid(at + plain_bytes, end, true);
    }
    const char *host_end = *at == '[' ? ip_literal_end(at, end) : reg_name_end(at, end);
    return host_end && host_end > at && port_valid(host_end, end, true);
}

/* RFC 9112 3.2.2: http and https only; userinfo is refused (RFC 9110 4.2.4), as is an empty host (RFC 9110 4.2.1). An
   empty path becomes "/", for OPTIONS "*" (RFC 9112 3.2.4); with a query behind it there is no "/" in the bytes that the
   span could show: head_copy() makes one. */
static enum h1_result absolute_form(const char *at, const char *end, struct http_head *head)
{
    size_t scheme_bytes;
    if (end - at > 7 && strncasecmp(at, "http://", 7) == 0) {
        scheme_bytes = 7;
    } else if (end - at > 8 && strncasecmp(at, "https://", 8) == 0) {
        scheme_bytes = 8;
    } else {
        return H1_BAD_TARGET;
    }
    const char *authority = at + scheme_bytes;
    const char *path = authority;
    while (path < end && *path != '/' && *path != '?') {
        path++;
    }
    if (!h1_authority_valid(authority, path, 0)) {
        return H1_BAD_TARGET;
    }
    head->facts |= FACT_ABSOLUTE_FORM;
    head->host = span_of(head, authority, path);
    head->target = span_of(head, path, end);
    if (path == end) {
        head->target = span_of(head, authority - 1, authority);
        if (head->method == METHOD_OPTIONS) {
            head->facts |= FACT_ASTERISK;
        }
    } else if (*path == '?') {
        head->facts |= FACT_EMPTY_PATH;
    }
    return H1_OK;
}

/* "[" IPv6address "]" (RFC 3986 3.2.2). IPvFuture and zones address nothing we could name: refused. */
static const char *ip_literal_end(const char *at, const char *end)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *bracket = memchr(at, ']', (size_t)(end - at));
    if (!bracket || (size_t)(bracket - at) > sizeof text) {
        return NULL;
    }
    size_t text_bytes = (size_t)(bracket - at) - 1;
    memcpy(text, at + 1, text_bytes);
    text[text_bytes] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1 ? bracket + 1 : NULL;
}

/* RFC 3986 3.2.2, without "%": names beyond ASCII travel as IDNA, so it could only disguise a character; and without
   ",": it is what two Host fields look like once joined (RFC 9110 5.3). */
static const char *reg_name_end(const char *at, const char *end)
{
    return h1_scan(at, end, H1_CHAR_HOST);
}

static bool port_valid(const char *at, const char *end, bool may_be_empty)
{
    if (at == end) {
        return may_be_empty;
    }
    if (*at++ != ':') {
        return false;
    }
    if (at == end) {
        return may_be_empty;
    }
    if (end - at > PORT_MAX_DIGITS) {
        return false;
    }
    unsigned port = 0;
    do {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9) {
            return false;
        }
        port = port * 10 + digit;
    } while (++at < end);
    return port <= PORT_MAX;
}
