/* What unit tests share: cmocka with the headers it needs, seeds of randomised tests, and code that has to abort. */
#ifndef EVENKEEL_TESTS_UNIT_UNIT_H
#define EVENKEEL_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steady/sanitize.h"

/* A new seed each run, told in the output; EVENKEEL_SEED repeats a run. */
static inline uint64_t unit_seed(void)
{
    uint64_t seed;
    const char *wanted = getenv("EVENKEEL_SEED");
    if (wanted != NULL) {
        seed = strtoull(wanted, NULL, 10);
    } else {
        assert_int_equal(getrandom(&seed, sizeof seed, 0), sizeof seed);
    }
    printf("# EVENKEEL_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

/* Runs run(argument) in a child, which has to abort with `words` in what it writes to standard error. */
static inline void assert_aborts(void (*run)(void *argument), void *argument, const char *words)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        run(argument);
        _exit(0);
    }
    close(ends[1]);
    char text[1024];
    size_t length = 0;
    ssize_t n;
    while ((n = read(ends[0], text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)n;
    }
    text[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, text);
    }
}

#endif
