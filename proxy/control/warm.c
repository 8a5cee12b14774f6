/* What is saved and restored, and when. */
#include "proxy/control/warm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/endpoint_memory.h"
#include "pool/resolver.h"
#include "proxy/control/control_state.h"
#include "proxy/control/maintenance_watch.h"
#include "proxy/control/sticky_key.h"
#include "proxy/policy/policy_memory.h"
#include "tls/session_memory.h"
#include "tls/tickets.h"

/* ---- sections ---- */

static void save_names(struct control *control, struct pack *pack)
{
    resolver_save(control->names.resolver, pack);
}

static size_t restore_names(struct control *control, struct unpack *unpack)
{
    return resolver_restore(control->names.resolver, unpack);
}

static void save_endpoints(struct control *control, struct pack *pack)
{
    pools_save_endpoints(control->pools, pack);
}

static size_t restore_endpoints(struct control *control, struct unpack *unpack)
{
    return pools_restore_endpoints(control->pools, unpack);
}

static void save_sessions(struct control *control, struct pack *pack)
{
    session_memory_save(pools_sessions(control->pools), control_now_ms(), pack);
}

static size_t restore_sessions(struct control *control, struct unpack *unpack)
{
    size_t count = session_memory_restore(pools_sessions(control->pools), unpack,
                                          control->warm.figures.restored_age_ms, control_now_ms());
    control->warm.sessions_restored_count = count;
    return count;
}

static void save_tickets(struct control *control, struct pack *pack)
{
    tls_tickets_save(control->replica.tickets, control_now_ms(), pack);
}

static size_t restore_tickets(struct control *control, struct unpack *unpack)
{
    return tls_tickets_restore(control->replica.tickets, unpack, control_now_ms());
}

static void save_breakers(struct control *control, struct pack *pack)
{
    policy_memory_save(control->generations.present->upstreams, control_now_ms(), pack);
}

static size_t restore_breakers(struct control *control, struct unpack *unpack)
{
    return policy_memory_restore(control->generations.present->upstreams, unpack,
                                 control->warm.figures.restored_age_ms, control_now_ms());
}

static void save_drained(struct control *control, struct pack *pack)
{
    pools_save_drained(control->pools, pack);
}

static size_t restore_drained(struct control *control, struct unpack *unpack)
{
    return pools_restore_drained(control->pools, unpack);
}

static void save_forced(struct control *control, struct pack *pack)
{
    policy_memory_save_forced(control->generations.present->upstreams, pack);
}

static size_t restore_forced(struct control *control, struct unpack *unpack)
{
    return policy_memory_restore_forced(control->generations.present->upstreams, unpack,
                                        control_now_ms());
}

static void save_maintenance(struct control *control, struct pack *pack)
{
    maintenance_save(control->generations.maintenance.words, pack);
}

static size_t restore_maintenance(struct control *control, struct unpack *unpack)
{
    size_t count = maintenance_restore(control->generations.maintenance.words, unpack);
    maintenance_watch_apply(control);
    return count;
}

static void save_said(struct control *control, struct pack *pack)
{
    operator_book_save(&control->replica.said, pack);
}

static size_t restore_said(struct control *control, struct unpack *unpack)
{
    return operator_book_restore(&control->replica.said, unpack);
}

static void save_upgrades(struct control *control, struct pack *pack)
{
    pack_u64(pack, control->upgrade.figures.begun_count);
    pack_u64(pack, control->upgrade.figures.failed_count);
}

/* The service counts its upgrades, whichever process it is by now. */
static size_t restore_upgrades(struct control *control, struct unpack *unpack)
{
    uint64_t begun_count = unpack_u64(unpack), failed_count = unpack_u64(unpack);
    if (unpack->failed) {
        return 0;
    }
    control->upgrade.figures.begun_count = begun_count;
    control->upgrade.figures.failed_count = failed_count;
    return 2;
}

enum warm_kind {
    WARM_FIRST, /* the others need what it restores */
    WARM_REST,
    WARM_WORD,   /* the operator's: goes over again if it changes during an upgrade */
    WARM_MEMORY, /* only in an upgrade; never in a file */
};

/* A number is never used for another section. */
static const struct warm_section {
    uint32_t number;
    enum warm_kind kind;
    const char *name;
    void (*save)(struct control *control, struct pack *pack);
    size_t (*restore)(struct control *control,
                      struct unpack *unpack); /* returns how many of them */
} sections[] = {
    {1, WARM_FIRST, "names", save_names, restore_names},
    {2, WARM_REST, "endpoints", save_endpoints, restore_endpoints},
    {3, WARM_MEMORY, "ticket keys", save_tickets, restore_tickets},
    {4, WARM_REST, "sessions", save_sessions, restore_sessions},
    {5, WARM_REST, "open breakers", save_breakers, restore_breakers},
    {6, WARM_WORD, "drained endpoints", save_drained, restore_drained},
    {7, WARM_WORD, "forced breakers", save_forced, restore_forced},
    {8, WARM_MEMORY, "upgrade counts", save_upgrades, restore_upgrades},
    {9, WARM_WORD, "words on maintenance", save_maintenance, restore_maintenance},
    {11, WARM_WORD, "words of the operator, with who said them", save_said, restore_said},
    {10, WARM_FIRST, "keys of sticky cookies", sticky_key_save, sticky_key_restore},
};

#define SECTION_COUNT (sizeof sections / sizeof sections[0])

static void warm_restore(struct control *control, bool first)
{
    struct warm *warm = &control->warm;
    for (size_t i = 0; warm->image.bytes != NULL && i < SECTION_COUNT; i++) {
        if ((sections[i].kind == WARM_FIRST) != first) {
            continue;
        }
        struct unpack content = warm_section(&warm->image, sections[i].number);
        if (!unpack_more(&content)) {
            continue;
        }
        size_t count = sections[i].restore(control, &content);
        log_info(control->log, "warm state: %zu %s restored%s", count, sections[i].name,
                 content.failed ? "; the rest is malformed" : "");
    }
}

void warm_restore_names(struct control *control)
{
    warm_restore(control, true);
}

void warm_restore_rest(struct control *control)
{
    warm_restore(control, false);
    warm_image_release(&control->warm.image);
}

/* ---- from the file ---- */

static struct warm_terms warm_terms(const struct control *control)
{
    const struct warm *warm = &control->warm;
    return (struct warm_terms){.wall_ms = control_wall_ms(),
                               .max_age_ms = control->generations.settings->warm_state.max_age_ms,
                               .key = warm->sealed ? &warm->key : NULL};
}

static void warm_refused(const char *path, enum warm_result result, void *owner)
{
    struct control *control = owner;
    bool system = result == WARM_UNREADABLE;
    control->warm.figures.refused = warm_result_words(result);
    log_write(control->log, result == WARM_ABSENT ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              "warm state %s is not used: %s%s%s", path, warm_result_words(result),
              system ? ": " : "", system ? strerror(errno) : "");
}

static void warm_accept(struct control *control, const char *from)
{
    struct warm *warm = &control->warm;
    uint64_t now_ms = control_wall_ms(), saved_ms = warm->image.saved_wall_ms;
    warm->figures.restored = true;
    warm->figures.refused = "";
    warm->figures.restored_age_ms = now_ms > saved_ms ? now_ms - saved_ms : 0;
    log_info(control->log, "warm state %s: %zu bytes, %" PRIu64 " s old", from, warm->image.length,
             warm->figures.restored_age_ms / 1000);
}

static bool warm_open_key(struct control *control)
{
    const char *path = control->generations.settings->warm_state.key_file;
    if (path[0] == '\0') {
        return true;
    }
    enum seal_result result = seal_key_load(path, &control->warm.key);
    if (result != SEAL_OK) {
        bool system = result == SEAL_KEY_UNREADABLE;
        log_error(control->log, "warm_state.key_file %s: %s%s%s", path, seal_result_name(result),
                  system ? ": " : "", system ? strerror(errno) : "");
        return false;
    }
    control->warm.sealed = true;
    return true;
}

/* Opens the state from the process that this one replaces. */
static void warm_open_given(struct control *control)
{
    struct takeover *takeover = &control->takeover;
    const struct warm_terms terms = {control_wall_ms(),
                                     control->generations.settings->warm_state.max_age_ms, NULL};
    uint8_t *bytes = takeover->warm_bytes;
    takeover->warm_bytes = NULL; /* it belongs to the image, or is freed */
    enum warm_result result =
        warm_decode(bytes, takeover->warm_length, &terms, &control->warm.image);
    if (result == WARM_OK) {
        warm_accept(control, "of the old process");
    } else {
        warm_refused("of the old process", result, control);
    }
}

bool warm_take_word(struct control *control, uint8_t *bytes, size_t length)
{
    const struct warm_terms terms = {control_wall_ms(),
                                     control->generations.settings->warm_state.max_age_ms, NULL};
    struct warm_image image;
    if (warm_decode(bytes, length, &terms, &image) != WARM_OK) {
        return false;
    }
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (sections[i].kind == WARM_WORD) {
            /* also an empty one: what was said may have been taken back */
            struct unpack content = warm_section(&image, sections[i].number);
            size_t count = sections[i].restore(control, &content);
            log_info(control->log, "takeover: %zu %s", count, sections[i].name);
        }
    }
    warm_image_release(&image);
    return true;
}

bool warm_take(struct control *control, const struct seal_key *key, const void *bytes,
               size_t length)
{
    const struct warm_terms terms = {control_wall_ms(),
                                     control->generations.settings->warm_state.max_age_ms, key};
    struct warm_image *present = &control->warm.image, image;
    uint8_t *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, bytes, length);
    enum warm_result result = warm_decode(copy, length, &terms, &image);
    if (result != WARM_OK) {
        warm_refused("of another replica", result, control);
        return false;
    }
    if (present->bytes != NULL && present->saved_wall_ms >= image.saved_wall_ms) {
        warm_image_release(&image);
        return true;
    }
    warm_image_release(present);
    *present = image;
    warm_accept(control, "of another replica");
    warm_restore_names(control);
    return true;
}

bool warm_open(struct control *control)
{
    struct warm *warm = &control->warm;
    const char *path = control->generations.settings->warm_state.path;
    char from[WARM_PATH_BYTES];
    warm->figures.refused = "";
    if (!warm_open_key(control)) {
        return false;
    }
    if (control->takeover.warm_bytes != NULL) {
        warm_open_given(control);
        return true;
    }
    if (path[0] == '\0') {
        return true;
    }
    const struct warm_terms terms = warm_terms(control);
    enum warm_result result = warm_load(path, &terms, warm_refused, control, from, &warm->image);
    if (result == WARM_OK) {
        warm_accept(control, from);
    } else {
        warm_refused(path, result, control);
    }
    return true;
}

/* ---- to a file, or another process ---- */

static void warm_collect(struct control *control, bool in_memory, struct pack *pack)
{
    pack_init(pack, WARM_PAYLOAD_MAX_BYTES);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (sections[i].kind == WARM_MEMORY && !in_memory) {
            continue;
        }
        size_t at = warm_section_begin(pack, sections[i].number);
        sections[i].save(control, pack);
        warm_section_end(pack, at);
    }
}

bool warm_make(struct control *control, const struct seal_key *key, uint8_t **ret_bytes,
               size_t *ret_length)
{
    struct pack pack;
    warm_collect(control, false, &pack);
    enum warm_result result = warm_encode(&pack, control_wall_ms(), key, ret_bytes, ret_length);
    pack_release(&pack);
    return result == WARM_OK;
}

bool warm_snapshot(struct control *control, uint8_t **ret_bytes, size_t *ret_length)
{
    struct pack pack;
    warm_collect(control, true, &pack);
    enum warm_result result = warm_encode(&pack, control_wall_ms(), NULL, ret_bytes, ret_length);
    pack_release(&pack);
    return result == WARM_OK;
}

void warm_free(struct control *control)
{
    warm_image_release(&control->warm.image);
    seal_key_forget(&control->warm.key);
}
