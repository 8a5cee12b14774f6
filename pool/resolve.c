/* A lookup on a thread of its own: getaddrinfo() cannot be told how long it may take. */
#include "pool/resolve.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "steady/fault.h"

/* Shared by the one who waits and the thread; the last of the two frees it. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    resolve_lookup_fn *function;
    struct addrinfo *list;
    int error;
    bool done, left;
    char service[8];
    char host[];
};

const char *resolve_result_name(enum resolve_result result)
{
    switch (result) {
    case RESOLVE_OK: return "ok";
    case RESOLVE_UNKNOWN: return "no such name";
    case RESOLVE_TIMEOUT: return "no answer in time";
    case RESOLVE_FAILED: return "the resolver failed";
    case RESOLVE_NO_MEMORY: return "no memory";
    }
    return "unknown";
}

static void free_lookup(struct lookup *lookup)
{
    if (lookup->list != NULL)
        freeaddrinfo(lookup->list);
    pthread_cond_destroy(&lookup->ended);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void *run(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int error = lookup->function(lookup->host, lookup->service, &hints, &list);
    pthread_mutex_lock(&lookup->lock);
    lookup->list = list;
    lookup->error = error;
    lookup->done = true;
    bool left = lookup->left;
    pthread_cond_signal(&lookup->ended);
    pthread_mutex_unlock(&lookup->lock);
    if (left)
        free_lookup(lookup);
    return NULL;
}

static struct lookup *create_lookup(resolve_lookup_fn *function, const char *host, uint16_t port)
{
    size_t host_bytes = strlen(host) + 1;
    struct lookup *lookup =
        fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof(*lookup) + host_bytes);
    if (lookup == NULL)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&lookup->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&lookup->lock, NULL);
    lookup->function = function;
    snprintf(lookup->service, sizeof(lookup->service), "%u", (unsigned)port);
    memcpy(lookup->host, host, host_bytes);
    return lookup;
}

static bool start(struct lookup *lookup)
{
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &detached, run, lookup) == 0;
    pthread_attr_destroy(&detached);
    return started;
}

static struct timespec after(uint64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

static bool is_among(const struct address *address, const struct address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (address_equal(address, &addresses[i]))
            return true;
    return false;
}

static size_t copy_addresses(const struct addrinfo *list, struct address *addresses, size_t room)
{
    size_t count = 0;
    for (; list != NULL && count < room; list = list->ai_next) {
        struct address address = {.length = list->ai_addrlen};
        if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) ||
            list->ai_addrlen > sizeof(address.v6))
            continue;
        memcpy(&address.v6, list->ai_addr, list->ai_addrlen);
        if (!is_among(&address, addresses, count))
            addresses[count++] = address;
    }
    return count;
}

static enum resolve_result result_of(int error)
{
    switch (error) {
    case 0: return RESOLVE_OK;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return RESOLVE_UNKNOWN;
    case EAI_MEMORY: return RESOLVE_NO_MEMORY;
    default: return RESOLVE_FAILED;
    }
}

enum resolve_result resolve_name(resolve_lookup_fn *function, const char *host, uint16_t port,
                                 uint64_t wait_ms, struct address *addresses, size_t room,
                                 size_t *ret_count)
{
    struct lookup *lookup = create_lookup(function, host, port);
    if (lookup == NULL)
        return RESOLVE_NO_MEMORY;
    if (!start(lookup)) {
        free_lookup(lookup);
        return RESOLVE_NO_MEMORY;
    }
    struct timespec until = after(wait_ms);
    pthread_mutex_lock(&lookup->lock);
    int waited = 0;
    while (!lookup->done && waited == 0)
        waited = pthread_cond_timedwait(&lookup->ended, &lookup->lock, &until);
    bool done = lookup->done;
    lookup->left = !done;
    pthread_mutex_unlock(&lookup->lock);
    if (!done)
        return RESOLVE_TIMEOUT;
    enum resolve_result result = result_of(lookup->error);
    size_t count = result == RESOLVE_OK ? copy_addresses(lookup->list, addresses, room) : 0;
    free_lookup(lookup);
    if (result != RESOLVE_OK)
        return result;
    if (count == 0)
        return RESOLVE_UNKNOWN;
    *ret_count = count;
    return RESOLVE_OK;
}
