/* Searches the table, for names with the right first letter only. */
#include "proxy/http/believed_fields.h"

#include "proxy/http/field_names.h"

static const struct {
    const char *name;
    size_t name_bytes;
} rows[] = {
#define X(name) {name, sizeof(name) - 1},
    BELIEVED_FIELDS(X)
#undef X
};

static bool begins_with_prefix(const char *name, size_t name_bytes)
{
    const size_t prefix_bytes = sizeof BELIEVED_PREFIX - 1;
    return name_bytes > prefix_bytes && field_name_equal(name, BELIEVED_PREFIX, prefix_bytes);
}

bool believed_field(const char *name, size_t name_bytes)
{
    if (begins_with_prefix(name, name_bytes)) {
        return true;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].name_bytes == name_bytes && field_name_equal(name, rows[i].name, name_bytes)) {
            return true;
        }
    }
    return false;
}
