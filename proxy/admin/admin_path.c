/* Paths and the names in them. */
#include "proxy/admin/admin_path.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

bool admin_path_name(const char *segment, size_t bytes, char name[ADMIN_NAME_BYTES])
{
    size_t plain_bytes = 0;
    char escaped[ADMIN_NAME_BYTES];
    if (bytes == 0 || bytes >= sizeof escaped) {
        return false;
    }
    memcpy(escaped, segment, bytes);
    escaped[bytes] = '\0';
    char *plain = evhttp_uridecode(escaped, 0, &plain_bytes);
    bool good = plain != NULL && strlen(plain) == plain_bytes;
    if (good) {
        memcpy(name, plain, plain_bytes + 1); /* the result is never longer than the segment */
    }
    free(plain);
    return good;
}

bool admin_path_matches(const char *pattern, const char *path, struct admin_names *names)
{
    size_t count = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '*') {
            if (*path++ != *pattern) {
                return false;
            }
            continue;
        }
        size_t bytes = strcspn(path, "/");
        if (count == ADMIN_NAMES || !admin_path_name(path, bytes, names->text[count++])) {
            return false;
        }
        path += bytes;
    }
    return *path == '\0';
}
