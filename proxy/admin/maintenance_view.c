/* One object. */
#include "proxy/admin/maintenance_view.h"

#include <stddef.h>

void maintenance_write(struct json *json, const struct maintenance *maintenance,
                       enum maintenance_of of, const char *name, unsigned why)
{
    if (why == 0) {
        json_text(json, "maintenance", NULL);
        return;
    }
    const struct maintenance_word *word = maintenance_said(maintenance, of, name);
    json_open(json, "maintenance", '{');
    json_bool(json, "operator", (why & MAINTENANCE_SAID) != 0);
    json_bool(json, "file", (why & MAINTENANCE_FILE) != 0);
    json_bool(json, "configuration", (why & MAINTENANCE_CONFIGURED) != 0);
    if (of == MAINTENANCE_OF_ROUTE) {
        json_bool(json, "upstream", (why & MAINTENANCE_UPSTREAM) != 0);
    }
    json_text(json, "by", word != NULL && word->by[0] != '\0' ? word->by : NULL);
    json_text(json, "reason", word != NULL && word->reason[0] != '\0' ? word->reason : NULL);
    json_time(json, "since", word != NULL ? word->since_wall_ms : 0);
    json_close(json, '}');
}
