/*
 * A library that makes a program leak, for tests of drift: with LD_PRELOAD, every LEAK_EVERY-th connection of a UNIX socket costs a file
 * descriptor for good, and each one LEAK_BYTES of memory. In tests the admin listener is one, so that there is a leak without any load.
 *
 * Thread: any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int accept4_fn(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags);

static uint64_t wanted(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static void leak(void)
{
    static uint64_t accepted_count;
    uint64_t every = wanted("LEAK_EVERY"), bytes = wanted("LEAK_BYTES");
    uint64_t number = __atomic_add_fetch(&accepted_count, 1, __ATOMIC_RELAXED);
    void *memory = bytes > 0 ? malloc(bytes) : NULL;
    if (memory != NULL) {
        memset(memory, 1, bytes);
        __asm__ volatile("" : : "r"(memory) : "memory");
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): to be lost is its purpose */
    if (every > 0 && number % every == 0) {
        (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

int accept4(int fd, struct sockaddr *addr, socklen_t *addr_len, int flags)
{
    accept4_fn *next = (accept4_fn *)dlsym(RTLD_NEXT, "accept4");
    int accepted = next(fd, addr, addr_len, flags);
    if (accepted >= 0 && addr != NULL && addr->sa_family == AF_UNIX) {
        leak();
    }
    return accepted;
}
