/*
 * What the HTTP/1.x codec costs: instructions per call under callgrind, which repeat exactly.
 *
 *   h1_cost               lists the rows
 *   h1_cost ROW COUNT     runs a row COUNT times; the difference of two counts is free of what starts and ends a program
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http1/h1_body.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_write.h"

#define FIELDS 128
#define ROOM_BYTES 16384

/* What a benchmark's client sends. */
static const char small_request[] = "GET /bench/128.bin?round=1&row=small HTTP/1.1\r\n"
                                    "Host: 127.0.0.1:8080\r\n"
                                    "User-Agent: h2load nghttp2/1.52.0\r\n"
                                    "Accept: */*\r\n"
                                    "Connection: keep-alive\r\n"
                                    "\r\n";

/* What a browser sends: 17 fields. */
static const char browser_request[] =
    "GET /catalog/items/28114?sort=price&page=3&ref=search HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\", \"Google Chrome\";v=\"128\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-User: ?1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Referer: https://shop.example.com/catalog?search=teapot&sort=price&page=3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=5b0c7e4f2a9d4c6e8b1f3a7d9e2c4b6a8f0d1e3c5b7a9f2d; theme=dark; "
    "_ga=GA1.2.1712345678.1712345678; consent=all; cart=3f9a1b7c; "
    "csrf=Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5d2FsZG8; experiments=a1:b,c7:a,d2:control; "
    "last_seen=28110.28111.28113\r\n"
    "\r\n";

/* What nginx answers. */
static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "Server: nginx/1.22.1\r\n"
                               "Date: Mon, 23 Nov 2026 10:57:26 GMT\r\n"
                               "Content-Type: application/octet-stream\r\n"
                               "Content-Length: 128\r\n"
                               "Last-Modified: Mon, 23 Nov 2026 09:12:01 GMT\r\n"
                               "Connection: keep-alive\r\n"
                               "ETag: \"6561c0e1-80\"\r\n"
                               "Accept-Ranges: bytes\r\n"
                               "\r\n";

static const char chunks[] = "1000\r\n0123456789abcdef";

struct bench {
    char *bytes; /* in a block of their exact size, as a full receive would leave them */
    size_t length;
    struct http_head head;
    struct http_field fields[FIELDS];
    char room[ROOM_BYTES];
};

static const struct h1_limits limits = {32768, FIELDS};

static void must(bool true_one)
{
    if (!true_one) {
        abort();
    }
}

static void parse_request(struct bench *bench)
{
    size_t scanned = 0;
    must(h1_parse_request(bench->bytes, bench->length, &limits, &scanned, &bench->head) == H1_OK);
}

static void parse_response(struct bench *bench)
{
    size_t scanned = 0;
    must(h1_parse_response(bench->bytes, bench->length, &limits, METHOD_GET, &scanned,
                           &bench->head) == H1_OK);
}

static void write_request(struct bench *bench)
{
    struct h1_writer writer;
    h1_writer_init(&writer, bench->room, sizeof bench->room);
    h1_write_request_line(&writer, &bench->head);
    h1_write_fields(&writer, &bench->head);
    h1_write_framing(&writer, (enum http_framing)bench->head.framing, bench->head.content_length);
    h1_write_end(&writer);
    must(h1_writer_ok(&writer));
}

static void write_response(struct bench *bench)
{
    struct h1_writer writer;
    h1_writer_init(&writer, bench->room, sizeof bench->room);
    h1_write_status_line(&writer, &bench->head);
    h1_write_fields(&writer, &bench->head);
    h1_write_framing(&writer, (enum http_framing)bench->head.framing, bench->head.content_length);
    h1_write_end(&writer);
    must(h1_writer_ok(&writer));
}

static void decode_chunk(struct bench *bench)
{
    struct h1_body body;
    struct iovec piece;
    size_t count;
    size_t consumed;
    h1_body_init(&body, FRAMING_CHUNKED, 0);
    must(h1_body_take(&body, bench->bytes, bench->length, &piece, 1, &count, &consumed) == H1_OK);
}

static void nothing(struct bench *bench)
{
    (void)bench;
}

static const struct {
    const char *name;
    const char *input;
    void (*prepare)(struct bench *bench);
    void (*run)(struct bench *bench);
} rows[] = {
    {"parse-small", small_request, nothing, parse_request},
    {"parse-browser", browser_request, nothing, parse_request},
    {"parse-response", response, nothing, parse_response},
    {"write-small", small_request, parse_request, write_request},
    {"write-browser", browser_request, parse_request, write_request},
    {"write-response", response, parse_response, write_response},
    {"chunk-line", chunks, nothing, decode_chunk},
};

int main(int argc, char **argv)
{
    static struct bench bench;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench.length = strlen(rows[i].input);
        if (argc != 3) {
            printf("%s %zu\n", rows[i].name, bench.length);
        }
        if (argc != 3 || strcmp(argv[1], rows[i].name) != 0) {
            continue;
        }
        bench.bytes = malloc(bench.length);
        must(bench.bytes);
        memcpy(bench.bytes, rows[i].input, bench.length);
        bench.head = (struct http_head){.fields = bench.fields, .field_limit = FIELDS};
        rows[i].prepare(&bench);
        for (unsigned long count = strtoul(argv[2], NULL, 10); count > 0; count--) {
            rows[i].run(&bench);
        }
        free(bench.bytes);
    }
    return 0;
}
