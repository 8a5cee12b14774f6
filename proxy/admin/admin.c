/* The admin listener. */
#include "proxy/admin/admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/admin_access.h"
#include "proxy/admin/admin_acts.h"
#include "proxy/admin/admin_guard.h"
#include "proxy/admin/admin_jobs.h"
#include "proxy/admin/admin_path.h"
#include "proxy/admin/admin_places.h"
#include "proxy/admin/admin_reloads.h"
#include "proxy/admin/admin_socket.h"
#include "proxy/admin/admin_token.h"
#include "proxy/admin/dashboard.h"
#include "proxy/admin/drift_view.h"
#include "proxy/admin/events_view.h"
#include "proxy/admin/fleet_view.h"
#include "proxy/admin/history_view.h"
#include "proxy/admin/metrics.h"
#include "proxy/admin/snapshot.h"
#include "proxy/admin/status.h"
#include "proxy/admin/traffic_view.h"
#include "proxy/admin/upstreams_view.h"
#include "proxy/http/http_head.h"
#include "steady/enum_names.h"
#include "steady/loop_clock.h"

#define ADMIN_TIMEOUT_S 10
#define ADMIN_HEAD_BYTES 8192
#define ADMIN_BODY_BYTES 1024
#define ADMIN_FLUSH_STEP_MS 10

/* What an answer may do in a browser: nothing but what the dashboard needs, which comes from here. */
#define CONTENT_POLICY                                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct admin {
    struct admin_env env;
    struct address address;
    struct evconnlistener *listener;
    struct admin_places *places;
    struct admin_jobs *jobs;
    struct admin_reloads *reloads;
    struct admin_snapshots *snapshots;
    struct evhttp *http;
    uint64_t wrong_tokens_count;
    char socket_path[sizeof((struct sockaddr_un *)0)->sun_path]; /* "" for TCP */
};

ENUM_NAME_FUNCTION(admin_result_name, enum admin_result, ADMIN_RESULTS)

/* ---- routes ---- */

/* Writes a page: GET and HEAD. */
typedef void page_fn(struct evbuffer *out, const struct overview *overview);

typedef int status_fn(const struct overview *overview);

/* Begins a POST whose answer comes later. False: it cannot be taken now. */
typedef bool later_fn(struct admin *admin, struct evhttp_request *request);

static void write_livez(struct evbuffer *out, const struct overview *overview)
{
    (void)overview;
    evbuffer_add_printf(out, "ok\n");
}

static bool act_reload(struct admin *admin, struct evhttp_request *request)
{
    return admin_reloads_ask(admin->reloads, request);
}

static bool act_snapshot(struct admin *admin, struct evhttp_request *request)
{
    return admin_snapshots_ask(admin->snapshots, request);
}

#define TEXT "text/plain; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"

/* One row for each path; an asterisk matches one segment. */
static const struct admin_route {
    const char *pattern;
    const char *content_type;
    page_fn *page;              /* GET, HEAD */
    act_fn *act;                /* POST */
    status_fn *status;          /* of the page; NULL: always 200 */
    page_part_fn *const *parts; /* instead of `page`, for a page that may be large */
    later_fn *later;            /* instead of `act` */
} routes[] = {
    {"/livez", TEXT, write_livez, NULL, NULL, NULL, NULL},
    {"/readyz", "application/json", readyz_write, NULL, readyz_status, NULL, NULL},
    {"/metrics", METRICS, NULL, NULL, NULL, metrics_page, NULL},
    {"/status", "application/json", NULL, NULL, NULL, status_page, NULL},
    {"/resources", "application/json", NULL, NULL, NULL, resources_page, NULL},
    {"/drift", "application/json", NULL, NULL, NULL, drift_page, NULL},
    {"/fleet", "application/json", fleet_view_write, NULL, NULL, NULL, NULL},
    {"/events", "application/json", NULL, NULL, NULL, events_page, NULL},
    {"/traffic", "application/json", NULL, NULL, NULL, traffic_page, NULL},
    {"/history/short", "application/json", NULL, NULL, NULL, history_short_page, NULL},
    {"/history/middle", "application/json", NULL, NULL, NULL, history_middle_page, NULL},
    {"/history/long", "application/json", NULL, NULL, NULL, history_long_page, NULL},
    {"/", "text/html; charset=utf-8", dashboard_html, NULL, NULL, NULL, NULL},
    {"/dashboard/page.css", "text/css; charset=utf-8", dashboard_css, NULL, NULL, NULL, NULL},
    {"/dashboard/page.js", SCRIPT, dashboard_page_js, NULL, NULL, NULL, NULL},
    {"/dashboard/plot.js", SCRIPT, dashboard_plot_js, NULL, NULL, NULL, NULL},
    {"/dashboard/icon.svg", "image/svg+xml", dashboard_icon, NULL, NULL, NULL, NULL},
    {"/upstreams", "application/json", NULL, NULL, NULL, upstreams_page, NULL},
    {"/reload", "application/json", NULL, NULL, NULL, NULL, act_reload},
    {"/snapshot", "application/json", NULL, NULL, NULL, NULL, act_snapshot},
    {"/drain", TEXT, NULL, admin_drain, NULL, NULL, NULL},
    {"/upstreams/*/endpoints/*/drain", TEXT, NULL, admin_drain_endpoint, NULL, NULL, NULL},
    {"/upstreams/*/endpoints/*/undrain", TEXT, NULL, admin_undrain_endpoint, NULL, NULL, NULL},
    {"/upstreams/*/breaker/open", TEXT, NULL, admin_open_breaker, NULL, NULL, NULL},
    {"/upstreams/*/breaker/close", TEXT, NULL, admin_close_breaker, NULL, NULL, NULL},
    {"/upstreams/*/breaker/auto", TEXT, NULL, admin_free_breaker, NULL, NULL, NULL},
    {"/upstreams/*/maintenance/on", TEXT, NULL, admin_close_upstream, NULL, NULL, NULL},
    {"/upstreams/*/maintenance/off", TEXT, NULL, admin_open_upstream, NULL, NULL, NULL},
    {"/routes/*/maintenance/on", TEXT, NULL, admin_close_route, NULL, NULL, NULL},
    {"/routes/*/maintenance/off", TEXT, NULL, admin_open_route, NULL, NULL, NULL},
};

/* What is told without a token: probes of an orchestrator have none. */
static const struct admin_open_page {
    const char *pattern;
    page_fn *page;
} open_pages[] = {{"/livez", write_livez}, {"/readyz", readyz_write_briefly}};

static page_fn *admin_open_page_of(const struct admin_route *route)
{
    for (size_t i = 0; route != NULL && i < sizeof open_pages / sizeof open_pages[0]; i++) {
        if (strcmp(open_pages[i].pattern, route->pattern) == 0) {
            return open_pages[i].page;
        }
    }
    return NULL;
}

static const struct bufferevent *admin_connection_of(struct evhttp_request *request)
{
    return evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
}

static void admin_reply(struct admin *admin, struct evhttp_request *request, int status,
                        const char *type, struct evbuffer *body)
{
    struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
    evhttp_add_header(fields, "Content-Type", type);
    evhttp_add_header(fields, "Cache-Control", "no-store");
    evhttp_add_header(fields, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(fields, "Content-Security-Policy", CONTENT_POLICY);
    if (body != NULL && evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof length, "%zu", evbuffer_get_length(body));
        evhttp_add_header(fields, "Content-Length", length);
        evbuffer_drain(body, evbuffer_get_length(body));
    }
    admin_places_answered(admin->places, admin_connection_of(request));
    evhttp_send_reply(request, status, http_reason_phrase((unsigned)status), body);
}

/* `detail` and `allow` may be NULL. */
static void admin_refuse(struct admin *admin, struct evhttp_request *request, int status,
                         const char *detail, const char *allow)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        evbuffer_add_printf(body, "%d %s%s%s\n", status, http_reason_phrase((unsigned)status),
                            detail != NULL ? ": " : "", detail != NULL ? detail : "");
    }
    if (allow != NULL) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allow);
    }
    admin_reply(admin, request, status, TEXT, body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void admin_page(struct admin *admin, struct evhttp_request *request,
                       const struct admin_route *route, page_fn *page, struct evbuffer *body)
{
    struct overview overview;
    admin->env.overview(&overview, admin->env.owner);
    page(body, &overview);
    int status = route->status != NULL ? route->status(&overview) : 200;
    admin_reply(admin, request, status, route->content_type, body);
}

/* Finds the upstream of "?upstream=NAME". False: there is none of that name. */
static bool admin_take_query(struct admin *admin, struct evhttp_request *request,
                             char only[ADMIN_NAME_BYTES])
{
    static const char key[] = "upstream=";
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct overview overview;
    only[0] = '\0';
    if (query == NULL || strncmp(query, key, sizeof key - 1) != 0) {
        return true;
    }
    query += sizeof key - 1;
    admin->env.overview(&overview, admin->env.owner);
    const struct settings *settings = overview.settings;
    bool known = admin_path_name(query, strcspn(query, "&"), only);
    for (size_t i = 0; known && i < settings->upstream_count; i++) {
        if (strcmp(settings->upstreams[i].name, only) == 0) {
            return true;
        }
    }
    return false;
}

static void admin_large_page(struct admin *admin, struct evhttp_request *request,
                             const struct admin_route *route)
{
    char only[ADMIN_NAME_BYTES];
    if (!admin_take_query(admin, request, only)) {
        admin_refuse(admin, request, 404, "no such upstream", NULL);
    } else if (!admin_jobs_add(admin->jobs, request, route, route->parts, only)) {
        admin_refuse(admin, request, 503, NULL, NULL);
    }
}

static void admin_on_job(struct evhttp_request *request, const void *route, struct evbuffer *body,
                         void *owner)
{
    const struct admin_route *of = route;
    struct admin *admin = owner;
    if (body != NULL) {
        admin_reply(admin, request, 200, of->content_type, body);
    } else {
        admin_refuse(admin, request, 503, NULL, NULL);
    }
}

static void admin_on_reload(struct evhttp_request *request, int status, struct evbuffer *body,
                            void *owner)
{
    if (body != NULL) {
        admin_reply(owner, request, status, "application/json", body);
    } else {
        admin_refuse(owner, request, 503, NULL, NULL);
    }
}

static const struct admin_route *admin_find_route(const char *path, struct admin_names *names)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (admin_path_matches(routes[i].pattern, path, names)) {
            return &routes[i];
        }
    }
    return NULL;
}

static void admin_on_snapshot(struct evhttp_request *request, struct evbuffer *head, void *owner)
{
    struct admin *admin = owner;
    struct admin_names names;
    const struct admin_route *route = admin_find_route("/snapshot", &names);
    if (head == NULL ||
        !admin_jobs_add_members(admin->jobs, request, route, snapshot_members, head)) {
        admin_refuse(admin, request, 503, NULL, NULL);
    }
}

static uint64_t admin_generation(void *owner)
{
    const struct admin *admin = owner;
    struct overview overview;
    admin->env.overview(&overview, admin->env.owner);
    return overview.generation;
}

static bool admin_begin_snapshot(void *owner)
{
    const struct admin *admin = owner;
    return admin->env.snapshot(admin->env.owner);
}

static const char *admin_reload(void *owner)
{
    const struct admin *admin = owner;
    return admin->env.reload(admin->env.owner);
}

static void admin_act(struct admin *admin, struct evhttp_request *request,
                      const struct admin_route *route, const struct admin_names *names,
                      struct evbuffer *body)
{
    int status = route->act(&admin->env, names, body);
    admin_reply(admin, request, status, route->content_type, body);
}

static void admin_serve(struct admin *admin, struct evhttp_request *request,
                        const struct admin_route *route, const struct admin_names *names)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    bool reads = method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
    bool acts = route->act != NULL || route->later != NULL;
    if (acts ? method != EVHTTP_REQ_POST : !reads) {
        admin_refuse(admin, request, 405, NULL, acts ? "POST" : "GET, HEAD");
        return;
    }
    if (route->later != NULL) {
        if (!route->later(admin, request)) {
            admin_refuse(admin, request, 503, NULL, NULL);
        }
        return;
    }
    if (route->parts != NULL) {
        admin_large_page(admin, request, route);
        return;
    }
    struct evbuffer *body = evbuffer_new();
    if (body == NULL) {
        admin_refuse(admin, request, 503, NULL, NULL);
        return;
    }
    if (reads) {
        admin_page(admin, request, route, route->page, body);
    } else {
        admin_act(admin, request, route, names, body);
    }
    evbuffer_free(body);
}

static bool admin_allows(struct admin *admin, struct evhttp_request *request)
{
    const struct evkeyvalq *fields = evhttp_request_get_input_headers(request);
    const enum evhttp_cmd_type method = evhttp_request_get_command(request);
    const struct admin_request_source source = {
        .host = evhttp_find_header(fields, "Host"),
        .origin = evhttp_find_header(fields, "Origin"),
        .fetch_site = evhttp_find_header(fields, "Sec-Fetch-Site"),
        .acts = method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD,
        .local_socket = admin->address.any.sa_family == AF_UNIX,
    };
    struct overview overview;
    admin->env.overview(&overview, admin->env.owner);
    enum admin_verdict verdict = admin_guard_judge(&overview.settings->admin, &source);
    if (verdict != ADMIN_ALLOWED) {
        admin_refuse(admin, request, 403, admin_verdict_words(verdict), NULL);
    }
    return verdict == ADMIN_ALLOWED;
}

static enum admin_claim admin_claim_of(struct admin *admin, struct evhttp_request *request)
{
    const struct evkeyvalq *fields = evhttp_request_get_input_headers(request);
    struct overview overview;
    admin->env.overview(&overview, admin->env.owner);
    return admin_token_judge(&overview.settings->admin,
                             evhttp_find_header(fields, "Authorization"));
}

/* Answers who has shown no token: with what everyone is told, or with 401. */
static void admin_serve_stranger(struct admin *admin, struct evhttp_request *request,
                                 const struct admin_route *route, enum admin_claim claim)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    bool reads = method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
    page_fn *page = reads ? admin_open_page_of(route) : NULL;
    struct evbuffer *body = page != NULL ? evbuffer_new() : NULL;
    if (body != NULL) {
        admin_page(admin, request, route, page, body);
        evbuffer_free(body);
        return;
    }
    struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
    evhttp_add_header(fields, "WWW-Authenticate", admin_token_challenge(claim));
    evhttp_add_header(fields, "WWW-Authenticate", ADMIN_BROWSER_CHALLENGE);
    admin_refuse(admin, request, 401, "show a token of admin.token_file", NULL);
}

static void admin_route(struct admin *admin, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    struct admin_names names = {.query = uri != NULL ? evhttp_uri_get_query(uri) : NULL};
    if (path == NULL) {
        admin_refuse(admin, request, 400, NULL, NULL);
        return;
    }
    const struct admin_route *route = admin_find_route(path, &names);
    enum admin_claim claim = admin_claim_of(admin, request);
    admin->wrong_tokens_count += claim == ADMIN_CLAIM_WRONG;
    if (claim != ADMIN_CLAIM_GOOD) {
        admin_serve_stranger(admin, request, route, claim);
    } else if (route != NULL) {
        admin_serve(admin, request, route, &names);
    } else {
        admin_refuse(admin, request, 404, NULL, NULL);
    }
}

uint64_t admin_wrong_tokens(const struct admin *admin)
{
    return admin != NULL ? admin->wrong_tokens_count : 0;
}

static void admin_on_request(struct evhttp_request *request, void *arg)
{
    struct admin *admin = arg;
    admin_places_answer(admin->places, admin_connection_of(request));
    if (admin_allows(admin, request)) {
        admin_route(admin, request);
    }
}

/* ---- connections ---- */

static struct bufferevent *admin_on_connection(struct event_base *base, void *arg)
{
    struct admin *admin = arg;
    (void)base;
    return admin_places_take(admin->places);
}

static uint64_t admin_now_ms(void)
{
    return loop_clock_ms(&(struct loop_clock){0});
}

void admin_flush(struct admin *admin, uint64_t limit_ms)
{
    const struct timeval step = {0, ADMIN_FLUSH_STEP_MS * 1000};
    const uint64_t until_ms = admin_now_ms() + limit_ms;
    while (admin != NULL && admin_places_busy(admin->places) && admin_now_ms() < until_ms) {
        event_base_loopexit(admin->env.base, &step);
        event_base_loop(admin->env.base, EVLOOP_ONCE);
    }
}

/* ---- the socket ---- */

/* The process that serves the socket at the end removes the file. */
static void admin_own_file(struct admin *admin, bool own)
{
    const struct address *address = &admin->address;
    if (own && address->any.sa_family == AF_UNIX) {
        memcpy(admin->socket_path, address->local.sun_path, sizeof admin->socket_path);
    } else {
        admin->socket_path[0] = '\0';
    }
}

/* Another process accepts, for now or for good. */
static void admin_hold(struct admin *admin)
{
    admin_places_hold(admin->places, true);
    admin_own_file(admin, false);
}

void admin_serve_on(struct admin *admin)
{
    admin_places_hold(admin->places, false);
    admin_own_file(admin, true);
}

void admin_hand_over(struct admin *admin)
{
    admin_hold(admin);
}

struct admin_reloads *admin_reloads(const struct admin *admin)
{
    return admin != NULL ? admin->reloads : NULL;
}

void admin_answer_snapshot(struct admin *admin, const struct snapshot *snapshot)
{
    struct overview overview;
    if (admin == NULL) {
        return;
    }
    struct evbuffer *head = snapshot != NULL ? evbuffer_new() : NULL;
    admin->env.overview(&overview, admin->env.owner);
    if (head != NULL) {
        snapshot_write(head, snapshot, &overview);
    }
    admin_snapshots_over(admin->snapshots, head);
    if (head != NULL) {
        evbuffer_free(head);
    }
}

bool admin_may_take(const struct admin *admin, const struct admin_settings *settings)
{
    return admin == NULL || admin_is_guarded(&admin->address, settings);
}

int admin_fd(const struct admin *admin)
{
    return evconnlistener_get_fd(admin->listener);
}

enum admin_result admin_create(const struct admin_settings *settings, struct inherited *inherited,
                               bool held, const struct admin_env *env, struct admin **ret_admin)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) {
        return ADMIN_NO_MEMORY;
    }
    admin->env = *env;
    admin->http = evhttp_new(env->base);
    admin->places = admin_places_create(env->base, env->registry);
    const struct admin_jobs_env jobs = {env->base, env->overview, env->owner, admin_on_job, admin};
    admin->jobs = admin_jobs_create(&jobs);
    const struct admin_reloads_env reloads = {.base = env->base,
                                              .reload = admin_reload,
                                              .generation = admin_generation,
                                              .finish = admin_on_reload,
                                              .owner = admin};
    admin->reloads = admin_reloads_create(&reloads);
    const struct admin_snapshots_env snapshots = {admin_begin_snapshot, admin_on_snapshot, admin};
    admin->snapshots = admin_snapshots_create(&snapshots);
    if (admin->http == NULL || admin->places == NULL || admin->jobs == NULL ||
        admin->reloads == NULL || admin->snapshots == NULL) {
        admin_free(&admin);
        return ADMIN_NO_MEMORY;
    }
    int fd = admin_socket_open(&settings->listen, inherited);
    if (fd < 0) {
        int why = errno;
        admin_free(&admin);
        errno = why;
        return ADMIN_CANNOT_BIND;
    }
    struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(admin->http, fd);
    if (bound == NULL) {
        close(fd);
        admin_free(&admin);
        return ADMIN_NO_MEMORY;
    }
    admin->address = settings->listen;
    evhttp_set_timeout(admin->http, ADMIN_TIMEOUT_S);
    evhttp_set_max_headers_size(admin->http, ADMIN_HEAD_BYTES);
    evhttp_set_max_body_size(admin->http, ADMIN_BODY_BYTES);
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                                EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    admin->listener = evhttp_bound_socket_get_listener(bound);
    admin_places_listen(admin->places, admin->listener);
    evhttp_set_bevcb(admin->http, admin_on_connection, admin);
    evhttp_set_gencb(admin->http, admin_on_request, admin);
    if (held) {
        admin_hold(admin);
    } else {
        admin_own_file(admin, true);
    }
    *ret_admin = admin;
    return ADMIN_OK;
}

void admin_free(struct admin **admin_pointer)
{
    struct admin *admin = *admin_pointer;
    if (admin == NULL) {
        return;
    }
    admin_jobs_free(&admin->jobs);
    admin_reloads_free(&admin->reloads);
    admin_snapshots_free(&admin->snapshots);
    if (admin->http != NULL) {
        evhttp_free(admin->http);
    }
    admin_places_free(&admin->places);
    if (admin->socket_path[0] != '\0') {
        unlink(admin->socket_path);
    }
    free(admin);
    *admin_pointer = NULL;
}
