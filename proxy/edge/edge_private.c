/* A shared cache stores no response that says "private", whatever else the response says. */
#include "proxy/edge/edge_private.h"

#include <string.h>

#include "proxy/edge/edge_fields.h"
#include "steady/buf.h"

/* Whether caches of some kind obey this field in place of Cache-Control. */
static bool goes_first(const char *name, size_t name_bytes)
{
    static const char targeted[] = "CDN-Cache-Control"; /* and with the name of a kind before it */
    const size_t targeted_bytes = sizeof targeted - 1;
    return (name_bytes >= targeted_bytes &&
            edge_name_is(name + name_bytes - targeted_bytes, targeted_bytes, targeted)) ||
           edge_name_is(name, name_bytes, "Surrogate-Control") ||
           edge_name_is(name, name_bytes, "X-Accel-Expires");
}

void edge_keep_from_caches(struct http_head *head, struct buf *space)
{
    static const char name[] = "Cache-Control", value[] = "private";
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (goes_first(head->base + field->name_at, field->name_bytes)) {
            field->drop = 1;
        }
    }
    edge_head_write(head, space, name, value, sizeof value - 1);
}
