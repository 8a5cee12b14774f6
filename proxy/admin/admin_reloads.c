/* The waiters for a reload, and the answers they get. */
#include "proxy/admin/admin_reloads.h"

#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "proxy/admin/admin_places.h"
#include "proxy/admin/json.h"
#include "steady/loop_clock.h"

/* Longest time until an answer: the connection of a request that waits longer than that of any answer is closed. */
#define RELOAD_ANSWER_MS 20000
/* Interval of the checks for requests that have waited that long. */
#define RELOAD_LOOK_MS 250

struct reload_waiter {
    TAILQ_ENTRY(reload_waiter) link;
    struct evhttp_request *request;
    uint64_t until_ms;
    bool read; /* the file was read after the request */
};

struct admin_reloads {
    struct admin_reloads_env env;
    TAILQ_HEAD(, reload_waiter) waiters; /* in the order of their requests */
    size_t count;
    struct event *look;
};

static uint64_t reloads_now_ms(void)
{
    return loop_clock_ms(&(struct loop_clock){0});
}

/* ---- answers ---- */

static void write_messages(struct json *json, const struct settings_messages *messages,
                           enum settings_severity severity)
{
    for (size_t i = 0; messages != NULL && i < messages->count; i++) {
        if (messages->items[i].severity == severity) {
            json_text(json, NULL, messages->items[i].text);
        }
    }
}

static void write_outcome(struct evbuffer *out, const struct reload_outcome *outcome)
{
    static const char *const words[] = {
#define X(id, word, status) [id] = word,
        RELOAD_VERDICTS(X)
#undef X
    };
    struct json json = {.out = out};
    json_open(&json, NULL, '{');
    json_text(&json, "result", words[outcome->verdict]);
    json_uint(&json, "generation", outcome->generation);
    json_open(&json, "errors", '[');
    write_messages(&json, outcome->messages, SETTINGS_ERROR);
    if (outcome->why != NULL) {
        json_text(&json, NULL, outcome->why);
    }
    json_close(&json, ']');
    json_open(&json, "warnings", '[');
    write_messages(&json, outcome->messages, SETTINGS_WARNING);
    json_close(&json, ']');
    json_close(&json, '}');
    evbuffer_add(out, "\n", 1);
}

static int verdict_status(enum reload_verdict verdict)
{
    static const int statuses[] = {
#define X(id, word, status) [id] = status,
        RELOAD_VERDICTS(X)
#undef X
    };
    return statuses[verdict];
}

static void waiter_remove(struct admin_reloads *reloads, struct reload_waiter *waiter)
{
    TAILQ_REMOVE(&reloads->waiters, waiter, link);
    reloads->count--;
    free(waiter);
}

/* When the connection of a request in progress ends, evhttp detaches the request and leaves it to its handler. */
static bool waiter_is_orphan(const struct reload_waiter *waiter)
{
    return evhttp_request_get_connection(waiter->request) == NULL;
}

static void waiter_answer(struct admin_reloads *reloads, struct reload_waiter *waiter,
                          const struct reload_outcome *outcome)
{
    struct evhttp_request *request = waiter->request;
    bool orphan = waiter_is_orphan(waiter);
    waiter_remove(reloads, waiter);
    if (orphan) {
        evhttp_request_free(request);
        return;
    }
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        write_outcome(body, outcome);
    }
    reloads->env.finish(request, verdict_status(outcome->verdict), body, reloads->env.owner);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

/* ---- waiting ---- */

static void reloads_arm(struct admin_reloads *reloads)
{
    const struct timeval period = {0, RELOAD_LOOK_MS * 1000};
    if (reloads->count > 0) {
        event_add(reloads->look, &period);
    }
}

static void reloads_on_look(evutil_socket_t fd, short what, void *arg)
{
    struct admin_reloads *reloads = arg;
    struct reload_waiter *waiter, *next;
    (void)fd;
    (void)what;
    const struct reload_outcome late = {.verdict = RELOAD_WAITS,
                                        .generation = reloads->env.generation(reloads->env.owner)};
    for (waiter = TAILQ_FIRST(&reloads->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (waiter_is_orphan(waiter) || reloads_now_ms() >= waiter->until_ms) {
            waiter_answer(reloads, waiter, &late);
        }
    }
    reloads_arm(reloads);
}

/* Of "?wait=5", in seconds: how long to wait for an answer. */
static uint64_t wait_ms_of(struct evhttp_request *request)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq words;
    if (query == NULL || evhttp_parse_query_str(query, &words) != 0) {
        return RELOAD_ANSWER_MS;
    }
    const char *text = evhttp_find_header(&words, "wait");
    char *end = NULL;
    unsigned long wait_s = text != NULL ? strtoul(text, &end, 10) : 0;
    bool known = text != NULL && end != text && *end == '\0' && wait_s < RELOAD_ANSWER_MS / 1000;
    evhttp_clear_headers(&words);
    return known ? wait_s * 1000 : RELOAD_ANSWER_MS;
}

bool admin_reloads_ask(struct admin_reloads *reloads, struct evhttp_request *request)
{
    struct reload_waiter *waiter =
        reloads->count < ADMIN_CONNECTIONS ? calloc(1, sizeof *waiter) : NULL;
    if (waiter == NULL) {
        return false;
    }
    waiter->request = request;
    waiter->until_ms = reloads_now_ms() + wait_ms_of(request);
    TAILQ_INSERT_TAIL(&reloads->waiters, waiter, link);
    reloads->count++;
    const char *refusal = reloads->env.reload(reloads->env.owner);
    if (refusal != NULL) {
        const struct reload_outcome refused = {.verdict = RELOAD_REFUSED,
                                               .generation =
                                                   reloads->env.generation(reloads->env.owner),
                                               .why = refusal};
        waiter_answer(reloads, waiter, &refused);
    }
    reloads_arm(reloads);
    return true;
}

void admin_reloads_begun(struct admin_reloads *reloads)
{
    struct reload_waiter *waiter;
    if (reloads == NULL) {
        return;
    }
    TAILQ_FOREACH (waiter, &reloads->waiters, link) {
        waiter->read = true;
    }
}

static void reloads_answer(struct admin_reloads *reloads, const struct reload_outcome *outcome,
                           bool everyone)
{
    struct reload_waiter *waiter, *next;
    for (waiter = reloads != NULL ? TAILQ_FIRST(&reloads->waiters) : NULL; waiter != NULL;
         waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (waiter->read || everyone) {
            waiter_answer(reloads, waiter, outcome);
        }
    }
}

void admin_reloads_over(struct admin_reloads *reloads, const struct reload_outcome *outcome)
{
    reloads_answer(reloads, outcome, false);
}

void admin_reloads_refuse(struct admin_reloads *reloads, const char *why)
{
    if (reloads == NULL) {
        return;
    }
    const struct reload_outcome refused = {.verdict = RELOAD_REFUSED,
                                           .generation =
                                               reloads->env.generation(reloads->env.owner),
                                           .why = why};
    reloads_answer(reloads, &refused, true);
}

/* ---- life ---- */

struct admin_reloads *admin_reloads_create(const struct admin_reloads_env *env)
{
    struct admin_reloads *reloads = calloc(1, sizeof *reloads);
    if (reloads == NULL) {
        return NULL;
    }
    reloads->env = *env;
    TAILQ_INIT(&reloads->waiters);
    reloads->look = evtimer_new(env->base, reloads_on_look, reloads);
    if (reloads->look == NULL) {
        admin_reloads_free(&reloads);
    }
    return reloads;
}

void admin_reloads_free(struct admin_reloads **reloads_pointer)
{
    struct admin_reloads *reloads = *reloads_pointer;
    struct reload_waiter *waiter, *next;
    if (reloads == NULL) {
        return;
    }
    for (waiter = TAILQ_FIRST(&reloads->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (waiter_is_orphan(waiter)) {
            evhttp_request_free(waiter->request);
        }
        waiter_remove(reloads, waiter);
    }
    if (reloads->look != NULL) {
        event_free(reloads->look);
    }
    free(reloads);
    *reloads_pointer = NULL;
}
