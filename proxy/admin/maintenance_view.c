/* One object. */
#include "proxy/admin/maintenance_view.h"

#include <stddef.h>

#include "proxy/admin/operator_view.h"

void maintenance_write(struct json *json, const struct overview *overview, enum maintenance_of of,
                       const char *name, unsigned why)
{
    enum operator_subject subject = of == MAINTENANCE_OF_ROUTE ? OPERATOR_ROUTE : OPERATOR_UPSTREAM;
    if (why == 0) {
        json_text(json, "maintenance", NULL);
        return;
    }
    json_open(json, "maintenance", '{');
    json_bool(json, "operator", (why & MAINTENANCE_SAID) != 0);
    json_bool(json, "file", (why & MAINTENANCE_FILE) != 0);
    json_bool(json, "configuration", (why & MAINTENANCE_CONFIGURED) != 0);
    if (of == MAINTENANCE_OF_ROUTE) {
        json_bool(json, "upstream", (why & MAINTENANCE_UPSTREAM) != 0);
    }
    operator_view_fields(json, operator_book_find(overview->said, subject, name, ""));
    json_close(json, '}');
}
