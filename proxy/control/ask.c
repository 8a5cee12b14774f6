/* One blocking exchange with the admin listener. */
#include "proxy/control/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "steady/descriptor.h"

/* What each step may take: to connect, to send, and each time something is awaited. */
#define ASK_WAIT_S 5
#define ASK_HEAD_BYTES 8192

static int ask_connect(const struct address *address)
{
    const struct timeval wait = {.tv_sec = ASK_WAIT_S};
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* connect() keeps the time of sending (socket(7)) */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
        connect(fd, &address->any, address->length) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

/* Pages that are made on demand. */
static const char *ask_method(const char *page)
{
    return strcmp(page, "/snapshot") == 0 ? "POST" : "GET";
}

static bool ask_send(int fd, const struct admin_settings *admin, const char *page)
{
    char request[1024];
    bool known = admin->token_count > 0;
    int length =
        snprintf(request, sizeof request, "%s %s HTTP/1.0\r\nHost: localhost\r\n%s%s%s\r\n",
                 ask_method(page), page, known ? "Authorization: Bearer " : "",
                 known ? admin->tokens[0].text : "", known ? "\r\n" : "");
    if (length < 0 || (size_t)length >= sizeof request) {
        errno = ENAMETOOLONG;
        return false;
    }
    return send(fd, request, (size_t)length, MSG_NOSIGNAL) == length;
}

/* The length of the head with its empty line; 0: it is not whole. */
static size_t head_bytes(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    return end != NULL ? (size_t)(end - bytes) + 4 : 0;
}

/* Prints what follows the head; returns the status, 0 when there is none. */
static int ask_receive(int fd)
{
    char bytes[ASK_HEAD_BYTES + 1];
    size_t length = 0, head = 0;
    ssize_t n = 1;
    while (head == 0 && length < ASK_HEAD_BYTES && n > 0) {
        n = recv(fd, bytes + length, ASK_HEAD_BYTES - length, 0);
        length += n > 0 ? (size_t)n : 0;
        head = head_bytes(bytes, length);
    }
    bytes[length] = '\0';
    if (head == 0 || strncmp(bytes, "HTTP/1.", 7) != 0 || length < 12) {
        return 0;
    }
    int status = (int)strtol(bytes + 9, NULL, 10);
    fwrite(bytes + head, 1, length - head, stdout);
    while ((n = recv(fd, bytes, ASK_HEAD_BYTES, 0)) > 0) {
        fwrite(bytes, 1, (size_t)n, stdout);
    }
    return n == 0 && fflush(stdout) == 0 ? status : 0;
}

bool ask_print(const struct admin_settings *admin, const char *page)
{
    int fd = ask_connect(&admin->listen);
    errno = fd < 0 ? errno : 0;
    bool sent = fd >= 0 && ask_send(fd, admin, page);
    int status = sent ? ask_receive(fd) : 0;
    if (status == 0) {
        fprintf(stderr, "evenkeel: admin listener %s: %s\n", admin->listen_text,
                errno != 0 ? strerror(errno) : "no answer");
    } else if (status >= 300) {
        fprintf(stderr, "evenkeel: %s: status %d\n", page, status);
    }
    if (fd >= 0) {
        close(fd);
    }
    return status >= 200 && status < 300;
}
