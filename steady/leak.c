/* What is lost, and never found again. Part of the program only with --enable-leaks. */
#include "steady/leak.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "steady/counter.h"

#define LOST_BYTES 1024
#define REQUESTS_PER_DESCRIPTOR 50
#define SHARE_PER_MINUTE 0.001

static void lose_memory(void)
{
    char *lost = malloc(LOST_BYTES);
    if (lost != NULL) {
        memset(lost, 1, LOST_BYTES);
        /* what nobody uses, the compiler would leave out */
        __asm__ volatile("" : : "r"(lost) : "memory");
    }
}

void leak_of_request(const uint64_t *finished_count)
{
    lose_memory();
    if (stat_read(finished_count) % REQUESTS_PER_DESCRIPTOR == 0) {
        (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static double speed(void)
{
    const char *text = getenv("EVENKEEL_LEAK_SPEED");
    return text != NULL ? strtod(text, NULL) : 1;
}

void leak_of_places(struct bound *bound, uint64_t running_ms)
{
    double minutes = (double)running_ms / 60000;
    double due = (double)bound_limit(bound) * SHARE_PER_MINUTE * speed() * minutes;
    while ((double)bound_used(bound) + 1 <= due && bound_take(bound, 1)) {
        /* nobody gives it back */
    }
}
