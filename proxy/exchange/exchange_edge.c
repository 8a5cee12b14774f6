/* In the order of a request: may it pass, is it answered here, what goes on. */
#include "proxy/exchange/exchange_edge.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/edge/edge_fields.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/exchange_auth.h"
#include "proxy/exchange/exchange_compress.h"
#include "proxy/exchange/exchange_mirror.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/added_fields.h"
#include "proxy/http/target_path.h"

/* What a rewritten target and host may need. */
#define REWRITE_BYTES ((size_t)2 * EDGE_TEXT_MAX_BYTES)
#define LINES_BYTES ((size_t)2 * EDGE_TEXT_MAX_BYTES)

/* Our own, or the one that a trusted client has given. */
static const char *request_id_of(const struct exchange *exchange, size_t *ret_bytes)
{
    const struct forward *forward = &exchange->forward;
    const struct http_field *kept =
        forward->request_id_kept ? head_find(&exchange->request, FIELD_X_REQUEST_ID) : NULL;
    *ret_bytes = kept != NULL ? kept->value_bytes : strlen(forward->request_id);
    return kept != NULL ? exchange->request.base + kept->value_at : forward->request_id;
}

static struct edge_facts facts_of(const struct exchange *exchange)
{
    size_t id_bytes;
    const char *id = request_id_of(exchange, &id_bytes);
    return (struct edge_facts){
        .head = &exchange->request,
        .target = exchange_came_target(exchange),
        .host = exchange_came_host(exchange),
        .client = &exchange_client(exchange)->any,
        .certificate = exchange->origin->certificate,
        .listener = exchange->origin->listener->name,
        .route = exchange->target.route_name,
        .upstream = exchange->target.upstream_name,
        .user = exchange_auth_user(exchange),
        .request_id = id,
        .request_id_bytes = id_bytes,
        .secure = origin_secure(exchange->origin) != NULL,
        .trusted = exchange->trusted,
    };
}

bool exchange_client_secure(const struct exchange *exchange)
{
    const struct edge_facts facts = facts_of(exchange);
    return edge_is_secure(&facts);
}

/* The settings that the exchange began with, or present ones before it has a route. */
static const struct settings *settings_of(const struct exchange *exchange)
{
    return exchange->edge.held != NULL ? exchange->edge.held
                                       : exchange->worker->generation->settings;
}

static struct edge_edits request_edits(const struct exchange *exchange)
{
    return (struct edge_edits){
        {&settings_of(exchange)->edge.request, &exchange->edge.route->edge.request}};
}

static const struct field_edit_settings *edits_of_status(const struct edge_settings *edge,
                                                         unsigned status)
{
    const struct field_edit_settings *edits = &edge->response;
    return edits->status_first <= status && status <= edits->status_last ? edits : NULL;
}

static struct edge_edits response_edits(const struct exchange *exchange, unsigned status)
{
    const struct route_settings *route = exchange->edge.route;
    return (struct edge_edits){{edits_of_status(&settings_of(exchange)->edge, status),
                                route != NULL ? edits_of_status(&route->edge, status) : NULL}};
}

/* ---- access ---- */

static bool may_pass(const struct exchange *exchange)
{
    const struct access_settings *access = &exchange->edge.route->access;
    const struct sockaddr *client = &exchange_client(exchange)->any;
    return !address_in_prefixes(client, access->deny, access->deny_count) &&
           (access->allow_count == 0 ||
            address_in_prefixes(client, access->allow, access->allow_count));
}

/* ---- the path that the route was found by ---- */

struct subject {
    const char *at;
    size_t bytes;
    bool decoded; /* a reading of the path, not the path as it is written */
    struct path_captures captures;
};

static struct subject *subject_in(struct buf *space)
{
    return (struct subject *)(void *)space->bytes;
}

/* What follows the prefix, which whole segments are; NULL: the path begins otherwise. */
static const char *behind_prefix(const struct subject *subject, const char *prefix,
                                 size_t *ret_bytes)
{
    size_t bytes = strlen(prefix);
    bytes -= prefix[bytes - 1] == '/';
    if (subject->bytes < bytes || memcmp(subject->at, prefix, bytes) != 0 ||
        (subject->bytes > bytes && subject->at[bytes] != '/')) {
        return NULL;
    }
    *ret_bytes = subject->bytes - bytes;
    return subject->at + bytes;
}

static bool subject_fits(const struct exchange *exchange, const struct route *route,
                         struct subject *subject)
{
    const char *prefix = exchange->edge.route->rewrite.strip_prefix;
    size_t rest_bytes;
    if (route->regex != NULL) {
        struct path_regex_scratch *scratch =
            exchange->worker->generation->scratch[exchange->worker->env.index];
        return path_regex_match(route->regex, scratch, subject->at, subject->bytes,
                                &subject->captures) == PATH_REGEX_MATCH;
    }
    return prefix == NULL || behind_prefix(subject, prefix, &rest_bytes) != NULL;
}

/* The path as it is written if it fits, else the first reading that does, which is in `space`. */
static void find_subject(const struct exchange *exchange, const struct route *route, char *space,
                         struct subject *subject)
{
    const struct http_head *head = &exchange->request;
    const char *path = head_text(head, head->target);
    size_t bytes = target_path_bytes(path, head->target.bytes);
    const struct subject written = {.at = path, .bytes = bytes};
    *subject = written;
    for (unsigned i = 0; !subject_fits(exchange, route, subject); i++) {
        *subject = (struct subject){.at = space, .decoded = true};
        if (i == PATH_READING_COUNT ||
            !path_read((enum path_reading)i, path, bytes, space, &subject->bytes)) {
            *subject = written;
            return;
        }
    }
}

/* Whether texts of the route may have groups of its expression, or its prefix is taken off. */
static bool asks_for_subject(const struct route *route)
{
    return route->regex != NULL || route->settings->rewrite.strip_prefix != NULL;
}

/* False: no memory. */
static bool take_subject(struct exchange *exchange, const struct route *route)
{
    struct buf *space = buf_take(exchange->worker->bufs,
                                 sizeof(struct subject) + exchange->request.target.bytes + 1);
    if (space == NULL) {
        return false;
    }
    exchange->edge.subject = space;
    find_subject(exchange, route, space->bytes + sizeof(struct subject), subject_in(space));
    return true;
}

/* ---- rewriting ---- */

/* Without the prefix; never empty. */
static bool strip_prefix(const struct subject *subject, const char *prefix, char *out, size_t room,
                         size_t *ret_bytes)
{
    size_t rest_bytes = subject->bytes;
    const char *rest = behind_prefix(subject, prefix, &rest_bytes);
    rest = rest != NULL ? rest : subject->at;
    if (rest_bytes == 0) {
        out[0] = '/';
        *ret_bytes = 1;
        return true;
    }
    if (!subject->decoded) {
        memcpy(out, rest, rest_bytes < room ? rest_bytes : room);
        *ret_bytes = rest_bytes;
        return rest_bytes <= room;
    }
    return edge_encode(rest, rest_bytes, out, room, ret_bytes);
}

/* Writes the new target into `out`, which has EDGE_TEXT_MAX_BYTES. subject: NULL if the route has no use for it. */
static bool write_target(const struct exchange *exchange, const struct edge_facts *facts,
                         const struct subject *subject, char *out, size_t *ret_bytes)
{
    const struct rewrite_settings *rewrite = &exchange->edge.route->rewrite;
    const struct http_head *head = &exchange->request;
    size_t bytes, room = EDGE_TEXT_MAX_BYTES - 1;
    bool written = rewrite->strip_prefix != NULL
                       ? strip_prefix(subject, rewrite->strip_prefix, out, room, &bytes)
                       : edge_render(&rewrite->path, facts, EDGE_IN_URL, out, room, &bytes);
    if (!written) {
        return false;
    }
    if (bytes == 0 || out[0] != '/') {
        memmove(out + 1, out, bytes++);
        out[0] = '/';
    }
    bytes = edge_one_slash(out, bytes);
    const char *target = head_text(head, head->target);
    size_t path_bytes = target_path_bytes(target, head->target.bytes);
    if (memchr(out, '?', bytes) == NULL) {
        if (bytes + head->target.bytes - path_bytes > room) {
            return false;
        }
        memcpy(out + bytes, target + path_bytes, head->target.bytes - path_bytes);
        bytes += head->target.bytes - path_bytes;
    }
    return target_resolve(out, bytes, ret_bytes);
}

/* Moves the head to where there is room behind it, and returns that place; NULL: no memory. */
static char *move_head(struct exchange *exchange)
{
    size_t bytes = head_copy_bytes(&exchange->request);
    struct buf *buf = buf_take(exchange->worker->bufs, bytes + REWRITE_BYTES);
    if (buf == NULL) {
        return NULL;
    }
    struct http_head moved;
    head_copy(&exchange->request, &moved, buf->bytes);
    buf_give(exchange->worker->bufs, &exchange->head_buf);
    exchange->head_buf = buf;
    exchange->request = moved;
    return buf->bytes + bytes;
}

static enum exchange_reason rewrite(struct exchange *exchange, const struct edge_facts *facts,
                                    const struct subject *subject)
{
    const struct rewrite_settings *rewrite = &exchange->edge.route->rewrite;
    char target[EDGE_TEXT_MAX_BYTES], host[EDGE_HOST_MAX_BYTES];
    size_t target_bytes = 0, host_bytes = 0;
    bool new_target = (rewrite->path.written != NULL || rewrite->strip_prefix != NULL) &&
                      !(exchange->request.facts & FACT_ASTERISK);
    if (new_target && !write_target(exchange, facts, subject, target, &target_bytes)) {
        return REASON_TARGET_TOO_LONG;
    }
    if (rewrite->host.written != NULL &&
        !edge_render(&rewrite->host, facts, EDGE_IN_URL, host, sizeof host, &host_bytes)) {
        return REASON_HEAD_TOO_LARGE;
    }
    if (host_bytes > 0 && !edge_is_host(host, host_bytes)) {
        return REASON_REQUEST_INVALID;
    }
    char *at = move_head(exchange);
    if (at == NULL) {
        return REASON_NO_MEMORY;
    }
    struct http_head *head = &exchange->request;
    uint32_t behind = (uint32_t)(at - head->base);
    memcpy(at, target, target_bytes);
    memcpy(at + target_bytes, host, host_bytes);
    head->head_bytes += (uint32_t)(target_bytes + host_bytes);
    if (new_target) {
        head->target = (struct span){behind, (uint32_t)target_bytes};
    }
    if (host_bytes > 0) {
        head->host = (struct span){behind + (uint32_t)target_bytes, (uint32_t)host_bytes};
    }
    return REASON_COMPLETE;
}

static bool asks_to_rewrite(const struct rewrite_settings *rewrite)
{
    return rewrite->path.written != NULL || rewrite->strip_prefix != NULL ||
           rewrite->host.written != NULL;
}

/* ---- fields for the upstream ---- */

static bool edits_anything(const struct field_edit_settings *edit)
{
    return edit != NULL && edit->set_count + edit->add_count + edit->remove_count > 0;
}

bool exchange_edge_take_lines(struct exchange *exchange)
{
    if (exchange->edge.lines == NULL) {
        exchange->edge.lines = buf_take(exchange->worker->bufs, LINES_BYTES);
    }
    return exchange->edge.lines != NULL;
}

static enum exchange_reason edit_request(struct exchange *exchange, const struct edge_facts *facts)
{
    const struct edge_edits edits = request_edits(exchange);
    if (!edits_anything(edits.of[0]) && !edits_anything(edits.of[1])) {
        return REASON_COMPLETE;
    }
    if (!exchange_edge_take_lines(exchange)) {
        return REASON_NO_MEMORY;
    }
    return edge_edit_request(&edits, facts, &exchange->request, exchange->edge.lines)
               ? REASON_COMPLETE
               : REASON_HEAD_TOO_LARGE;
}

/* ---- the beginning ---- */

/* What goes on to the upstream, or what is answered in its place. */
static bool do_all(struct exchange *exchange, const struct edge_facts *facts,
                   const struct subject *subject)
{
    const struct route_settings *route = exchange->edge.route;
    if (route->redirect.to.written != NULL) {
        exchange_redirect(exchange, &route->redirect, facts);
        return false;
    }
    if (route->respond.status != 0) {
        exchange_respond(exchange, &route->respond, facts);
        return false;
    }
    exchange->edge.came_target = exchange->request.target;
    exchange->edge.came_host = exchange->request.host;
    enum exchange_reason reason = edit_request(exchange, facts);
    if (reason == REASON_COMPLETE && asks_to_rewrite(&route->rewrite)) {
        exchange->edge.rewritten = true;
        reason = rewrite(exchange, facts, subject);
    }
    if (reason != REASON_COMPLETE) {
        exchange_fail(exchange, reason, NULL);
        return false;
    }
    if (exchange->edge.serves) {
        exchange_serve(exchange);
        return false;
    }
    return true;
}

bool exchange_edge_begin(struct exchange *exchange, const struct route *route,
                         const struct route_upstream *upstream)
{
    exchange->edge.held = settings_get(exchange->worker->generation->settings);
    exchange->edge.route = route->settings;
    exchange->edge.timeouts = upstream != NULL ? upstream->timeouts : NULL;
    if (!may_pass(exchange)) {
        exchange_fail(exchange, REASON_ACCESS_DENIED, NULL);
        return false;
    }
    if (asks_for_subject(route) && !take_subject(exchange, route)) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return false;
    }
    exchange->edge.serves = exchange_serves(exchange);
    bool asks = auth_asked(&exchange->edge.route->auth);
    bool answers = upstream == NULL || exchange->edge.serves;
    if ((asks || answers) && !exchange_rates_pass(exchange, route)) {
        return false;
    }
    if (asks && !exchange_auth_begin(exchange)) {
        return false;
    }
    return exchange_edge_go_on(exchange);
}

bool exchange_edge_go_on(struct exchange *exchange)
{
    struct worker *worker =
        exchange->worker; /* the exchange may be over when it has been answered */
    struct buf *space = exchange->edge.subject;
    const struct subject *subject = space != NULL ? subject_in(space) : NULL;
    exchange->edge.subject = NULL;
    struct edge_facts facts = facts_of(exchange);
    if (subject != NULL) {
        facts.captures = &subject->captures;
        facts.captures_decoded = subject->decoded;
    }
    bool goes_on = do_all(exchange, &facts, subject);
    buf_give(worker->bufs, &space);
    if (goes_on) {
        exchange_mirror_begin(exchange);
    }
    return goes_on;
}

bool exchange_edge_share(struct exchange *twin, const struct exchange *exchange)
{
    twin->edge = exchange->edge;
    twin->edge.lines = NULL;
    twin->edge.auth = NULL;
    twin->edge.mirror = NULL;
    twin->edge.file = NULL; /* the exchange has none either */
    twin->edge.compressor = NULL;
    if (exchange->edge.held != NULL) {
        twin->edge.held = settings_get(exchange->edge.held);
    }
    if (exchange->edge.lines == NULL) {
        return true;
    }
    twin->edge.lines = buf_take(twin->worker->bufs, LINES_BYTES);
    if (twin->edge.lines == NULL) {
        return false;
    }
    twin->edge.lines->end = exchange->edge.lines->end;
    memcpy(twin->edge.lines->bytes, exchange->edge.lines->bytes, exchange->edge.lines->end);
    return true;
}

void exchange_edge_release(struct exchange *exchange)
{
    exchange_mirror_release(exchange);
    buf_give(exchange->worker->bufs, &exchange->edge.lines);
    buf_give(exchange->worker->bufs, &exchange->edge.subject);
    exchange_auth_release(exchange);
    compressor_free(&exchange->edge.compressor);
    if (exchange->edge.held != NULL) {
        exchange_stop_serving(exchange);
        settings_put(&exchange->edge.held);
    }
}

struct span exchange_came_target(const struct exchange *exchange)
{
    return exchange->edge.rewritten ? exchange->edge.came_target : exchange->request.target;
}

struct span exchange_came_host(const struct exchange *exchange)
{
    return exchange->edge.rewritten ? exchange->edge.came_host : exchange->request.host;
}

/* ---- the upstream's side ---- */

bool exchange_edge_add_lines(const struct exchange *exchange, char *space, size_t space_bytes,
                             struct added_fields *added)
{
    if (added->bytes + exchange->edge.lines->end > space_bytes) {
        return false;
    }
    size_t bytes = added->bytes;
    if (exchange->edge.route != NULL) {
        const struct edge_edits edits = request_edits(exchange);
        bytes = edge_filter_lines(&edits, space, bytes);
    }
    memcpy(space + bytes, exchange->edge.lines->bytes, exchange->edge.lines->end);
    *added = (struct added_fields){space, bytes + exchange->edge.lines->end};
    return true;
}

/* ---- the client's side ---- */

const struct http_head *exchange_edge_response(struct exchange *exchange,
                                               const struct http_head *head,
                                               const struct edge_extra *extra,
                                               struct http_head *edited, struct buf **ret_space)
{
    const struct edge_edits edits = response_edits(exchange, head->status);
    *ret_space = NULL;
    if (extra->value_bytes == 0 && !edits_anything(edits.of[0]) && !edits_anything(edits.of[1])) {
        return head;
    }
    struct buf *space = buf_take(exchange->worker->bufs, edge_response_bytes(&edits, head, extra));
    if (space == NULL) {
        return head;
    }
    const struct edge_facts facts = facts_of(exchange);
    edge_edit_response(&edits, &facts, head, extra, space, edited);
    *ret_space = space;
    return edited;
}

static const struct error_page_settings *page_among(const struct edge_settings *edge,
                                                    unsigned status, bool upstream)
{
    for (size_t i = 0; i < edge->page_count; i++) {
        const struct error_page_settings *page = &edge->pages[i];
        if (status >= page->status_first && status <= page->status_last &&
            (page->intercept || !upstream)) {
            return page;
        }
    }
    return NULL;
}

const struct error_page_settings *exchange_edge_page(const struct exchange *exchange,
                                                     unsigned status, bool upstream)
{
    const struct route_settings *route = exchange->edge.route;
    const struct error_page_settings *page =
        route != NULL ? page_among(&route->edge, status, upstream) : NULL;
    return page != NULL ? page : page_among(&settings_of(exchange)->edge, status, upstream);
}
