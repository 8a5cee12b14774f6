/* HTTP/2 field blocks: what becomes a head, and what is malformed, by Evenkeel's own rules, without nghttp2's. */
#include "tests/unit/unit.h"

#include "proxy/http1/h1_write.h"
#include "proxy/http2/h2_head.h"
#include "proxy/http2/h2_session.h"

/* Fields are "name=value", a line each. What is wanted: "malformed", a fault, or the head as HTTP/1 would send it. */
struct row {
    const char *clause;
    const char *fields;
    size_t fields_bytes;
    const char *wanted;
};
#define ROW(clause, fields, wanted)               \
    {                                             \
        clause, fields, sizeof fields - 1, wanted \
    }

#define GET_ ":method=GET\n:scheme=https\n:authority=a.example\n:path=/x\n"
#define POST_ ":method=POST\n:scheme=https\n:authority=a.example\n:path=/x\n"
#define GET_LINES "GET /x HTTP/1.1\r\nHost: a.example\r\n"
#define POST_LINES "POST /x HTTP/1.1\r\nHost: a.example\r\n"

/* Requests that end with their head. */
static const struct row requests[] = {
    ROW("8.3.1 all four", GET_, GET_LINES "\r\n"),
    ROW("8.3.1 in any order", ":path=/x\n:authority=a.example\n:method=GET\n:scheme=http\n",
        GET_LINES "\r\n"),
    ROW("8.3.1 no :method", ":scheme=http\n:authority=a\n:path=/\n", "malformed"),
    ROW("8.3.1 no :scheme", ":method=GET\n:authority=a\n:path=/\n", "malformed"),
    ROW("8.3.1 no :path", ":method=GET\n:scheme=http\n:authority=a\n", "malformed"),
    ROW("8.3.1 empty :path", ":method=GET\n:scheme=http\n:authority=a\n:path=\n", "malformed"),
    ROW("8.3.1 :path without slash", ":method=GET\n:scheme=http\n:authority=a\n:path=x\n",
        "malformed"),
    ROW("8.3.1 :path is absolute", ":method=GET\n:scheme=http\n:authority=a\n:path=http://b/\n",
        "malformed"),
    ROW("8.3.1 :path with a space", ":method=GET\n:scheme=http\n:authority=a\n:path=/ HTTP/1.1\n",
        "malformed"),
    ROW("8.3.1 :path with CR", ":method=GET\n:scheme=http\n:authority=a\n:path=/\r\n", "malformed"),
    ROW("8.3.1 :path with NUL", ":method=GET\n:scheme=http\n:authority=a\n:path=/\0\n",
        "malformed"),
    ROW("RFC 9110 4.1 :path with a fragment",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/#b\n", "malformed"),
    ROW("8.3.1 :path beyond ASCII", ":method=GET\n:scheme=http\n:authority=a\n:path=/\xc3\xa4\n",
        "malformed"),
    ROW("8.3.1 * of OPTIONS", ":method=OPTIONS\n:scheme=http\n:authority=a\n:path=*\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("8.3.1 * of GET", ":method=GET\n:scheme=http\n:authority=a\n:path=*\n", "malformed"),
    ROW("8.3 twice :method", ":method=GET\n" GET_, "malformed"),
    ROW("8.3 twice :path", GET_ ":path=/y\n", "malformed"),
    ROW("8.3 twice :authority", GET_ ":authority=a.example\n", "malformed"),
    ROW("8.3 twice :scheme", GET_ ":scheme=https\n", "malformed"),
    ROW("8.3 behind a field", ":method=GET\n:scheme=http\n:authority=a\nx=1\n:path=/\n",
        "malformed"),
    ROW("8.3 undefined", GET_ ":other=1\n", "malformed"),
    ROW("8.3 of responses", GET_ ":status=200\n", "malformed"),
    ROW("8.3 in upper case", ":Method=GET\n:scheme=http\n:authority=a\n:path=/\n", "malformed"),
    ROW("RFC 9110 9.1 a method that is unknown",
        ":method=BREW\n:scheme=http\n:authority=a\n:path=/\n",
        "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("RFC 9110 9.1 a method that is no token",
        ":method=GE T\n:scheme=http\n:authority=a\n:path=/\n", "malformed"),
    ROW("RFC 9110 9.1 an empty method", ":method=\n:scheme=http\n:authority=a\n:path=/\n",
        "malformed"),
    ROW("8.3.1 a method with a line in it",
        ":method=GET / HTTP/1.1\r\n:scheme=http\n:authority=a\n:path=/\n", "malformed"),
    ROW("8.3.1 a scheme that is not served", ":method=GET\n:scheme=ftp\n:authority=a\n:path=/\n",
        "invalid"),

    /* ---- authority and Host ---- */
    ROW("8.3.1 Host alone", ":method=GET\n:scheme=http\n:path=/\nhost=b\n",
        "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
    ROW("8.3.1 Host that agrees", GET_ "host=A.example\n", GET_LINES "\r\n"),
    ROW("8.3.1 Host that differs", GET_ "host=b.example\n", "malformed"),
    ROW("8.3.1 Host with another port", GET_ "host=a.example:8443\n", "malformed"),
    ROW("8.3.1 two Hosts that agree", GET_ "host=a.example\nhost=a.example\n", "malformed"),
    ROW("8.3.1 two Hosts", ":method=GET\n:scheme=http\n:path=/\nhost=b\nhost=b\n", "malformed"),
    ROW("8.3.1 neither", ":method=GET\n:scheme=http\n:path=/\n", "malformed"),
    ROW("8.3.1 an empty authority", ":method=GET\n:scheme=http\n:authority=\n:path=/\n",
        "malformed"),
    ROW("8.3.1 userinfo", ":method=GET\n:scheme=http\n:authority=u@a\n:path=/\n", "invalid"),
    ROW("RFC 3986 3.2.2 a port", ":method=GET\n:scheme=http\n:authority=a:80\n:path=/\n",
        "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ROW("RFC 3986 3.2.3 a port that is none",
        ":method=GET\n:scheme=http\n:authority=a:8x\n:path=/\n", "invalid"),
    ROW("RFC 3986 3.2.2 IPv6", ":method=GET\n:scheme=http\n:authority=[::1]:80\n:path=/\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
    ROW("RFC 3986 3.2.2 a broken literal", ":method=GET\n:scheme=http\n:authority=[::1\n:path=/\n",
        "invalid"),
    ROW("8.3.1 a path in the authority", ":method=GET\n:scheme=http\n:authority=a/b\n:path=/\n",
        "invalid"),
    ROW("8.3.1 a line in the authority", ":method=GET\n:scheme=http\n:authority=a\r\n:path=/\n",
        "malformed"),
    ROW("RFC 9110 5.3 a list of hosts", ":method=GET\n:scheme=http\n:authority=a,b\n:path=/\n",
        "invalid"),

    /* ---- names and values ---- */
    ROW("8.2.1 upper case", GET_ "X-A=1\n", "malformed"),
    ROW("8.2.1 upper case of a known name", GET_ "User-Agent=1\n", "malformed"),
    ROW("8.2.1 an empty name", GET_ "=1\n", "malformed"),
    ROW("8.2.1 a colon in a name", GET_ "x:y=1\n", "malformed"),
    ROW("8.2.1 a space in a name", GET_ "x y=1\n", "malformed"),
    ROW("8.2.1 a control in a name", GET_ "x\x7f=1\n", "malformed"),
    ROW("8.2.1 a name beyond ASCII", GET_ "x\xe4=1\n", "malformed"),
    ROW("8.2.1 CR in a name", GET_ "x\r=1\n", "malformed"),
    ROW("8.2.1 CR in a value", GET_ "x=a\rb\n", "malformed"),
    ROW("8.2.1 NUL in a value", GET_ "x=a\0b\n", "malformed"),
    ROW("8.2.1 a space before a value", GET_ "x= a\n", "malformed"),
    ROW("8.2.1 a space behind a value", GET_ "x=a \n", "malformed"),
    ROW("8.2.1 a tab behind a value", GET_ "x=a\t\n", "malformed"),
    ROW("RFC 9110 5.5 a control in a value", GET_ "x=a\x01\n", "malformed"),
    ROW("RFC 9110 5.5 a tab in a value", GET_ "x=a\tb\n", GET_LINES "x: a\tb\r\n\r\n"),
    ROW("RFC 9110 5.5 a long value",
        GET_ "x=0123456789012345678901\t34567890\t\t234567890123456\xff!\n",
        GET_LINES "x: 0123456789012345678901\t34567890\t\t234567890123456\xff!\r\n\r\n"),
    ROW("8.2.1 CR in the middle of a long value", GET_ "x=01234567890123456789\r012345678901234\n",
        "malformed"),
    ROW("8.2.1 a control at the end of a long value", GET_ "x=012345678901234567890123456789\x7f\n",
        "malformed"),
    ROW("8.2.1 NUL at a step's end",
        GET_ "x=012345678901234\0"
             "0123456789012345\n",
        "malformed"),
    ROW("RFC 9110 5.5 obs-text", GET_ "x=\xff\n", GET_LINES "x: \xff\r\n\r\n"),
    ROW("RFC 9110 5.5 an empty value", GET_ "x=\n", GET_LINES "x: \r\n\r\n"),
    ROW("RFC 9110 5.6.2 every mark of a token", GET_ "!#$%&'*+-.^_`|~=1\n",
        GET_LINES "!#$%&'*+-.^_`|~: 1\r\n\r\n"),

    /* ---- connection-specific fields ---- */
    ROW("8.2.2 Connection", GET_ "connection=close\n", "malformed"),
    ROW("8.2.2 Keep-Alive", GET_ "keep-alive=1\n", "malformed"),
    ROW("8.2.2 Proxy-Connection", GET_ "proxy-connection=close\n", "malformed"),
    ROW("8.2.2 Transfer-Encoding", GET_ "transfer-encoding=chunked\n", "malformed"),
    ROW("8.2.2 Upgrade", GET_ "upgrade=h2c\n", "malformed"),
    ROW("8.2.2 TE: trailers", GET_ "te=trailers\n", GET_LINES "\r\n"),
    ROW("8.2.2 TE: gzip", GET_ "te=gzip\n", "malformed"),
    ROW("8.2.2 TE: trailers, gzip", GET_ "te=trailers, gzip\n", "malformed"),

    /* ---- Cookie ---- */
    ROW("8.2.3 one crumb", GET_ "cookie=a=1\n", GET_LINES "cookie: a=1\r\n\r\n"),
    ROW("8.2.3 crumbs in a row", GET_ "cookie=a=1\ncookie=b=2\ncookie=c=3\nx=1\n",
        GET_LINES "cookie: a=1; b=2; c=3\r\nx: 1\r\n\r\n"),
    ROW("8.2.3 crumbs apart", GET_ "cookie=a=1\nx=1\ncookie=b=2\ny=1\ncookie=c=3\n",
        GET_LINES "x: 1\r\ny: 1\r\ncookie: a=1; b=2; c=3\r\n\r\n"),

    /* ---- Content-Length, Expect ---- */
    ROW("8.1.1 a length without payload", POST_ "content-length=1\n", "malformed"),
    ROW("8.1.1 a length of nothing", POST_ "content-length=0\n",
        POST_LINES "Content-Length: 0\r\n\r\n"),
    ROW("RFC 9110 8.6 no number", POST_ "content-length=x\n", "malformed"),
    ROW("RFC 9110 8.6 a sign", POST_ "content-length=+0\n", "malformed"),
    ROW("RFC 9110 8.6 two lengths", POST_ "content-length=0\ncontent-length=0\n", "malformed"),
    ROW("RFC 9110 8.6 a list", POST_ "content-length=0, 0\n", "malformed"),
    ROW("RFC 9110 8.6 too large", POST_ "content-length=9223372036854775808\n", "malformed"),
    ROW("RFC 9110 10.1.1 another expectation", POST_ "expect=x\n", "unknown_expectation"),

    /* ---- CONNECT ---- */
    ROW("8.5", ":method=CONNECT\n:authority=a:443\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ROW("8.5 with :scheme", ":method=CONNECT\n:scheme=https\n:authority=a:443\n", "malformed"),
    ROW("8.5 with :path", ":method=CONNECT\n:authority=a:443\n:path=/\n", "malformed"),
    ROW("8.5 without :authority", ":method=CONNECT\n", "malformed"),
    ROW("RFC 9110 9.3.6 without a port", ":method=CONNECT\n:authority=a\n", "invalid"),
    ROW("RFC 8441 4",
        ":method=CONNECT\n:protocol=websocket\n:scheme=https\n:authority=a\n:path=/w\n"
        "sec-websocket-version=13\n",
        "GET /w HTTP/1.1\r\nHost: a\r\nsec-websocket-version: 13\r\n[upgrade: websocket]\r\n\r\n"),
    ROW("RFC 8441 4 :protocol of GET", GET_ ":protocol=websocket\n", "malformed"),
    ROW("RFC 8441 4 without :path",
        ":method=CONNECT\n:protocol=websocket\n:scheme=https\n:authority=a\n", "malformed"),
    ROW("RFC 8441 4 a protocol that is no token",
        ":method=CONNECT\n:protocol=a b\n:scheme=https\n:authority=a\n:path=/w\n", "malformed"),
};

/* Requests with payload behind the head. */
static const struct row open_requests[] = {
    ROW("8.1 of unknown length", POST_, POST_LINES "Transfer-Encoding: chunked\r\n\r\n"),
    ROW("8.1.1 of a length", POST_ "content-length=7\n", POST_LINES "Content-Length: 7\r\n\r\n"),
    ROW("RFC 9110 10.1.1", POST_ "expect=100-continue\n",
        POST_LINES "expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
};

/* To GET, with payload behind the head. */
static const struct row responses[] = {
    ROW("8.3.2", ":status=200\nx=1\n",
        "HTTP/1.1 200 OK\r\nx: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("8.3.2 no :status", "x=1\n", "malformed"),
    ROW("8.3.2 twice", ":status=200\n:status=200\n", "malformed"),
    ROW("8.3 of requests", ":status=200\n:path=/\n", "malformed"),
    ROW("8.3 behind a field", "x=1\n:status=200\n", "malformed"),
    ROW("RFC 9110 15 no number", ":status=2x0\n", "malformed"),
    ROW("RFC 9110 15 too small", ":status=099\n", "malformed"),
    ROW("RFC 9110 15 too large", ":status=600\n", "malformed"),
    ROW("RFC 9110 15 four digits", ":status=2000\n", "malformed"),
    ROW("8.6", ":status=101\n", "malformed"),
    ROW("8.2.2 Connection", ":status=200\nconnection=close\n", "malformed"),
    ROW("8.2.2 Transfer-Encoding", ":status=200\ntransfer-encoding=chunked\n", "malformed"),
    ROW("RFC 9110 8.6 lengths that differ", ":status=200\ncontent-length=1\ncontent-length=2\n",
        "malformed"),
    ROW("RFC 9110 8.6 a length twice", ":status=200\ncontent-length=1\ncontent-length=1\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"),
    ROW("RFC 9110 5.3 fields that are no list", ":status=200\nset-cookie=a\nset-cookie=b\n",
        "HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("RFC 9110 15.2", ":status=103\nlink=a\n", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"),
    ROW("RFC 9110 15.3.5", ":status=204\n", "HTTP/1.1 204 No Content\r\n\r\n"),
};

static const struct row trailers[] = {
    ROW("8.1", "grpc-status=0\n", "grpc-status: 0\r\n\r\n"),
    ROW("8.1 pseudo-header fields", ":status=200\n", "malformed"),
    ROW("8.2.2", "connection=close\n", "malformed"),
    ROW("8.2.1", "X=1\n", "malformed"),
    ROW("RFC 9110 6.5.1 fields that may not be there", "x=1\ncontent-length=4\nhost=a\ny=1\n",
        "x: 1\r\ny: 1\r\n\r\n"),
};

static const struct h2_limits limits = {.head_bytes = 4096, .fields_count = 32};
static struct bound bytes;
static struct buf_pool *pool;

/* ---- blocks ---- */

static enum h2_block_result add_line(struct h2_block *block, const char *line, const char *end)
{
    /* the first sign that is not that of an empty name */
    const char *sign = memchr(line, '=', (size_t)(end - line));
    assert_non_null(sign);
    return h2_block_add(block, pool, &limits, line, (size_t)(sign - line), sign + 1,
                        (size_t)(end - sign - 1));
}

static enum h2_block_result add_fields(struct h2_block *block, const struct row *row)
{
    const char *at = row->fields, *end = at + row->fields_bytes;
    enum h2_block_result result = H2_BLOCK_OK;
    while (at < end && result == H2_BLOCK_OK) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(line_end);
        result = add_line(block, at, line_end);
        at = line_end + 1;
    }
    return result;
}

struct text {
    char bytes[8192];
    size_t length;
};

static void write_head(struct text *text, const struct http_head *head, enum h2_block_kind kind)
{
    struct h1_writer writer;
    h1_writer_init(&writer, text->bytes, sizeof text->bytes - 1);
    if (kind == H2_BLOCK_REQUEST) {
        h1_write_request_line(&writer, head);
    } else if (kind == H2_BLOCK_RESPONSE) {
        h1_write_status_line(&writer, head);
    }
    h1_write_fields(&writer, head);
    if (head->facts & FACT_UPGRADE) {
        const struct http_field *upgrade = head_find(head, FIELD_UPGRADE);
        h1_write_literal(&writer, "[upgrade: ");
        h1_write_bytes(&writer, head->base + upgrade->value_at, upgrade->value_bytes);
        h1_write_literal(&writer, "]\r\n");
    }
    h1_write_framing(&writer, head->framing, head->content_length);
    h1_write_end(&writer);
    assert_true(h1_writer_ok(&writer));
    text->length = h1_writer_length(&writer);
    text->bytes[text->length] = '\0';
}

static enum h2_block_result conclude(struct h2_block *block, bool last, struct http_head *head,
                                     enum h2_fault *fault)
{
    switch ((enum h2_block_kind)block->kind) {
    case H2_BLOCK_REQUEST: return h2_head_request(block, pool, last, head, fault);
    case H2_BLOCK_RESPONSE: return h2_head_response(block, pool, METHOD_GET, last, head);
    case H2_BLOCK_TRAILERS: return h2_head_trailers(block, pool, head);
    case H2_BLOCK_NONE: break;
    }
    return H2_BLOCK_MALFORMED;
}

static void judge(struct text *text, const struct row *row, enum h2_block_kind kind, bool last)
{
    struct h2_block block = {0};
    struct http_head head;
    enum h2_fault fault = H2_FAULT_NONE;
    h2_block_begin(&block, kind);
    enum h2_block_result result = add_fields(&block, row);
    if (result == H2_BLOCK_OK) {
        result = conclude(&block, last, &head, &fault);
    }
    if (result != H2_BLOCK_OK) {
        assert_int_equal(result, H2_BLOCK_MALFORMED);
        snprintf(text->bytes, sizeof text->bytes, "malformed");
    } else if (fault != H2_FAULT_NONE) {
        snprintf(text->bytes, sizeof text->bytes, "%s", h2_fault_name(fault));
    } else {
        write_head(text, &head, kind);
    }
    h2_block_release(&block, pool);
    assert_int_equal(bound_used(&bytes), 0);
}

static void judge_all(const struct row *rows, size_t count, enum h2_block_kind kind, bool last)
{
    static struct text text;
    for (size_t i = 0; i < count; i++) {
        judge(&text, &rows[i], kind, last);
        if (strcmp(text.bytes, rows[i].wanted) != 0) {
            fail_msg("%s: %s\nwanted: %s", rows[i].clause, text.bytes, rows[i].wanted);
        }
    }
}
#define JUDGE_ALL(rows, kind, last) judge_all((rows), sizeof(rows) / sizeof *(rows), (kind), (last))

static void requests_by_rfc_9113(void **state)
{
    (void)state;
    JUDGE_ALL(requests, H2_BLOCK_REQUEST, true);
    JUDGE_ALL(open_requests, H2_BLOCK_REQUEST, false);
}

static void responses_by_rfc_9113(void **state)
{
    (void)state;
    JUDGE_ALL(responses, H2_BLOCK_RESPONSE, false);
}

static void trailers_by_rfc_9113(void **state)
{
    (void)state;
    JUDGE_ALL(trailers, H2_BLOCK_TRAILERS, true);
}

/* ---- facts and limits ---- */

static void most_heads_are_canonical(void **state)
{
    static const struct row rows[] = {
        ROW("", GET_ "cookie=a\ncookie=b\nx=1\n", "yes"),
        ROW("", GET_ "host=a.example\nte=trailers\nx=\n", "yes"),
        ROW("", GET_ "cookie=a\nx=1\ncookie=b\n", "no"),
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct h2_block block = {0};
        struct http_head head;
        enum h2_fault fault;
        h2_block_begin(&block, H2_BLOCK_REQUEST);
        assert_int_equal(add_fields(&block, &rows[i]), H2_BLOCK_OK);
        assert_int_equal(h2_head_request(&block, pool, true, &head, &fault), H2_BLOCK_OK);
        assert_string_equal(head.facts & FACT_CANONICAL ? "yes" : "no", rows[i].wanted);
        assert_int_equal((head.facts & FACT_TE_TRAILERS) != 0, i == 1);
        h2_block_release(&block, pool);
    }
}

static enum h2_fault fault_of(struct h2_block *block, const char *path, unsigned fields_count,
                              size_t value_bytes)
{
    static char value[8192];
    struct http_head head;
    enum h2_fault fault;
    memset(value, 'v', sizeof value);
    h2_block_begin(block, H2_BLOCK_REQUEST);
    assert_int_equal(add_fields(block, &(struct row)ROW("",
                                                        ":method=GET\n:scheme=http\n"
                                                        ":authority=a.example\n",
                                                        "")),
                     H2_BLOCK_OK);
    assert_int_equal(h2_block_add(block, pool, &limits, ":path", 5, path, strlen(path)),
                     H2_BLOCK_OK);
    for (unsigned i = 0; i < fields_count; i++) {
        assert_int_equal(h2_block_add(block, pool, &limits, "x", 1, value, value_bytes),
                         H2_BLOCK_OK);
    }
    assert_int_equal(h2_head_request(block, pool, true, &head, &fault), H2_BLOCK_OK);
    assert_true(buf_length(block->text) <= limits.head_bytes + 1024);
    /* what is answered is known by its name, if that fits */
    assert_int_equal(head.method, METHOD_GET);
    assert_int_equal(head.host.bytes, 9);
    h2_block_release(block, pool);
    return fault;
}

static void what_is_beyond_the_limits_is_a_fault(void **state)
{
    static char path[6000];
    struct h2_block block = {0};
    (void)state;
    assert_int_equal(fault_of(&block, "/", 31, 1), H2_FAULT_NONE);
    assert_int_equal(fault_of(&block, "/", 32, 1), H2_FAULT_TOO_MANY_FIELDS);
    assert_int_equal(fault_of(&block, "/", 1, 4000), H2_FAULT_NONE);
    assert_int_equal(fault_of(&block, "/", 1, 4096), H2_FAULT_HEAD_TOO_LARGE);
    memset(path, '/', sizeof path - 1);
    assert_int_equal(fault_of(&block, path, 0, 0), H2_FAULT_TARGET_TOO_LONG);
}

static void what_is_far_beyond_the_limits_is_a_flood(void **state)
{
    static const char value[4096];
    struct h2_block block = {0};
    enum h2_block_result result = H2_BLOCK_OK;
    unsigned count = 0;
    (void)state;
    h2_block_begin(&block, H2_BLOCK_TRAILERS);
    while (result == H2_BLOCK_OK && count < 100000) {
        result = h2_block_add(&block, pool, &limits, "x", 1, "", 0);
        count++;
    }
    assert_int_equal(result, H2_BLOCK_FLOOD);
    assert_true(count <= 257);
    h2_block_release(&block, pool);
    h2_block_begin(&block, H2_BLOCK_TRAILERS);
    for (count = 0; count < 100000; count++) {
        /* a field that is not kept is judged all the same */
        result = h2_block_add(&block, pool, &limits, "x", 1, count == 0 ? value : "", 0);
        result = result == H2_BLOCK_OK && count > 0
                     ? h2_block_add(&block, pool, &limits, "yy", 2, "v", 1)
                     : result;
        if (result != H2_BLOCK_OK) {
            break;
        }
    }
    assert_int_equal(result, H2_BLOCK_FLOOD);
    h2_block_release(&block, pool);
}

static int begin(void **state)
{
    (void)state;
    bound_init(&bytes, "buffers_bytes", NULL, 16 * 1024 * 1024);
    pool = buf_pool_create(&bytes);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_pool_free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_by_rfc_9113),
        cmocka_unit_test(responses_by_rfc_9113),
        cmocka_unit_test(trailers_by_rfc_9113),
        cmocka_unit_test(most_heads_are_canonical),
        cmocka_unit_test(what_is_beyond_the_limits_is_a_fault),
        cmocka_unit_test(what_is_far_beyond_the_limits_is_a_flood),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
