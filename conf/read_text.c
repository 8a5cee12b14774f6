/* Reads a file or a pipe to its end. */
#include "conf/read_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP_BYTES ((size_t)64 * 1024)

/* Some editors begin a file with the mark of UTF-8. */
static void drop_mark(char *text)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t bytes = sizeof mark - 1;
    if (strncmp(text, mark, bytes) == 0) {
        memmove(text, text + bytes, strlen(text + bytes) + 1);
    }
}

static char *read_all(FILE *file, size_t most_bytes, size_t *ret_bytes, const char **ret_why)
{
    char *text = NULL;
    size_t used_bytes = 0, got_bytes;
    do {
        char *grown = realloc(text, used_bytes + READ_STEP_BYTES + 1);
        if (grown == NULL) {
            free(text);
            *ret_why = strerror(ENOMEM);
            return NULL;
        }
        text = grown;
        got_bytes = fread(text + used_bytes, 1, READ_STEP_BYTES, file);
        used_bytes += got_bytes;
        text[used_bytes] = '\0';
    } while (got_bytes == READ_STEP_BYTES && used_bytes <= most_bytes);
    *ret_bytes = used_bytes;
    *ret_why = ferror(file)                ? strerror(errno)
               : used_bytes > most_bytes   ? "larger than 16 MiB"
               : strlen(text) < used_bytes ? "contains a NUL byte: not a text file"
                                           : NULL;
    if (*ret_why != NULL) {
        free(text);
        return NULL;
    }
    drop_mark(text);
    return text;
}

FILE *read_open_regular(const char *path, const char **ret_why)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool regular = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    FILE *file = regular ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        *ret_why = fd >= 0 && !regular ? "not a regular file" : strerror(errno);
        if (fd >= 0) {
            close(fd);
        }
    }
    return file;
}

static char *open_and_read(const char *path, bool only_regular, size_t most_bytes,
                           size_t *ret_bytes, const char **ret_why)
{
    *ret_why = NULL;
    FILE *file = only_regular ? read_open_regular(path, ret_why) : fopen(path, "re");
    if (file == NULL) {
        *ret_why = *ret_why != NULL ? *ret_why : strerror(errno);
        return NULL;
    }
    char *text = read_all(file, most_bytes, ret_bytes, ret_why);
    fclose(file);
    return text;
}

char *read_text(const char *path, bool only_regular, size_t most_bytes,
                const struct settings_reading *reading, size_t *ret_bytes, const char **ret_why)
{
    reading_tell(reading, path);
    char *text = open_and_read(path, only_regular, most_bytes, ret_bytes, ret_why);
    reading_tell(reading, NULL);
    return text;
}
