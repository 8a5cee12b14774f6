/*
 * CHECK(): assertions that stay on in release, for cheap invariants whose breach must not go on unseen.
 *
 * Owns nothing. Thread: any. Errors: none are returned; a failed check writes file, line and condition to standard
 * error and aborts.
 */
#ifndef EVENKEEL_STEADY_CHECK_H
#define EVENKEEL_STEADY_CHECK_H

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (__builtin_expect(!(condition), 0))                                        \
            check_failed(__FILE__ ":", __LINE__, ": check failed: " #condition "\n"); \
    } while (0)

/* Not for direct use. Allocates nothing and uses no stdio: it may run on a damaged heap. */
__attribute__((cold, noreturn)) void check_failed(const char *file, unsigned line,
                                                  const char *condition);

#endif
