/* Reads the hosts file. */
#include "pool/hosts.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "steady/address.h"
#include "steady/fault.h"

/* Text beyond this size is ignored. */
#define HOSTS_BYTES_MAX (1024u * 1024)

#define BLANKS " \t\r"

void hosts_init(struct hosts *hosts, const char *path)
{
    *hosts = (struct hosts){.path = path};
}

void hosts_release(struct hosts *hosts)
{
    free(hosts->text);
    hosts->text = NULL;
    hosts->bytes = 0;
}

static size_t read_whole(int fd, char *text, size_t space)
{
    size_t used = 0;
    ssize_t got = 1;
    while (used < space && got > 0) {
        got = read(fd, text + used, space - used);
        used += got > 0 ? (size_t)got : 0;
    }
    return used;
}

static void load(struct hosts *hosts, size_t space)
{
    hosts_release(hosts);
    int fd = open(hosts->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    hosts->text = fd < 0 || fault_hits(FAULT_ALLOC) ? NULL : malloc(space + 1);
    if (hosts->text != NULL) {
        hosts->bytes = read_whole(fd, hosts->text, space);
        hosts->text[hosts->bytes] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
}

void hosts_refresh(struct hosts *hosts)
{
    if (!file_mark_moved(&hosts->mark, hosts->path)) {
        return;
    }
    size_t bytes = (size_t)hosts->mark.bytes;
    load(hosts, bytes < HOSTS_BYTES_MAX ? bytes : HOSTS_BYTES_MAX);
}

/* The next word of a line, or false at its end (or a comment). */
static bool next_word(const char **at, const char *end, const char **ret_word, size_t *ret_bytes)
{
    const char *word = *at;
    while (word < end && strchr(BLANKS, *word) != NULL) {
        word++;
    }
    const char *behind = word;
    while (behind < end && *behind != '#' && strchr(BLANKS, *behind) == NULL) {
        behind++;
    }
    *at = behind;
    *ret_word = word;
    *ret_bytes = (size_t)(behind - word);
    return behind > word;
}

static bool line_names(const char *at, const char *end, const char *host)
{
    const char *word;
    size_t bytes;
    while (next_word(&at, end, &word, &bytes)) {
        if (strlen(host) == bytes && strncasecmp(word, host, bytes) == 0) {
            return true;
        }
    }
    return false;
}

static void take_address(const char *word, size_t bytes, enum dns_type type,
                         struct dns_records *records)
{
    struct address address;
    struct dns_ip ip = {{0}};
    if (!address_from_host(word, bytes, 0, &address)) {
        return;
    }
    if (type == DNS_A && address.any.sa_family == AF_INET) {
        memcpy(ip.bytes, &address.v4.sin_addr, sizeof address.v4.sin_addr);
    } else if (type == DNS_AAAA && address.any.sa_family == AF_INET6) {
        memcpy(ip.bytes, &address.v6.sin6_addr, sizeof address.v6.sin6_addr);
    } else {
        return;
    }
    dns_records_add(records, type, &ip);
}

static bool is_localhost(const char *host)
{
    static const char domain[] = "localhost";
    const size_t bytes = strlen(host), domain_bytes = sizeof domain - 1;
    if (bytes < domain_bytes || strcasecmp(host + bytes - domain_bytes, domain) != 0) {
        return false;
    }
    return bytes == domain_bytes || host[bytes - domain_bytes - 1] == '.';
}

static void take_loopback(enum dns_type type, struct dns_records *records)
{
    const char *loopback = type == DNS_AAAA ? "::1" : "127.0.0.1";
    take_address(loopback, strlen(loopback), type, records);
}

bool hosts_find(const struct hosts *hosts, const char *host, enum dns_type type,
                struct dns_records *ret_records)
{
    const char *line = hosts->text, *end = line + hosts->bytes, *word;
    size_t bytes;
    bool named = false;
    dns_records_init(ret_records);
    ret_records->ttl_ms = 0;
    while (line != NULL && line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline != NULL ? newline : end;
        const char *at = line;
        if (next_word(&at, line_end, &word, &bytes) && line_names(at, line_end, host)) {
            take_address(word, bytes, type, ret_records);
            named = true;
        }
        line = line_end + 1;
    }
    if (!named && is_localhost(host)) {
        take_loopback(type, ret_records);
    }
    return ret_records->count > 0;
}
