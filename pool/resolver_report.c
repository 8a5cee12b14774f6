/* Log lines and figures of a resolver. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "pool/resolver_state.h"

uint64_t resolver_now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void resolver_report(const struct resolver *resolver, enum log_level level, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    resolver->env.say(level, text, resolver->env.owner);
}

/* Lists the first addresses: "10.0.0.1, 10.0.0.2, ...". */
static void list_ips(const struct question *question, char *text, size_t text_bytes)
{
    struct named_address addresses[4];
    char one[ADDRESS_TEXT_BYTES];
    size_t known = question->ip_count, used = 0;
    size_t count = known < 4 ? known : 4;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < text_bytes; i++) {
        addresses[i] = question_address(question, i, 0);
        address_format_ip(&addresses[i].address.any, one);
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i > 0 ? ", " : "", one);
    }
    if (count < known && used < text_bytes) {
        snprintf(text + used, text_bytes - used, ", and %zu more", known - count);
    }
}

void resolver_report_change(const struct resolver *resolver, const struct question *question,
                            bool was_holding)
{
    char text[256];
    const struct name *name = question->name;
    if (question->type == DNS_SRV || question->ip_count == 0) {
        return;
    }
    list_ips(question, text, sizeof text);
    resolver_report(resolver, was_holding ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "name %s: %s: %s",
                    name->host, dns_type_name(question->type), text);
}

void resolver_report_failure(const struct resolver *resolver, const struct question *question)
{
    const struct name_state *state = &question->state;
    if (state->failures_count == 1) {
        resolver_report(resolver, LOG_LEVEL_WARN, "name %s: %s: %s%s", question->name->host,
                        dns_type_name(question->type), lookup_result_name(state->last),
                        state->holding ? "; the known records stay in use" : "");
    }
}

void resolver_report_no(const struct resolver *resolver, const struct question *question)
{
    if (question->state.holding && question->state.no_count == 1) {
        resolver_report(resolver, LOG_LEVEL_WARN,
                        "name %s: %s: %s; the known records stay in use until this is repeated",
                        question->name->host, dns_type_name(question->type),
                        lookup_result_name(question->state.last));
    }
}

/* ---- figures ---- */

static struct name_figures figures_of(const struct name *name, uint64_t now_ms)
{
    struct named_address addresses[POOL_NAME_ADDRESSES];
    struct name_figures figures = {
        .name = name->host,
        .source = name->source == NAME_FROM_HOSTS ? "hosts" : "dns",
        .service = name->service,
        .addresses_count = name_addresses(name, 0, addresses, POOL_NAME_ADDRESSES),
        .next_ms = UINT64_MAX,
    };
    for (unsigned i = 0; i < name->question_count; i++) {
        const struct name_state *state = &name->questions[i].state;
        uint64_t left_ms = state->next_ms > now_ms ? state->next_ms - now_ms : 0;
        figures.stale = figures.stale || name_state_stale(state, now_ms);
        figures.next_ms = left_ms < figures.next_ms ? left_ms : figures.next_ms;
        if (state->holding && now_ms - state->answered_ms > figures.age_ms) {
            figures.age_ms = now_ms - state->answered_ms;
        }
        if (state->failures_count > figures.failures_row) {
            figures.failures_row = state->failures_count;
        }
        if (state->ended) {
            figures.last[name->questions[i].type] = lookup_result_name(state->last);
        }
    }
    return figures;
}

void resolver_each_name(const struct resolver *resolver, name_figures_fn *each, void *owner)
{
    const struct name *name;
    uint64_t now_ms = resolver_now_ms();
    TAILQ_FOREACH (name, &resolver->names.list, link) {
        struct name_figures figures = figures_of(name, now_ms);
        if (name->wanted) {
            each(&figures, owner);
        }
    }
}

void resolver_figures(const struct resolver *resolver, struct resolver_figures *ret_figures)
{
    *ret_figures = resolver->figures;
}
