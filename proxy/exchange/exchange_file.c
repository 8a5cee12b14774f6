/* Answers from files: the search, the head, and the payload as fast as the client takes it. */
#include <stdio.h>
#include <string.h>

#include "proxy/edge/edge_render.h"
#include "proxy/edge/served_file.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/accept_encoding.h"
#include "proxy/http/respond.h"
#include "proxy/http/target_path.h"
#include "steady/deadline.h"

/* The longest answer from a file, as timeouts.stream of upstreams is by default. */
#define FILE_ANSWER_MS (12 * UINT64_C(3600000))

static int64_t now_s(const struct exchange *exchange)
{
    return (int64_t)(worker_wall_ms(exchange->worker) / 1000);
}

/* ---- the payload ---- */

/* Reads as much as the client takes. */
static void exchange_read_on(struct exchange *exchange)
{
    struct served_file *file = exchange->edge.file;
    size_t room = exchange->downstream->room(exchange);
    if (room == 0) {
        exchange_pause(exchange);
        return;
    }
    const struct file_range range =
        file_plan_next(&file->plan, room < SERVED_READ_BYTES ? room : SERVED_READ_BYTES);
    bool last = file->plan.part + 1 == file->plan.parts.count &&
                range.last == file->plan.parts.of[file->plan.part].last;
    switch (served_file_read(file, range, last)) {
    case SERVED_OK: exchange_rearm(exchange); break;
    case SERVED_NO_MEMORY: exchange_fail(exchange, REASON_NO_MEMORY, NULL); break;
    case SERVED_BUSY:
    case SERVED_NO_FD: exchange_fail(exchange, REASON_DISK_BUSY, NULL); break;
    }
}

/* What has been read goes to the client, behind `head` if that is not NULL. */
static enum sink exchange_pass_data(struct exchange *exchange, const struct http_head *head)
{
    struct served_file *file = exchange->edge.file;
    char before[FILE_FRAME_BYTES], behind[FILE_FRAME_BYTES];
    size_t before_bytes, behind_bytes;
    file_plan_advance(&file->plan, file->data_bytes, before, &before_bytes, behind, &behind_bytes);
    const struct iovec all[] = {
        {before, before_bytes}, {file->data, file->data_bytes}, {behind, behind_bytes}};
    size_t first = before_bytes == 0;
    const struct payload payload = {all + first, 3 - first - (behind_bytes == 0),
                                    file_plan_over(&file->plan), NULL};
    if (head != NULL) {
        return exchange_answer_served(exchange, head, &payload);
    }
    exchange->response.payload_bytes += payload_bytes(&payload);
    exchange->response.moved_ms = exchange_now_ms(exchange);
    return exchange->downstream->send_payload(exchange, &payload);
}

/* Something of the answer has been sent. */
static void exchange_go_on_serving(struct exchange *exchange, enum sink sink)
{
    struct served_file *file = exchange->edge.file;
    if (sink == SINK_BROKEN) {
        return;
    }
    served_file_drop_data(file);
    if (file_plan_over(&file->plan)) {
        exchange->response.intact = true;
        exchange_finish(exchange, REASON_COMPLETE);
    } else if (sink == SINK_FULL) {
        exchange->response.full = true;
        exchange_rearm(exchange);
    } else {
        exchange_read_on(exchange);
    }
}

/* A file that has become shorter breaks the answer off, so that the client sees that it is not whole. */
static void exchange_on_file_data(struct exchange *exchange)
{
    struct served_file *file = exchange->edge.file;
    if (file->data_bytes == 0) {
        exchange_fail(exchange, file->failed ? REASON_FILE_FAILED : REASON_FILE_CHANGED, NULL);
        return;
    }
    exchange_go_on_serving(exchange, exchange_pass_data(exchange, NULL));
}

void exchange_serve_on(struct exchange *exchange)
{
    exchange->response.full = exchange->response.paused = false;
    exchange->response.moved_ms = exchange_now_ms(exchange);
    if (exchange->edge.file->step == SERVED_REST) {
        exchange_read_on(exchange);
    }
}

/* ---- the head ---- */

/* A folder's files have relative links, which need its path to end with a slash. */
static void exchange_redirect_to_folder(struct exchange *exchange)
{
    char location[EDGE_TEXT_MAX_BYTES];
    const struct span came = exchange_came_target(exchange);
    const char *target = head_text(&exchange->request, came);
    size_t path_bytes = target_path_bytes(target, came.bytes);
    if (came.bytes + 1 > sizeof location) {
        exchange_fail(exchange, REASON_TARGET_TOO_LONG, NULL);
        return;
    }
    memcpy(location, target, path_bytes);
    location[path_bytes] = '/';
    memcpy(location + path_bytes + 1, target + path_bytes, came.bytes - path_bytes);
    /* "//name/" would be a host */
    size_t bytes = edge_one_slash(location, came.bytes + 1);
    exchange_redirect_to(exchange, 301, location, bytes);
}

static void exchange_send_file(struct exchange *exchange, struct own_response *own)
{
    struct served_file *file = exchange->edge.file;
    const struct payload none = {NULL, 0, false, NULL};
    if (exchange->request.method == METHOD_HEAD || file_plan_over(&file->plan)) {
        exchange_finish_own(exchange, REASON_COMPLETE, own);
        return;
    }
    exchange_go_on_serving(exchange, served_file_has_data(file)
                                         ? exchange_pass_data(exchange, &own->head)
                                         : exchange_answer_served(exchange, &own->head, &none));
}

static void exchange_answer_file(struct exchange *exchange)
{
    struct served_file *file = exchange->edge.file;
    struct worker *worker = exchange->worker;
    struct own_response own;
    char value[64];
    file_plan_make(&file->plan, &exchange->request, file->request.files, &file->found,
                   now_s(exchange), rng_next(&worker->loop.rng));
    if (file->plan.status == 412) {
        exchange_fail(exchange, REASON_FILE_CONDITION, NULL);
    } else if (file->plan.status == 416) {
        snprintf(value, sizeof value, "bytes */%llu", (unsigned long long)file->found.bytes);
        exchange_refuse_with(exchange, REASON_FILE_RANGE, "Content-Range", value);
    } else {
        file_plan_describe(&file->plan, now_s(exchange), &own);
        exchange_send_file(exchange, &own);
    }
}

static void exchange_on_not_found(struct exchange *exchange)
{
    if (exchange->target.upstream == NULL) {
        exchange_fail(exchange, REASON_FILE_NOT_FOUND, NULL);
        return;
    }
    exchange_stop_serving(exchange);
    exchange_forward_late(exchange);
}

static void exchange_on_found(struct exchange *exchange)
{
    switch (exchange->edge.file->result) {
    case FILE_SEARCH_FOUND: exchange_answer_file(exchange); break;
    case FILE_SEARCH_FOLDER: exchange_redirect_to_folder(exchange); break;
    case FILE_SEARCH_NOT_FOUND: exchange_on_not_found(exchange); break;
    case FILE_SEARCH_DENIED: exchange_fail(exchange, REASON_FILE_DENIED, NULL); break;
    case FILE_SEARCH_FAILED: exchange_fail(exchange, REASON_FILE_FAILED, NULL); break;
    }
}

/* A step of the file is over. */
static void exchange_on_file(void *owner)
{
    struct exchange *exchange = owner;
    if (exchange_is_over(exchange)) {
        return;
    }
    if (exchange->response.status == 0) {
        exchange_on_found(exchange);
    } else {
        exchange_on_file_data(exchange);
    }
}

/* ---- the search ---- */

/* Whether the request may be for less than the whole file. */
static bool asks_for_less(const struct http_head *request)
{
    static const char *const names[] = {"range", "if-none-match", "if-modified-since", "if-match",
                                        "if-unmodified-since"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (head_find_name(request, names[i], strlen(names[i])) != NULL) {
            return true;
        }
    }
    return request->method == METHOD_HEAD;
}

static void exchange_search(struct exchange *exchange, const struct file_path *path)
{
    const struct route_settings *route = exchange->edge.route;
    const struct http_head *request = &exchange->request;
    const struct served_request served = {
        .worker = exchange->worker,
        .settings = exchange->edge.held,
        .files = &route->files,
        .codings = route->files.precompressed ? accept_encodings(request) : 0,
        .client_slot = exchange_client_slot(exchange),
        .ahead = !asks_for_less(request),
        .ready = exchange_on_file,
        .owner = exchange,
    };
    switch (served_file_search(&served, path, &exchange->edge.file)) {
    case SERVED_OK: exchange_enter(exchange, EXCHANGE_SERVING); break;
    case SERVED_BUSY: exchange_fail(exchange, REASON_DISK_BUSY, NULL); break;
    case SERVED_NO_FD: exchange_fail(exchange, REASON_NO_DESCRIPTORS, NULL); break;
    case SERVED_NO_MEMORY: exchange_fail(exchange, REASON_NO_MEMORY, NULL); break;
    }
}

static bool find_path(const struct exchange *exchange, struct file_path *ret_path)
{
    const struct http_head *request = &exchange->request;
    const char *target = head_text(request, request->target);
    return file_path_read(target, target_path_bytes(target, request->target.bytes), ret_path);
}

/* Whether links of a folder's index would lead where they should. What strip_prefix leaves of "/docs" is "/", but its files are below
   "/docs/"; a route for one path alone has no other to send the client to. */
static bool came_as_folder(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    const struct span came = exchange_came_target(exchange);
    const char *target = head_text(&exchange->request, came);
    size_t path_bytes = target_path_bytes(target, came.bytes);
    return route->rewrite.strip_prefix == NULL || route->match.path != NULL || path_bytes == 0 ||
           target[path_bytes - 1] == '/';
}

bool exchange_serves(const struct exchange *exchange)
{
    const struct http_head *request = &exchange->request;
    struct file_path path;
    if (exchange->edge.route->files.root == NULL) {
        return false;
    }
    bool reads = request->method == METHOD_GET || request->method == METHOD_HEAD;
    return exchange->target.upstream == NULL ||
           (reads && !(request->facts & FACT_UPGRADE) && find_path(exchange, &path));
}

void exchange_serve(struct exchange *exchange)
{
    const struct http_head *request = &exchange->request;
    uint64_t now_ms = exchange_now_ms(exchange), deadline_ms = exchange->edge.route->deadline_ms;
    struct file_path path;
    if (request->method != METHOD_GET && request->method != METHOD_HEAD) {
        exchange_refuse_with(exchange, REASON_METHOD_NOT_ALLOWED, "Allow", "GET, HEAD");
        return;
    }
    if (!find_path(exchange, &path)) {
        exchange_fail(exchange, REASON_FILE_NOT_FOUND, NULL);
        return;
    }
    path.folder = path.folder && came_as_folder(exchange);
    exchange->times.end_ms = deadline_after(now_ms, FILE_ANSWER_MS);
    exchange->times.deadline_ms =
        deadline_ms != 0 ? deadline_after(now_ms, deadline_ms) : exchange->times.end_ms;
    exchange->response.moved_ms = now_ms;
    if (exchange->target.upstream != NULL) {
        admission_enter(exchange, ADMISSION_APART);
        exchange->body.full = true;
    }
    exchange_search(exchange, &path);
}

bool exchange_judge_serving(struct exchange *exchange)
{
    const struct downstream_ops *downstream = exchange->downstream;
    uint64_t given_bytes = exchange->response.payload_bytes;
    uint32_t untaken_bytes = downstream->untaken != NULL ? downstream->untaken(exchange) : 0;
    return served_file_has_to_go(exchange->edge.file,
                                 given_bytes > untaken_bytes ? given_bytes - untaken_bytes : 0);
}

void exchange_stop_serving(struct exchange *exchange)
{
    served_file_let_go(&exchange->edge.file);
}
