/* The tables of resources. */
#include "proxy/admin/resources.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

ENUM_NAME_FUNCTION(resource_name, enum resource, RESOURCES)

#define BOUND_ROW(name, resource, follows, cause, remedy) {name, resource, follows, cause, remedy},
static const struct bound_words bounds[] = {BOUND_WORDS(BOUND_ROW)};

#define FIGURE_ROW(id, name, resource, follows, least_effect, meaning) \
    [id] = {name, resource, follows, least_effect, meaning},
const struct figure_words process_figures[PROCESS_FIGURE_COUNT] = {PROCESS_FIGURES(FIGURE_ROW)};
const struct figure_words upstream_figures[UPSTREAM_FIGURE_COUNT] = {UPSTREAM_FIGURES(FIGURE_ROW)};

const struct bound_words *bound_words_of(const char *name)
{
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (strcmp(bounds[i].name, name) == 0) {
            return &bounds[i];
        }
    }
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);
    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

const char *unit_of(const char *name)
{
    static const char *const units[] = {"bytes", "per_second", "seconds", "share"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ends_with(name, units[i])) {
            return units[i];
        }
    }
    return "count";
}
