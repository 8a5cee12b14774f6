/* The end of the process when an invariant does not hold. */
#include "steady/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void check_failed(const char *file, unsigned line, const char *condition)
{
    char digits[10];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + line % 10);
        line /= 10;
    } while (line != 0);

    struct iovec parts[] = {
        {(char *)file, strlen(file)},
        {digits + first, sizeof digits - first},
        {(char *)condition, strlen(condition)},
    };
    ssize_t written = writev(STDERR_FILENO, parts, sizeof parts / sizeof parts[0]);
    (void)written;
    abort();
}
