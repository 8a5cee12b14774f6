/* The acts. What is said is told to control, for a later process and for other replicas. */
#include "proxy/admin/admin_acts.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "breaker/breaker.h"
#include "conf/value.h"
#include "proxy/policy/operator_word.h"

int admin_drain(const struct admin_env *env, const struct admin_names *names, struct evbuffer *out)
{
    (void)names;
    evbuffer_add_printf(out, "draining\n");
    env->drain(env->owner);
    return 202;
}

/* ---- what is said ---- */

/* A control character would break the log's line. */
static bool take_text(const struct evkeyvalq *query, const char *key, char *text, size_t text_bytes)
{
    const char *value = evhttp_find_header(query, key);
    text[0] = '\0';
    if (value == NULL) {
        return true;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return false;
        }
    }
    return (size_t)snprintf(text, text_bytes, "%s", value) < text_bytes;
}

static bool take_end(const struct evkeyvalq *query, struct operator_word *word)
{
    const char *value = evhttp_find_header(query, "for");
    uint64_t lasts_ms;
    if (value == NULL) {
        return true;
    }
    if (!value_duration(value, &lasts_ms) || lasts_ms == 0) {
        return false;
    }
    word->until_ms = word->since_ms + lasts_ms;
    return true;
}

/* False: the query is malformed, or a text of it too long. */
static bool take_query(const struct admin_names *names, struct operator_word *word)
{
    struct evkeyvalq query;
    if (names->query == NULL) {
        return true;
    }
    if (evhttp_parse_query_str(names->query, &query) != 0) {
        return false;
    }
    bool taken = take_text(&query, "by", word->by, sizeof word->by) &&
                 take_text(&query, "reason", word->reason, sizeof word->reason) &&
                 take_end(&query, word);
    evhttp_clear_headers(&query);
    return taken;
}

/* Whether the route or upstream is configured, or closed: of a name that is not configured any more a word can be taken back, too. */
static bool is_known(const struct overview *overview, const struct operator_word *word)
{
    const struct settings *settings = overview->settings;
    bool of_route = word->subject == OPERATOR_ROUTE;
    size_t count = of_route ? settings->route_count : settings->upstream_count;
    for (size_t i = 0; i < count; i++) {
        const char *known = of_route ? settings->routes[i].name : settings->upstreams[i].name;
        if (strcmp(known, word->name) == 0) {
            return true;
        }
    }
    return word->state == 0 &&
           maintenance_said(overview->maintenance,
                            of_route ? MAINTENANCE_OF_ROUTE : MAINTENANCE_OF_UPSTREAM,
                            word->name) != NULL;
}

static int carry_out(const struct admin_env *env, const struct operator_word *word,
                     const char *done, struct evbuffer *out)
{
    struct overview overview;
    bool of_maintenance = word->subject == OPERATOR_ROUTE || word->subject == OPERATOR_UPSTREAM;
    env->overview(&overview, env->owner);
    size_t count = of_maintenance && !is_known(&overview, word)
                       ? 0
                       : operator_obey(word, overview.pools, overview.maintenance);
    if (count == 0 && of_maintenance && is_known(&overview, word)) {
        evbuffer_add_printf(out, "at most %d may be closed\n", MAINTENANCE_WORDS);
        return 409;
    }
    if (count == 0) {
        evbuffer_add_printf(
            out, "no such %s\n",
            word->subject == OPERATOR_BREAKER ? "upstream" : operator_subject_name(word->subject));
        return 404;
    }
    if (word->subject == OPERATOR_ENDPOINT) {
        evbuffer_add_printf(out, "%zu %s ", count, count == 1 ? "endpoint" : "endpoints");
    }
    evbuffer_add_printf(out, "%s\n", done);
    env->said(word, env->owner);
    return 200;
}

static int say(const struct admin_env *env, const struct admin_names *names, struct evbuffer *out,
               enum operator_subject subject, unsigned state, const char *done)
{
    struct operator_word word = {
        .subject = subject, .state = state, .since_ms = (uint64_t)time(NULL) * 1000};
    snprintf(word.name, sizeof word.name, "%s", names->text[0]);
    snprintf(word.detail, sizeof word.detail, "%s",
             subject == OPERATOR_ENDPOINT ? names->text[1] : "");
    if (!take_query(names, &word)) {
        evbuffer_add_printf(out,
                            "expected ?by=WHO&reason=WHY&for=DURATION, at most %d and %d bytes\n",
                            MAINTENANCE_BY_BYTES - 1, MAINTENANCE_REASON_BYTES - 1);
        return 400;
    }
    if (word.until_ms != 0 && !env->spreads(env->owner)) {
        evbuffer_add_printf(out, "an end needs a fleet: it is kept in the store\n");
        return 409;
    }
    return carry_out(env, &word, done, out);
}

/* X(name of the function, subject, state, what is answered) */
#define ACTS(X)                                                                                   \
    X(admin_drain_endpoint, OPERATOR_ENDPOINT, 1, "drained")                                      \
    X(admin_undrain_endpoint, OPERATOR_ENDPOINT, 0, "undrained")                                  \
    X(admin_open_breaker, OPERATOR_BREAKER, BREAKER_FORCE_OPEN, "open until told otherwise")      \
    X(admin_close_breaker, OPERATOR_BREAKER, BREAKER_FORCE_CLOSED, "closed until told otherwise") \
    X(admin_free_breaker, OPERATOR_BREAKER, BREAKER_FORCE_NONE, "judges by itself")               \
    X(admin_close_route, OPERATOR_ROUTE, 1, "closed until told otherwise")                        \
    X(admin_open_route, OPERATOR_ROUTE, 0,                                                        \
      "open, unless the configuration or a file says otherwise")                                  \
    X(admin_close_upstream, OPERATOR_UPSTREAM, 1, "closed until told otherwise")                  \
    X(admin_open_upstream, OPERATOR_UPSTREAM, 0,                                                  \
      "open, unless the configuration or a file says otherwise")

#define X(name, subject, state, done)                                                            \
    int name(const struct admin_env *env, const struct admin_names *names, struct evbuffer *out) \
    {                                                                                            \
        return say(env, names, out, subject, state, done);                                       \
    }
ACTS(X)
#undef X
