/* Settings as a counted object, and comparing upstreams by the schema. */
#include "conf/settings.h"

#include <stdlib.h>
#include <string.h>

#include "conf/load.h"
#include "steady/enum_names.h"

/* The settings live in their own arena; this stands before them. */
struct counted {
    struct settings settings; /* first: a pointer to it is a pointer to this */
    struct arena arena;
    unsigned references;
};

ENUM_NAME_FUNCTION(settings_result_name, enum settings_result, SETTINGS_RESULTS)

struct settings *settings_adopt(struct settings *settings, struct arena *arena)
{
    struct counted *counted = calloc(1, sizeof *counted);
    if (counted == NULL) {
        arena_release(arena);
        return NULL;
    }
    counted->settings = *settings;
    counted->arena = *arena;
    counted->references = 1;
    return &counted->settings;
}

struct settings *settings_get(struct settings *settings)
{
    struct counted *counted = (struct counted *)settings;
    __atomic_add_fetch(&counted->references, 1, __ATOMIC_RELAXED);
    return settings;
}

void settings_put(struct settings **settings)
{
    struct counted *counted = (struct counted *)*settings;
    *settings = NULL;
    if (counted == NULL || __atomic_sub_fetch(&counted->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    arena_release(&counted->arena);
    free(counted);
}

/* Equal in every row whose path begins with `prefix`: what is printed alike is alike. */
static bool upstream_rows_equal(const struct upstream_settings *a,
                                const struct upstream_settings *b, const char *prefix)
{
    const struct schema_section *section = schema_sections;
    while (strcmp(section->name, "upstreams") != 0) {
        section++;
    }
    bool equal = true;
    for (const struct schema_row *row = section->rows; row->path != NULL && equal; row++) {
        if (strncmp(row->path, prefix, strlen(prefix)) != 0) {
            continue;
        }
        equal = schema_row_equal(row, a, b);
    }
    return equal;
}

bool settings_upstream_same_pool(const struct upstream_settings *a,
                                 const struct upstream_settings *b)
{
    return upstream_rows_equal(a, b, "tls.") && a->proxy_protocol == b->proxy_protocol &&
           a->protocol == b->protocol;
}

bool settings_match_all(const struct route_match_settings *match)
{
    return match->listener == NULL && match->listener_count == 0 && match->host.name == NULL &&
           match->host_count == 0 && match->path == NULL && match->path_regex == NULL &&
           (match->path_prefix == NULL || strcmp(match->path_prefix, "/") == 0) &&
           match->method_count == 0 && match->header_name == NULL && match->query_name == NULL &&
           match->cookie_name == NULL && match->client_count == 0;
}
