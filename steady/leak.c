/* What is lost, and never found again. Part of the program only with --enable-leaks. */
#include "steady/leak.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define LOST_BYTES 1024
#define REQUESTS_PER_DESCRIPTOR 50
#define SHARE_PER_MINUTE 0.001

/* Nobody looks at it; but what nothing points at, the compiler would leave out, and leak checkers would tell of. */
struct lost {
    struct lost *before;
    char bytes[LOST_BYTES - sizeof(struct lost *)];
};
static struct lost *last;

static void lose_memory(void)
{
    struct lost *lost = malloc(sizeof *lost);
    if (lost != NULL) {
        memset(lost->bytes, 1, sizeof lost->bytes);
        lost->before = __atomic_exchange_n(&last, lost, __ATOMIC_RELAXED);
    }
}

void leak_descriptors_and_memory(uint64_t nth_request)
{
    lose_memory();
    if (nth_request % REQUESTS_PER_DESCRIPTOR == 0) {
        (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static double speed(void)
{
    const char *text = getenv("EVENKEEL_LEAK_SPEED");
    return text != NULL ? strtod(text, NULL) : 1;
}

void leak_places(struct bound *bound, uint64_t running_ms)
{
    double minutes = (double)running_ms / 60000;
    double due = (double)bound_limit(bound) * SHARE_PER_MINUTE * speed() * minutes;
    while ((double)bound_used(bound) + 1 <= due && bound_take(bound, 1)) {
        /* nobody gives it back */
    }
}
