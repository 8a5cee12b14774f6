/* Two small HTTP servers for the demo. */
#include "proxy/control/demo.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/enum_names.h"
#include "tls/self_signed.h"

#define DEMO_BACKENDS 2
#define DEMO_SLOW_S 1
#define DEMO_CERTIFICATE_NAMES "DNS:localhost,IP:127.0.0.1,IP:::1"
#define DEMO_CERTIFICATE_DAYS 7

struct demo_backend {
    struct demo *demo;
    struct evhttp *http;
    const char *name;
    uint16_t port;
};

struct demo {
    struct event_base *base;
    struct event *stop;
    int stop_fd;
    int certificate_fd; /* a file in memory with certificate and key */
    pthread_t thread;
    bool started;
    struct demo_backend backends[DEMO_BACKENDS];
};

/* A request that is answered later. */
struct demo_later {
    struct evhttp_request *request;
    struct demo_backend *backend;
    struct event *timer;
};

ENUM_NAME_FUNCTION(demo_result_name, enum demo_result, DEMO_RESULTS)

static void demo_answer(struct evhttp_request *request, const struct demo_backend *backend,
                        int status, const char *reason)
{
    struct evbuffer *body = evbuffer_new();
    struct evkeyvalq *fields = evhttp_request_get_input_headers(request);
    const char *id = evhttp_find_header(fields, "X-Request-Id");
    const char *from = evhttp_find_header(fields, "X-Forwarded-For");
    if (body != NULL) {
        evbuffer_add_printf(body, "%s answers %s\nrequest id %s, for %s\n", backend->name,
                            evhttp_request_get_uri(request), id != NULL ? id : "-",
                            from != NULL ? from : "-");
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Demo-Backend", backend->name);
    evhttp_send_reply(request, status, reason, body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void demo_later_end(struct demo_later *later)
{
    event_free(later->timer);
    free(later);
}

static void demo_on_later(evutil_socket_t fd, short what, void *arg)
{
    struct demo_later *later = arg;
    (void)fd;
    (void)what;
    evhttp_request_set_on_complete_cb(later->request, NULL, NULL);
    demo_answer(later->request, later->backend, 200, "OK");
    demo_later_end(later);
}

static void demo_slow(struct evhttp_request *request, void *arg)
{
    struct demo_backend *backend = arg;
    struct demo_later *later = malloc(sizeof *later);
    const struct timeval wait = {DEMO_SLOW_S, 0};
    if (later != NULL) {
        *later = (struct demo_later){request, backend, NULL};
        later->timer = evtimer_new(backend->demo->base, demo_on_later, later);
    }
    if (later == NULL || later->timer == NULL || event_add(later->timer, &wait) != 0) {
        free(later);
        demo_answer(request, backend, 500, "Internal Server Error");
    }
}

static void demo_fail(struct evhttp_request *request, void *arg)
{
    demo_answer(request, arg, 500, "Internal Server Error");
}

/* Sends less than it promises and closes, like a server that crashes during a response. */
static void demo_break(struct evhttp_request *request, void *arg)
{
    static const char start[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"
        "this response will not be finished";
    struct bufferevent *connection =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    evutil_socket_t fd = bufferevent_getfd(connection);
    (void)arg;
    ssize_t sent = send(fd, start, sizeof start - 1, MSG_NOSIGNAL);
    (void)sent; /* the connection is closed either way */
    evhttp_connection_free(evhttp_request_get_connection(request));
}

static void demo_any(struct evhttp_request *request, void *arg)
{
    demo_answer(request, arg, 200, "OK");
}

static bool demo_backend_open(struct demo *demo, struct demo_backend *backend, const char *name)
{
    backend->demo = demo;
    backend->name = name;
    backend->http = evhttp_new(demo->base);
    if (backend->http == NULL) {
        return false;
    }
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(backend->http, "127.0.0.1", 0);
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    if (bound == NULL ||
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length) != 0) {
        return false;
    }
    backend->port = ntohs(address.sin_port);
    evhttp_set_timeout(backend->http, 120);
    evhttp_set_cb(backend->http, "/slow", demo_slow, backend);
    evhttp_set_cb(backend->http, "/fail", demo_fail, backend);
    evhttp_set_cb(backend->http, "/break", demo_break, backend);
    evhttp_set_gencb(backend->http, demo_any, backend);
    return true;
}

static void demo_on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct demo *demo = arg;
    (void)fd;
    (void)what;
    event_base_loopbreak(demo->base);
}

static void *demo_main(void *arg)
{
    struct demo *demo = arg;
    event_base_loop(demo->base, 0);
    return NULL;
}

static bool demo_make_certificate(struct demo *demo)
{
    size_t bytes;
    char *pem = self_signed_create(DEMO_CERTIFICATE_NAMES, DEMO_CERTIFICATE_DAYS, &bytes);
    demo->certificate_fd = memfd_create("evenkeel-demo", MFD_CLOEXEC);
    bool made = pem != NULL && demo->certificate_fd >= 0 &&
                fchmod(demo->certificate_fd, S_IRUSR | S_IWUSR) == 0 &&
                write(demo->certificate_fd, pem, bytes) == (ssize_t)bytes;
    free(pem);
    return made;
}

static enum demo_result demo_open(struct demo *demo)
{
    static const char *const names[DEMO_BACKENDS] = {"demo-a", "demo-b"};
    if (!demo_make_certificate(demo)) {
        return DEMO_NO_CERTIFICATE;
    }
    demo->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    demo->base = event_base_new();
    if (demo->stop_fd < 0 || demo->base == NULL) {
        return DEMO_NO_MEMORY;
    }
    demo->stop = event_new(demo->base, demo->stop_fd, EV_READ, demo_on_stop, demo);
    if (demo->stop == NULL || event_add(demo->stop, NULL) != 0) {
        return DEMO_NO_MEMORY;
    }
    for (size_t i = 0; i < DEMO_BACKENDS; i++) {
        if (!demo_backend_open(demo, &demo->backends[i], names[i])) {
            return DEMO_CANNOT_BIND;
        }
    }
    demo->started = pthread_create(&demo->thread, NULL, demo_main, demo) == 0;
    return demo->started ? DEMO_OK : DEMO_NO_THREAD;
}

enum demo_result demo_create(struct demo **ret_demo)
{
    struct demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL) {
        return DEMO_NO_MEMORY;
    }
    demo->stop_fd = demo->certificate_fd = -1;
    enum demo_result result = demo_open(demo);
    if (result != DEMO_OK) {
        demo_free(&demo);
        return result;
    }
    *ret_demo = demo;
    return DEMO_OK;
}

void demo_free(struct demo **demo_pointer)
{
    struct demo *demo = *demo_pointer;
    if (demo == NULL) {
        return;
    }
    if (demo->started) {
        const uint64_t one = 1;
        ssize_t written = write(demo->stop_fd, &one, sizeof one);
        (void)written;
        pthread_join(demo->thread, NULL);
    }
    for (size_t i = 0; i < DEMO_BACKENDS; i++) {
        if (demo->backends[i].http != NULL) {
            evhttp_free(demo->backends[i].http);
        }
    }
    if (demo->stop != NULL) {
        event_free(demo->stop);
    }
    if (demo->base != NULL) {
        event_base_free(demo->base);
    }
    if (demo->stop_fd >= 0) {
        close(demo->stop_fd);
    }
    if (demo->certificate_fd >= 0) {
        close(demo->certificate_fd);
    }
    free(demo);
    *demo_pointer = NULL;
}

size_t demo_configuration(const struct demo *demo, const struct demo_ports *ports, char *text,
                          size_t text_bytes)
{
    int length = snprintf(
        text, text_bytes,
        "admin = { listen = \"127.0.0.1:%u\"; };\n"
        "log = { level = \"warn\"; };\n"
        "listeners = {\n"
        "  web = { listen = \"127.0.0.1:%u\"; http2 = { cleartext = true; }; };\n"
        "  secure = { listen = \"127.0.0.1:%u\"; tls = { certificates = (\n"
        "    { cert = \"/proc/self/fd/%d\"; key = \"/proc/self/fd/%d\"; } ); }; };\n"
        "};\n"
        "upstreams = { demo = { endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ];\n"
        "                       balance = \"round_robin\"; }; };\n"
        "routes = ( { name = \"demo\"; upstream = \"demo\"; } );\n",
        (unsigned)ports->admin, (unsigned)ports->web, (unsigned)ports->secure, demo->certificate_fd,
        demo->certificate_fd, (unsigned)demo->backends[0].port, (unsigned)demo->backends[1].port);
    return length < 0 ? text_bytes : (size_t)length;
}

void demo_print_welcome(const struct demo_ports *ports)
{
    const unsigned web = ports->web, secure = ports->secure, admin = ports->admin;
    printf(
        "\nEvenkeel is running in front of two demo backends.\n\n"
        "  curl -i http://127.0.0.1:%u/         they take turns: look at X-Demo-Backend\n"
        "  curl -i --http2-prior-knowledge http://127.0.0.1:%u/   the same over HTTP/2\n"
        "  curl -i -k https://127.0.0.1:%u/     and over TLS; -k: its certificate was made just now\n"
        "  curl -i http://127.0.0.1:%u/slow     answers after a second\n"
        "  curl -i http://127.0.0.1:%u/fail     the backend's own error passes through\n"
        "  curl -i http://127.0.0.1:%u/break    a response that breaks is visibly broken\n"
        "  curl http://127.0.0.1:%u/status      what it is doing\n"
        "  curl http://127.0.0.1:%u/resources   every limit, and how much of it is in use\n"
        "  curl http://127.0.0.1:%u/metrics     figures for Prometheus\n\n"
        "  http://127.0.0.1:%u/                 the dashboard: open it in a browser\n\n"
        "Ctrl-C drains and ends.\n\n",
        web, web, secure, web, web, web, admin, admin, admin, admin);
    fflush(stdout);
}
