/* The checks, one function each, and the table that runs them. */
#include "conf/checklist.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/schema.h"
#include "steady/enum_names.h"

/* Nobody is told of defaults: what follows from them alone is not what someone wrote. */
struct checking {
    const struct settings *settings;
    checklist_line_fn *say;
    void *owner;
    size_t warning_count;
};

ENUM_NAME_FUNCTION(checklist_verdict_name, enum checklist_verdict, CHECKLIST_VERDICTS)

__attribute__((format(printf, 3, 4))) static void say(struct checking *checking,
                                                      enum checklist_verdict verdict,
                                                      const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    checking->warning_count += verdict == CHECKLIST_WARNING;
    checking->say(&(struct checklist_line){verdict, text}, checking->owner);
}

/* Only limits that someone has raised can be more than was meant: at the hard limit, the default ones are lower by themselves. */
static bool limits_raised(const struct settings *settings)
{
    bool raised = settings->limits.clients_count > schema_default("", "limits.clients");
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        raised = raised || (upstream->pool.max_count > schema_default("upstreams", "pool.max") &&
                            upstream->limits.in_flight_count >
                                schema_default("upstreams", "limits.in_flight"));
    }
    return raised;
}

static uint64_t upstream_descriptors(const struct settings *settings)
{
    uint64_t count = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        uint64_t connections = upstream->pool.max_count * upstream->endpoint_count;
        uint64_t in_flight = upstream->limits.in_flight_count;
        count += connections < in_flight ? connections : in_flight;
    }
    return count;
}

static void check_descriptors(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    uint64_t wanted = settings->limits.clients_count + upstream_descriptors(settings) + 128;
    if (wanted <= limit.rlim_max) {
        say(checking, CHECKLIST_OK, "descriptors: at most %" PRIu64 " of %" PRIu64, wanted,
            (uint64_t)limit.rlim_max);
    } else if (limits_raised(settings)) {
        say(checking, CHECKLIST_WARNING,
            "descriptors: limits.clients (%" PRIu64
            ") and the upstreams' connections may need %" PRIu64 ", the hard limit is %" PRIu64
            ": accepting will pause before limits.clients is reached",
            settings->limits.clients_count, wanted, (uint64_t)limit.rlim_max);
    } else {
        say(checking, CHECKLIST_OK,
            "descriptors: the hard limit of %" PRIu64 " bounds the number of clients",
            (uint64_t)limit.rlim_max);
    }
}

static void check_admin(struct checking *checking)
{
    const struct address *listen = &checking->settings->admin.listen;
    struct address_prefix loopback4, loopback6;
    bool local = listen->any.sa_family == AF_UNIX;
    if (address_prefix_parse("127.0.0.0/8", &loopback4) &&
        address_prefix_parse("::1/128", &loopback6)) {
        local = local || address_in_prefix(&listen->any, &loopback4) ||
                address_in_prefix(&listen->any, &loopback6);
    }
    say(checking, local ? CHECKLIST_OK : CHECKLIST_WARNING,
        local ? "admin: %s is local"
              : "admin: %s is not local: anyone who reaches it can drain this process",
        checking->settings->admin.listen_text);
}

static void check_user(struct checking *checking)
{
    if (checking->settings->user[0] == '\0' && geteuid() == 0) {
        say(checking, CHECKLIST_OK, "user: root, because user is not set");
    } else {
        say(checking, CHECKLIST_OK, "user: not root");
    }
}

/* What a path names now, if it is not rotated; NULL: a regular file, or nothing yet. */
static const char *unrotated_kind(const char *path)
{
    struct stat info;
    if (strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0) {
        return "";
    }
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) {
        return NULL;
    }
    return S_ISFIFO(info.st_mode)                           ? ": a FIFO: it is not rotated"
           : S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? ": a device: it is not rotated"
                                                            : ": no regular file";
}

static void check_log(struct checking *checking, const char *key, const char *path,
                      const struct rotation_settings *rotation)
{
    const char *kind = unrotated_kind(path);
    if (kind != NULL) {
        say(checking, CHECKLIST_OK, "%s: %s%s", key, path, kind);
    } else {
        say(checking, CHECKLIST_OK,
            "%s: %s: rotated at %" PRIu64 " KiB or %" PRIu64 " s, %" PRIu64 " kept", key, path,
            rotation->size_bytes / 1024, rotation->age_ms / 1000, rotation->keep_count);
    }
}

static void check_logs(struct checking *checking)
{
    const struct log_settings *log = &checking->settings->log;
    check_log(checking, "log.path", log->path, &log->rotation);
    if (log->access.path != NULL) {
        check_log(checking, "log.access.path", log->access.path, &log->access.rotation);
    }
}

static void check_endpoints(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        say(checking, CHECKLIST_OK, "upstreams.%s: %zu endpoint%s", upstream->name,
            upstream->endpoint_count, upstream->endpoint_count == 1 ? "" : "s");
        uint64_t connections = upstream->pool.max_count * upstream->endpoint_count;
        bool chosen =
            upstream->limits.in_flight_count != schema_default("upstreams", "limits.in_flight");
        if (chosen && upstream->limits.in_flight_count > connections) {
            say(checking, CHECKLIST_ADVICE,
                "upstreams.%s: limits.in_flight (%" PRIu64
                ") is more than all its connections (%" PRIu64
                "): exchanges will queue for connections",
                upstream->name, upstream->limits.in_flight_count, connections);
        }
    }
}

static void check_drain(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        uint64_t total_ms = settings->upstreams[i].timeouts.total_ms;
        longest_ms = total_ms > longest_ms ? total_ms : longest_ms;
    }
    bool chosen = settings->drain.grace_ms != schema_default("", "drain.grace") ||
                  longest_ms != schema_default("upstreams", "timeouts.total");
    if (chosen && settings->drain.grace_ms < longest_ms) {
        say(checking, CHECKLIST_ADVICE,
            "drain.grace: %" PRIu64 " ms is shorter than the longest timeouts.total (%" PRIu64
            " ms): an exchange may be cut at a restart",
            settings->drain.grace_ms, longest_ms);
    } else {
        say(checking, CHECKLIST_OK, "drain.grace: %" PRIu64 " ms for exchanges to finish",
            settings->drain.grace_ms);
    }
}

static void check_warmth(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    if (settings->drain.pause_ms > 0) {
        say(checking, CHECKLIST_OK,
            "drain.pause: %" PRIu64 " ms for load balancers to notice the drain",
            settings->drain.pause_ms);
    }
    if (settings->warm_state.path[0] != '\0') {
        say(checking, CHECKLIST_OK, "warm_state.path: %s", settings->warm_state.path);
    }
}

/* For all routes at once it is rarely meant; on a route somebody has thought of it. */
static void check_compression(struct checking *checking)
{
    const struct compress_settings *compress = &checking->settings->compress;
    if (compress->enabled && compress->secrets) {
        say(checking, CHECKLIST_WARNING,
            "compress: with secrets at the top, lengths of responses tell the secrets in them "
            "(BREACH): set it on the routes whose responses repeat nothing of the request");
    }
}

static void check_last_route(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    const struct route_settings *last = &settings->routes[settings->route_count - 1];
    bool all = settings_match_all(&last->match);
    say(checking, all ? CHECKLIST_OK : CHECKLIST_ADVICE,
        all ? "routes: \"%s\" takes every request that no other route takes"
            : "routes: the last route, \"%s\", has conditions: a request that matches no route is answered with 404",
        last->name);
}

static void check_trust(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    for (size_t i = 0; i < settings->trusted_peer_count; i++) {
        if (settings->trusted_peers[i].bits == 0 ||
            (settings->trusted_peers[i].bits == 96 &&
             settings->trusted_peers[i].bytes[11] == 0xff)) {
            say(checking, CHECKLIST_WARNING,
                "trusted_peers: trusts every client: any client can forge X-Forwarded-For");
            return;
        }
    }
    say(checking, CHECKLIST_OK, "trusted_peers: %zu prefixes", settings->trusted_peer_count);
}

size_t checklist_run(const struct settings *settings, checklist_line_fn *line_fn, void *owner)
{
    static void (*const checks[])(struct checking *) = {
        check_descriptors, check_user,       check_admin, check_trust,  check_logs,
        check_endpoints,   check_last_route, check_drain, check_warmth, check_compression};
    struct checking checking = {settings, line_fn, owner, 0};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        checks[i](&checking);
    }
    return checking.warning_count;
}
