/* By name, and by the name that a server may read instead. */
#include "proxy/exchange/field_trust.h"

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/exchange_auth.h"
#include "proxy/http/believed_fields.h"

/* A longer name stands in for none that matters. */
#define TWIN_MAX_BYTES 64
/* Of a name in the log. */
#define TOLD_MAX_BYTES 64

static bool passes(const struct header_settings *settings, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < settings->pass_count; i++) {
        if (strlen(settings->pass[i]) == name_bytes &&
            field_name_equal(name, settings->pass[i], name_bytes)) {
            return true;
        }
    }
    return false;
}

/* Whether upstreams would believe what this client is not believed. */
static bool deceives(const struct exchange *exchange, const struct header_settings *settings,
                     const char *name, size_t name_bytes)
{
    return !exchange->trusted && believed_field(name, name_bytes) &&
           !passes(settings, name, name_bytes);
}

void field_trust_judge(struct exchange *exchange, const struct header_settings *settings,
                       struct http_field *field)
{
    const char *name = exchange->request.base + field->name_at;
    if (deceives(exchange, settings, name, field->name_bytes)) {
        field->drop = 1;
        stat_add(&exchange->worker->stats.fields_believed_dropped, 1);
    }
}

/* ---- names with "_" ---- */

/* Whether a server that takes "_" for "-" would read a field that the proxy knows, or that this client may not set. */
static bool stands_in(const struct exchange *exchange, const struct header_settings *settings,
                      const char *name, size_t name_bytes)
{
    char twin[TWIN_MAX_BYTES];
    if (name_bytes > sizeof twin) {
        return true;
    }
    for (size_t i = 0; i < name_bytes; i++) {
        twin[i] = name[i] == '_' ? '-' : name[i];
    }
    return field_id_of(twin, name_bytes) != FIELD_OTHER ||
           deceives(exchange, settings, twin, name_bytes);
}

/* Logged once in the life of the process, so that an operator who misses such a field finds out why. */
static void tell_once(struct exchange *exchange, const char *name, size_t name_bytes)
{
    struct worker *worker = exchange->worker;
    if (__atomic_exchange_n(&worker->env.shared->underscores_told, 1, __ATOMIC_RELAXED) == 0) {
        log_warn(worker->env.log,
                 "field %.*s dropped: servers may take \"_\" in a name for \"-\"; later ones are "
                 "counted in evenkeel_fields_underscore_dropped_total (headers.underscores)",
                 (int)(name_bytes < TOLD_MAX_BYTES ? name_bytes : TOLD_MAX_BYTES), name);
    }
}

void field_trust_underscores(struct exchange *exchange, const struct header_settings *settings,
                             struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        const char *name = head->base + field->name_at;
        if (field->id == FIELD_OTHER && !field->drop &&
            memchr(name, '_', field->name_bytes) != NULL &&
            (!settings->underscores || stands_in(exchange, settings, name, field->name_bytes))) {
            field->drop = 1;
            stat_add(&exchange->worker->stats.fields_underscore_dropped, 1);
            tell_once(exchange, name, field->name_bytes);
        }
    }
}

void field_trust_trailers(struct exchange *exchange, const struct http_head *trailers)
{
    const struct header_settings *settings = &exchange->worker->generation->settings->headers;
    struct http_head fields = *trailers;
    exchange_auth_guard(exchange, &fields);
    for (size_t i = 0; i < fields.field_count; i++) {
        struct http_field *field = &fields.fields[i];
        if (field->id == FIELD_OTHER &&
            deceives(exchange, settings, fields.base + field->name_at, field->name_bytes)) {
            field->drop = 1;
            stat_add(&exchange->worker->stats.fields_believed_dropped, 1);
        }
    }
    if (fields.facts & FACT_UNDERSCORE) {
        field_trust_underscores(exchange, settings, &fields);
    }
}
