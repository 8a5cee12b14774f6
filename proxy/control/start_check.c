/* A table of checks, each of one part of the settings. */
#include "proxy/control/start_check.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/client/listener.h"
#include "proxy/control/user.h"
#include "proxy/fleet/fleet.h"
#include "tls/client.h"
#include "tls/client_index.h"
#include "tls/seal.h"
#include "tls/server.h"
#include "tls/tickets.h"

struct start_check {
    const struct settings *settings;
    start_finding_fn *say;
    void *owner;
    const char *as_user; /* the user for whom files are checked; NULL: the user who started it */
    bool failed;
};

__attribute__((format(printf, 3, 4))) static void found(struct start_check *check,
                                                        enum settings_severity severity,
                                                        const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (check->as_user == NULL) {
        check->failed = check->failed || severity == SETTINGS_ERROR;
        check->say(severity, text, check->owner);
        return;
    }
    char full[1280];
    snprintf(full, sizeof full,
             "%s: a start works, but reloads and upgrades, by user %s, would not", text,
             check->as_user);
    check->say(SETTINGS_WARNING, full, check->owner);
}

/* ---- the user ---- */

static void check_user(struct start_check *check)
{
    const char *name = check->settings->user;
    struct user user;
    if (name[0] == '\0') {
        return;
    }
    if (!user_find(name, &user)) {
        found(check, SETTINGS_ERROR, "user %s: %s", name, user_error());
    } else if (!user_is_present(&user) && geteuid() != 0) {
        found(check, SETTINGS_WARNING,
              "user %s: a start would fail: only root can become another user", name);
    }
}

/* ---- addresses ---- */

static void check_address(struct start_check *check, const char *key, const char *name,
                          const struct address *address, const char *text, bool spare)
{
    int error = listener_probe(address);
    if (spare && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
        return;
    }
    if (error == EADDRINUSE) {
        found(check, SETTINGS_WARNING,
              "%s%s.listen: %s is in use: a start would fail; a reload of the process that uses it "
              "would not",
              key, name, text);
    } else if (error != 0) {
        found(check, SETTINGS_WARNING, "%s%s.listen: %s: a start would fail: %s", key, name, text,
              strerror(error));
    }
}

static void check_addresses(struct start_check *check)
{
    const struct settings *settings = check->settings;
    check_address(check, "admin", "", &settings->admin.listen, settings->admin.listen_text, false);
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        for (size_t j = 0; j < listener->listen_count; j++) {
            check_address(check, "listeners.", listener->name, &listener->listens[j].address,
                          listener->listens[j].text, listener->listens[j].spare);
        }
    }
}

/* ---- keys and certificates ---- */

static void check_listener_tls(struct start_check *check)
{
    for (size_t i = 0; i < check->settings->listener_count; i++) {
        const struct listener_settings *listener = &check->settings->listeners[i];
        struct tls_server *server = NULL;
        char why[512];
        if (listener->tls.enabled &&
            tls_server_create(&listener->tls, NULL, &server, why, sizeof why) != TLS_SERVER_OK) {
            found(check, SETTINGS_ERROR, "listeners.%s.%s", listener->name, why);
        }
        tls_server_put(&server);
    }
}

/* Files that many upstreams have in common are read once. */
static void check_upstream_tls(struct start_check *check)
{
    struct tls_client_index good = {.by_trust = {0}};
    for (size_t i = 0; i < check->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &check->settings->upstreams[i];
        struct tls_client *client = NULL;
        char why[512];
        if (!upstream->tls.enabled || tls_client_index_find(&good, &upstream->tls) != NULL) {
            continue;
        }
        if (tls_client_obtain(NULL, &upstream->tls, &client, why, sizeof why) != TLS_CLIENT_OK) {
            found(check, SETTINGS_ERROR, "upstreams.%s.%s", upstream->name, why);
        } else if (!tls_client_index_add(&good, &upstream->tls, client)) {
            found(check, SETTINGS_ERROR, "upstreams.%s.tls: no memory", upstream->name);
        }
        tls_client_put(&client);
    }
    tls_client_index_release(&good);
}

static void check_collector_tls(struct start_check *check)
{
    const struct tracing_settings *tracing = &check->settings->tracing;
    struct tls_client *client = NULL;
    char why[512];
    if (tracing->on && tracing->tls.enabled &&
        tls_client_obtain(NULL, &tracing->tls, &client, why, sizeof why) != TLS_CLIENT_OK) {
        found(check, SETTINGS_ERROR, "tracing.%s", why);
    }
    tls_client_put(&client);
}

static void check_ticket_keys(struct start_check *check)
{
    const char *path = check->settings->tls_tickets.keys;
    struct tls_ticket_keys *keys = NULL;
    enum tls_tickets_result result = tls_ticket_keys_load(path, &keys);
    if (result != TLS_TICKETS_OK) {
        found(check, SETTINGS_ERROR, "tls_tickets.keys: %s: %s", path,
              result == TLS_TICKETS_UNREADABLE ? strerror(errno) : tls_tickets_result_name(result));
    }
    tls_ticket_keys_free(&keys);
}

static void check_fleet_files(struct start_check *check)
{
    struct fleet_access *access = NULL;
    char why[512];
    if (!fleet_access_load(NULL, &check->settings->fleet, &access, why, sizeof why)) {
        found(check, SETTINGS_ERROR, "%s", why);
    }
    fleet_access_free(&access);
}

static void check_key_file(struct start_check *check, const char *name, const char *path)
{
    struct seal_key key;
    if (path[0] == '\0') {
        return;
    }
    enum seal_result result = seal_key_load(path, &key);
    if (result != SEAL_OK) {
        found(check, SETTINGS_ERROR, "%s: %s: %s", name, path,
              result == SEAL_KEY_UNREADABLE ? strerror(errno) : seal_result_name(result));
        return;
    }
    seal_key_forget(&key);
}

static void check_key_files(struct start_check *check)
{
    check_key_file(check, "warm_state.key_file", check->settings->warm_state.key_file);
    check_key_file(check, "sticky.key_file", check->settings->sticky.key_file);
}

static void check_tokens(struct start_check *check)
{
    const char *path = check->settings->admin.token_file;
    if (path[0] != '\0' && access(path, R_OK) != 0) {
        found(check, SETTINGS_ERROR, "admin.token_file: %s: %s", path, strerror(errno));
    }
}

/* ---- files that are written ---- */

static void check_written(struct start_check *check, const char *key, const char *path,
                          const char *outcome)
{
    char copy[PATH_MAX];
    if (path == NULL || path[0] == '\0' || strcmp(path, "stderr") == 0 ||
        strcmp(path, "stdout") == 0 || access(path, W_OK) == 0) {
        return;
    }
    if (errno == ENOENT && (size_t)snprintf(copy, sizeof copy, "%s", path) < sizeof copy &&
        access(dirname(copy), W_OK) == 0) {
        return;
    }
    found(check, SETTINGS_WARNING, "%s: %s: %s: %s", key, path, outcome, strerror(errno));
}

static void check_files(struct start_check *check)
{
    const struct settings *settings = check->settings;
    static const char fails[] = "a start would fail";
    check_written(check, "log.path", settings->log.path, fails);
    check_written(check, "log.access.path", settings->log.access.path, fails);
    check_written(check, "pid_file", settings->pid_file, fails);
    check_written(check, "warm_state.path", settings->warm_state.path, "nothing would be saved");
}

/* What a reload reads again comes first. */
static void (*const checks[])(struct start_check *check) = {
    check_listener_tls, check_upstream_tls, check_collector_tls, check_ticket_keys, check_key_files,
    check_tokens,       check_fleet_files,  check_user,          check_addresses,   check_files,
};
#define CHECKS_OF_RELOADS 7

bool start_check(const struct settings *settings, start_finding_fn *say, void *owner)
{
    struct start_check check = {.settings = settings, .say = say, .owner = owner};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        checks[i](&check);
    }
    return !check.failed;
}

void start_check_as_user(const struct settings *settings, const char *config_path,
                         start_finding_fn *say, void *owner)
{
    struct start_check check = {
        .settings = settings, .say = say, .owner = owner, .as_user = settings->user};
    struct user user;
    if (settings->user[0] == '\0' || geteuid() != 0 || !user_find(settings->user, &user) ||
        user_is_present(&user) || !user_become(&user)) {
        return;
    }
    if (access(config_path, R_OK) != 0) {
        found(&check, SETTINGS_WARNING, "%s: %s", config_path, strerror(errno));
    }
    for (size_t i = 0; i < CHECKS_OF_RELOADS; i++) {
        checks[i](&check);
    }
}
