/* Whether there is a fleet, and what is done when. */
#include "proxy/fleet/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/fleet/fleet_state.h"
#include "steady/loop_clock.h"

/* Foreign values are told of at most once in this time. */
#define REFUSED_TELL_MS 60000

struct fleet_access {
    struct store_access *store;
    struct seal_key key;
};

/* ---- what the parts share ---- */

void fleet_key(const struct fleet *fleet, const char *what, char key[FLEET_KEY_BYTES])
{
    snprintf(key, FLEET_KEY_BYTES, "evenkeel:%s:{%s}:%s", FLEET_VERSION,
             fleet->settings->fleet.name, what);
}

void fleet_common_key(const struct fleet *fleet, const char *what, char key[FLEET_KEY_BYTES])
{
    snprintf(key, FLEET_KEY_BYTES, "evenkeel:all:{%s}:%s", fleet->settings->fleet.name, what);
}

void fleet_note_time(struct fleet *fleet, uint64_t store_ms)
{
    fleet->store_ms = store_ms;
    fleet->seen_ms = loop_clock_now_ms();
}

uint64_t fleet_store_ms(const struct fleet *fleet)
{
    return fleet->store_ms + (loop_clock_now_ms() - fleet->seen_ms);
}

void fleet_note_refused(struct fleet *fleet, size_t count, const char *what)
{
    uint64_t now_ms = loop_clock_now_ms();
    fleet->refused_count += count;
    if (count == 0 ||
        (fleet->refused_told_ms != 0 && now_ms - fleet->refused_told_ms < REFUSED_TELL_MS)) {
        return;
    }
    fleet->refused_told_ms = now_ms;
    log_warn(
        fleet->env.log,
        "fleet: %s is refused: it was sealed with another key_file, or has been changed in the "
        "store",
        what);
}

void fleet_note_loss(struct fleet *fleet, bool lost, const char *what)
{
    if (lost) {
        fleet->losses_count++;
        log_warn(fleet->env.log, "fleet: the store has lost %s", what);
    }
}

/* ---- access ---- */

void fleet_access_free(struct fleet_access **access)
{
    if (*access != NULL) {
        store_access_free(&(*access)->store);
        seal_key_forget(&(*access)->key);
        free(*access);
    }
    *access = NULL;
}

static bool load_key(const char *path, struct seal_key *key, char *why, size_t why_bytes)
{
    enum seal_result result = seal_key_load(path, key);
    if (result != SEAL_OK) {
        snprintf(why, why_bytes, "fleet.key_file %s: %s", path,
                 result == SEAL_KEY_UNREADABLE ? strerror(errno) : seal_result_name(result));
    }
    return result == SEAL_OK;
}

bool fleet_access_load(struct tls_clients *tls, const struct fleet_settings *settings,
                       struct fleet_access **ret_access, char *why, size_t why_bytes)
{
    *ret_access = NULL;
    if (settings->store_count + settings->sentinel_count == 0) {
        return true;
    }
    struct fleet_access *access = calloc(1, sizeof *access);
    if (access == NULL) {
        snprintf(why, why_bytes, "fleet: no memory");
        return false;
    }
    if (!load_key(settings->key_file, &access->key, why, why_bytes) ||
        !store_access_load(tls, settings, &access->store, why, why_bytes)) {
        fleet_access_free(&access);
        return false;
    }
    *ret_access = access;
    return true;
}

/* ---- its life ---- */

static void on_ready(void *owner)
{
    struct fleet *fleet = owner;
    fleet->members.beat_ms = 0;
    fleet_housekeeping(fleet, loop_clock_now_ms());
}

struct fleet *fleet_create(const struct fleet_env *env)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (fleet == NULL) {
        return NULL;
    }
    fleet->env = *env;
    fleet->env.store.on_ready = on_ready;
    fleet->env.store.owner = fleet;
    snprintf(fleet->id, sizeof fleet->id, "%016" PRIx64, rng_next(env->store.rng));
    gethostname(fleet->host, sizeof fleet->host - 1);
    fleet->words.version = -1;
    fleet->store = store_create(&fleet->env.store);
    if (!rates_init(fleet) || fleet->store == NULL) {
        fleet_free(&fleet);
    }
    return fleet;
}

static void forget(struct fleet *fleet)
{
    seal_key_forget(&fleet->key);
    fleet->members = (struct members){.count = 0};
    fleet->store_ms = 0;
    words_forget(fleet);
    ticket_keys_forget(fleet, loop_clock_now_ms());
}

/* Whether what is known of the fleet goes on being true. */
static bool is_same(const struct fleet *fleet, const struct settings *settings,
                    const struct fleet_access *access)
{
    return fleet->settings != NULL && access != NULL &&
           strcmp(fleet->settings->fleet.name, settings->fleet.name) == 0 &&
           memcmp(&fleet->key, &access->key, sizeof fleet->key) == 0 &&
           fleet->settings->fleet.ticket_keys == settings->fleet.ticket_keys &&
           fleet->settings->fleet.operator_word == settings->fleet.operator_word;
}

void fleet_free(struct fleet **fleet)
{
    if (*fleet != NULL) {
        store_free(&(*fleet)->store);
        rates_release(*fleet);
        forget(*fleet);
        if ((*fleet)->settings != NULL) {
            settings_put(&(*fleet)->settings);
        }
        free(*fleet);
    }
    *fleet = NULL;
}

void fleet_follow(struct fleet *fleet, struct settings *settings, struct fleet_access **access)
{
    bool same = is_same(fleet, settings, *access);
    store_follow(fleet->store, NULL, NULL);
    if (!same) {
        forget(fleet);
    }
    if (fleet->settings != NULL) {
        settings_put(&fleet->settings);
    }
    if (*access == NULL) {
        return;
    }
    fleet->settings = settings_get(settings);
    fleet->key = (*access)->key;
    store_follow(fleet->store, settings, &(*access)->store);
    fleet_access_free(access);
}

void fleet_housekeeping(struct fleet *fleet, uint64_t now_ms)
{
    if (fleet->settings == NULL) {
        return;
    }
    store_housekeeping(fleet->store);
    members_housekeeping(fleet, now_ms);
    ticket_keys_housekeeping(fleet, now_ms);
    warm_values_housekeeping(fleet, now_ms);
    words_housekeeping(fleet, now_ms);
}

void fleet_leave(struct fleet *fleet)
{
    if (fleet->settings != NULL) {
        rates_leave(fleet);
        members_leave(fleet);
    }
}

void fleet_figures(const struct fleet *fleet, struct fleet_figures *ret_figures)
{
    *ret_figures = (struct fleet_figures){
        .on = fleet->settings != NULL,
        .name = fleet->settings != NULL ? fleet->settings->fleet.name : "",
        .id = fleet->id,
        .members = fleet->members.list,
        .member_count = fleet->members.count,
        .other_versions_count = fleet->members.other_versions_count,
        .seen_ago_ms = fleet->seen_ms != 0 ? loop_clock_now_ms() - fleet->seen_ms : UINT64_MAX,
        .words = fleet->words.known,
        .word_count = fleet->words.known_count,
        .store_wall_ms = fleet->store_ms != 0 ? fleet_store_ms(fleet) : 0,
        .losses_count = fleet->losses_count,
        .refused_count = fleet->refused_count,
        .warm_published_count = fleet->warm_values.published_count,
        .warm_taken_bytes = fleet->warm_values.taken_bytes,
    };
    store_figures(fleet->store, &ret_figures->store);
}
