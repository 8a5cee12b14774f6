/* Any bytes as a warm state: refused or read, never trusted. The first byte chooses who reads the rest. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool/endpoint_memory.h"
#include "pool/names_memory.h"
#include "pool/warm_file.h"
#include "steady/check.h"
#include "tls/session_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

static const char configuration[] =
    "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
    "upstreams = { app = { endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; }; };\n"
    "routes = ( { upstream = \"app\"; } );\n";

static struct bound_registry registry;
static struct bound fds;
static struct pools *pools;
static struct upstream_set *set;

static void never(struct wheel_timer *timer, uint64_t now_ms)
{
    (void)timer;
    (void)now_ms;
}

static void prepare(void)
{
    struct settings *settings;
    struct settings_messages messages;
    char why[512];
    if (pools != NULL) {
        return;
    }
    bound_registry_init(&registry);
    bound_init(&fds, "fds", NULL, 100);
    pools = pools_create(1, &registry, &fds);
    CHECK(pools != NULL &&
          settings_parse(configuration, "fuzz", &settings, &messages) == SETTINGS_OK);
    settings_messages_free(&messages);
    CHECK(upstream_set_build(pools, settings, &set, why, sizeof why) == UPSTREAM_OK);
    upstream_set_use(pools, set);
    settings_put(&settings);
}

static void read_names(struct unpack *unpack)
{
    static const char *const hosts[] = {"a.example", "b.example"};
    struct names names;
    names_init(&names, 10, 1, never);
    for (size_t i = 0; i < 2; i++) {
        CHECK(names_obtain(&names, hosts[i], false, 5) != NULL);
    }
    size_t restored_count = names_restore(&names, unpack, 5);
    CHECK(restored_count <= 4);
    struct name *name, *next;
    for (name = TAILQ_FIRST(&names.list); name != NULL; name = next) {
        struct named_address addresses[POOL_NAME_ADDRESSES];
        next = TAILQ_NEXT(name, link);
        CHECK(name_addresses(name, 80, addresses, POOL_NAME_ADDRESSES) <= POOL_NAME_ADDRESSES);
        names_free(&name);
    }
}

static void read_sessions(struct unpack *unpack)
{
    static const struct session_limits limits = {100, 4, 1u << 20, 3600000};
    struct bound_registry own_registry;
    struct session_figures figures;
    bound_registry_init(&own_registry);
    struct session_cache *cache = session_cache_create(&own_registry, 1, &limits);
    CHECK(cache != NULL);
    size_t restored_count = session_memory_restore(cache, unpack, 5, 1000);
    session_cache_figures(cache, &figures);
    CHECK(figures.entries <= restored_count && figures.entries <= 100);
    session_cache_free(&cache);
}

static void read_image(const uint8_t *input, size_t length_bytes)
{
    const struct warm_terms terms = {UINT64_C(1700000000000), UINT64_C(3600000), NULL};
    struct warm_image image;
    uint8_t *bytes = malloc(length_bytes + 1);
    CHECK(bytes != NULL);
    memcpy(bytes, input, length_bytes);
    if (warm_decode(bytes, length_bytes, &terms, &image) != WARM_OK) {
        return;
    }
    for (uint32_t i = 0; i < 10; i++) {
        struct unpack section = warm_section(&image, i);
        CHECK(section.left <= length_bytes);
    }
    warm_image_release(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    struct unpack unpack;
    if (length_bytes == 0) {
        return 0;
    }
    prepare();
    unpack_init(&unpack, input + 1, length_bytes - 1);
    if (input[0] % 4 == 3) {
        read_sessions(&unpack);
    } else if (input[0] % 4 == 0) {
        read_image(input + 1, length_bytes - 1);
    } else if (input[0] % 4 == 1) {
        read_names(&unpack);
    } else if (input[0] % 8 == 2) {
        CHECK(pools_restore_drained(pools, &unpack) <= length_bytes);
    } else {
        CHECK(pools_restore_endpoints(pools, &unpack) <= length_bytes);
    }
    return 0;
}
