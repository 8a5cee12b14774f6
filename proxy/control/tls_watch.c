/* When files have changed: what is read, and what becomes of it. */
#include "proxy/control/tls_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/control/control_state.h"
#include "proxy/control/names.h"
#include "proxy/control/reload.h"
#include "proxy/control/watched_files.h"
#include "steady/check.h"
#include "tls/server.h"

/* From a look at the files to the next. */
#define WATCH_LOOK_MS 200
/* Longest time that reading takes in one step; other work of the control thread waits for it. */
#define WATCH_SLICE_MS 20
/* A pair is written in two steps: what cannot be used is an error only if it stays so. */
#define WATCH_PATIENCE_MS 1000
/* Files that stay bad are read again after this time. */
#define WATCH_AGAIN_MS 5000

/* Files that belong to no listener and no upstream. */
#define OTHER_PATHS 9

enum use_state {
    USE_QUIET, /* TLS is as the files are */
    USE_STIRRED, /* a file has changed, or all are to be tried again: the next look reads them through */
    USE_DUE,     /* that went well, and nothing has changed meanwhile: the files are to be read */
    USE_FAILING, /* they were read and are no good */
    USE_READY,   /* they were read; what they say is not in use yet */
};

/* A listener or an upstream that reads files. */
struct tls_use {
    const struct upstream_settings *upstream; /* NULL: it is a listener */
    size_t listener_number;
    struct watched_file **files;
    size_t file_count;
    uint64_t judged;        /* number of the last look when it was judged */
    uint64_t changes_count; /* of its files then */
    uint8_t state;          /* enum use_state; written only by use_enter() */
    bool said;              /* that they are no good */
    uint64_t failing_ms;    /* since when they are no good; 0: they are good */
    uint64_t failed_ms;     /* when they were last read and no good */
};

struct tls_watch {
    struct settings *settings;
    struct tls_files_figures *figures;
    struct watched_files *files;
    struct watched_file **refs; /* of all uses */
    size_t ref_count;
    struct tls_use *uses;
    size_t use_count;
    const char *hanging;           /* of a reload: a path whose disk hangs */
    size_t due_count, ready_count; /* uses in these states */
    struct tls_server **fresh;     /* [number of the listener] */
    uint64_t looked_ms;            /* when the last look began; 0: none has */
};

static void use_enter(struct tls_watch *watch, struct tls_use *use, enum use_state state)
{
    watch->due_count -= use->state == USE_DUE;
    watch->ready_count -= use->state == USE_READY;
    use->state = state;
    watch->due_count += state == USE_DUE;
    watch->ready_count += state == USE_READY;
}

/* ---- which files ---- */

static size_t paths_of_listener(const struct listener_tls_settings *tls, const char **paths)
{
    size_t count = 0;
    for (size_t i = 0; i < tls->certificate_count; i++) {
        paths[count++] = tls->certificates[i].cert;
        paths[count++] = tls->certificates[i].key;
        paths[count++] = tls->certificates[i].ocsp;
    }
    paths[count++] = tls->client_ca;
    return count;
}

static size_t most_paths(const struct settings *settings)
{
    size_t count = 3 * settings->upstream_count + OTHER_PATHS;
    for (size_t i = 0; i < settings->listener_count; i++) {
        count += 3 * settings->listeners[i].tls.certificate_count + 1;
    }
    return count;
}

/* Adds those of the paths that are not empty. */
static bool add_paths(struct tls_watch *watch, const char *const *paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i] == NULL || paths[i][0] == '\0') {
            continue;
        }
        struct watched_file *file = watched_files_add(watch->files, paths[i]);
        if (file == NULL) {
            return false;
        }
        watch->refs[watch->ref_count++] = file;
    }
    return true;
}

/* Adds a use of those of the paths that are not empty, if there are any. */
static bool add_use(struct tls_watch *watch, const char *const *paths, size_t count,
                    const struct tls_use *use)
{
    struct tls_use *added = &watch->uses[watch->use_count];
    size_t before_count = watch->ref_count;
    *added = *use;
    added->files = &watch->refs[before_count];
    if (!add_paths(watch, paths, count)) {
        return false;
    }
    added->file_count = watch->ref_count - before_count;
    watch->use_count += added->file_count > 0;
    return true;
}

static bool add_listeners(struct tls_watch *watch, const char **paths)
{
    const struct settings *settings = watch->settings;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_tls_settings *tls = &settings->listeners[i].tls;
        const struct tls_use use = {.listener_number = i};
        if (tls->enabled && !add_use(watch, paths, paths_of_listener(tls, paths), &use)) {
            return false;
        }
    }
    return true;
}

static bool add_upstreams(struct tls_watch *watch)
{
    const struct settings *settings = watch->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_tls_settings *tls = &settings->upstreams[i].tls;
        const char *const paths[] = {tls->ca, tls->cert, tls->key};
        const struct tls_use use = {.upstream = &settings->upstreams[i]};
        if (tls->enabled && !add_use(watch, paths, sizeof paths / sizeof paths[0], &use)) {
            return false;
        }
    }
    return true;
}

/* What a generation reads besides: a change of it is not taken, but its disk may hang too. */
static bool add_others(struct tls_watch *watch)
{
    const struct settings *settings = watch->settings;
    const struct fleet_settings *fleet = &settings->fleet;
    const struct upstream_tls_settings *collector = &settings->tracing.tls;
    const char *const paths[OTHER_PATHS] = {settings->tls_tickets.keys,
                                            fleet->key_file,
                                            fleet->password_file,
                                            fleet->tls.ca,
                                            fleet->tls.cert,
                                            fleet->tls.key,
                                            collector->ca,
                                            collector->cert,
                                            collector->key};
    return add_paths(watch, paths, OTHER_PATHS);
}

/* NULL: no memory. */
static struct tls_watch *watch_create(struct settings *settings, struct tls_files_figures *figures)
{
    size_t path_count = most_paths(settings);
    struct tls_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return NULL;
    }
    watch->settings = settings_get(settings);
    watch->figures = figures;
    watch->refs = calloc(path_count + 1, sizeof(struct watched_file *));
    watch->uses =
        calloc(settings->listener_count + settings->upstream_count + 1, sizeof *watch->uses);
    watch->fresh = calloc(settings->listener_count + 1, sizeof(struct tls_server *));
    const char **paths = calloc(path_count + 1, sizeof(const char *));
    if (watch->refs == NULL || watch->uses == NULL || watch->fresh == NULL || paths == NULL ||
        (watch->files = watched_files_create(path_count)) == NULL || !add_listeners(watch, paths) ||
        !add_upstreams(watch) || !add_others(watch)) {
        tls_watch_free(&watch);
    }
    free((void *)paths);
    return watch;
}

void tls_watch_free(struct tls_watch **watch_pointer)
{
    struct tls_watch *watch = *watch_pointer;
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->use_count; i++) {
        watch->figures->failing_count -= watch->uses[i].said;
    }
    for (size_t i = 0; watch->fresh != NULL && i < watch->settings->listener_count; i++) {
        tls_server_put(&watch->fresh[i]);
    }
    watched_files_free(&watch->files);
    free((void *)watch->refs);
    free(watch->uses);
    free((void *)watch->fresh);
    settings_put(&watch->settings);
    free(watch);
    *watch_pointer = NULL;
}

struct tls_server *tls_watch_fresh(const struct tls_watch *watch, size_t listener_number)
{
    return watch != NULL ? watch->fresh[listener_number] : NULL;
}

/* ---- what has changed ---- */

/* What its files have become since it was judged last. False: not each of them has been looked at since then. */
static bool use_seen(const struct tls_use *use, uint64_t *ret_changes_count)
{
    *ret_changes_count = 0;
    for (size_t i = 0; i < use->file_count; i++) {
        *ret_changes_count += use->files[i]->changes_count;
        if (use->files[i]->group->looked <= use->judged) {
            return false;
        }
    }
    return true;
}

/* What stays bad is tried again now and then only: a mark does not show that a file may be read now. */
static enum use_state use_judge(const struct tls_use *use, bool moved, uint64_t now_ms)
{
    bool again =
        use->state == USE_FAILING && (!use->said || now_ms - use->failed_ms >= WATCH_AGAIN_MS);
    return moved || again ? USE_STIRRED : use->state == USE_STIRRED ? USE_DUE : use->state;
}

/* Its files may be no regular ones by now, which a reader might wait for. */
static void watch_judge(struct tls_watch *watch, struct tls_use *use, uint64_t now_ms)
{
    uint64_t changes_count;
    if (!use_seen(use, &changes_count)) {
        return;
    }
    use_enter(watch, use, use_judge(use, changes_count != use->changes_count, now_ms));
    use->changes_count = changes_count;
    use->judged = watch->files->last_asked;
    for (size_t i = 0; use->state == USE_STIRRED && i < use->file_count; i++) {
        use->files[i]->wanted = true;
    }
}

static void watch_look(struct control *control)
{
    struct tls_watch *watch = control->generations.watch;
    uint64_t now_ms = control_now_ms();
    for (size_t i = 0; i < watch->use_count; i++) {
        watch_judge(watch, &watch->uses[i], now_ms);
    }
    if (now_ms - watch->looked_ms >= WATCH_LOOK_MS) {
        watch->looked_ms = now_ms;
        watched_files_look(watch->files, control->workers.files, control->loop.mailbox, now_ms);
    }
}

/* ---- before a generation reads them ---- */

/* A path of the watch whose disk hangs, as others have found; NULL: none. */
static const char *known_to_hang(const struct control *control, const struct tls_watch *watch)
{
    const struct tls_watch *const others[] = {control->generations.watch,
                                              control->generations.hung_watch};
    for (size_t i = 0; i < watch->ref_count; i++) {
        for (size_t other = 0; other < sizeof others / sizeof others[0]; other++) {
            if (others[other] != NULL &&
                watched_files_hang(others[other]->files, watch->refs[i]->path, control_now_ms())) {
                return watch->refs[i]->path;
            }
        }
    }
    return NULL;
}

void tls_watch_begin(struct control *control, struct settings *settings)
{
    struct tls_watch *watch = watch_create(settings, &control->reloads.tls_files);
    control->generations.coming_watch = watch;
    if (watch == NULL) {
        return;
    }
    watch->hanging = known_to_hang(control, watch);
    watch->looked_ms = control_now_ms();
    for (size_t i = 0; i < watch->ref_count; i++) {
        watch->refs[i]->wanted = true;
    }
    if (watch->hanging == NULL) {
        watched_files_on_quiet(watch->files, names_on_files, control);
        watched_files_look(watch->files, control->workers.files, control->loop.mailbox,
                           watch->looked_ms);
    }
}

bool tls_watch_waits(struct control *control, uint64_t *ret_until_ms)
{
    struct tls_watch *watch = control->generations.coming_watch;
    const struct watched_group *busy =
        watch != NULL && watch->hanging == NULL ? watched_files_busy(watch->files) : NULL;
    if (busy == NULL) {
        return false;
    }
    if (watched_group_hangs(busy, control_now_ms())) {
        watch->hanging = busy->first->path;
        return false;
    }
    *ret_until_ms = busy->asked_ms + WATCHED_HANG_MS;
    return true;
}

/* A path that a reader would wait at for a writer; NULL: none. */
static const char *irregular_of(const struct tls_watch *watch)
{
    for (size_t i = 0; i < watch->ref_count; i++) {
        if (!watch->refs[i]->regular) {
            return watch->refs[i]->path;
        }
    }
    return NULL;
}

/* What the first look has found is no change. */
static void watch_settle(struct tls_watch *watch)
{
    for (size_t i = 0; i < watch->use_count; i++) {
        (void)use_seen(&watch->uses[i], &watch->uses[i].changes_count);
        watch->uses[i].judged = watch->files->last_asked;
    }
}

/* One that hangs is kept, so that the next reload need not find that out again, and its tasks do not become more. */
static void watch_leave(struct control *control, struct tls_watch **watch)
{
    if (watched_files_busy((*watch)->files) != NULL) {
        tls_watch_free(&control->generations.hung_watch);
        control->generations.hung_watch = *watch;
        *watch = NULL;
    } else {
        tls_watch_free(watch);
    }
}

static struct tls_watch *watch_at_start(struct control *control, struct settings *settings)
{
    struct tls_watch *watch = watch_create(settings, &control->reloads.tls_files);
    if (watch != NULL) {
        watched_files_mark(watch->files);
    }
    return watch;
}

struct tls_watch *tls_watch_take(struct control *control, struct settings *settings, char *why,
                                 size_t why_bytes)
{
    bool starts = control->generations.present == NULL;
    struct tls_watch *watch =
        starts ? watch_at_start(control, settings) : control->generations.coming_watch;
    control->generations.coming_watch = NULL;
    if (watch == NULL) {
        snprintf(why, why_bytes, "no memory");
        return NULL;
    }
    const char *irregular = starts || watch->hanging != NULL ? NULL : irregular_of(watch);
    watched_files_on_quiet(watch->files, NULL, NULL);
    if (watch->hanging == NULL && irregular == NULL) {
        watch_settle(watch);
        return watch;
    }
    snprintf(why, why_bytes, "%s: %s", watch->hanging != NULL ? watch->hanging : irregular,
             watch->hanging != NULL ? "its disk hangs" : "not a regular file");
    watch_leave(control, &watch);
    return NULL;
}

/* ---- disks ---- */

static void watch_tell_hanging(struct control *control)
{
    const struct watched_group *group;
    while ((group = watched_files_turned(control->generations.watch->files, control_now_ms())) !=
           NULL) {
        log_write(control->log, group->told ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "tls: %s: %s",
                  group->first->path,
                  group->told ? "its disk hangs: whether it has changed is not known"
                              : "its disk answers again");
    }
}

/* ---- reading ---- */

/* "listeners.NAME" or "upstreams.NAME". */
static void use_name(const struct tls_watch *watch, const struct tls_use *use, char *name,
                     size_t name_bytes)
{
    bool listens = use->upstream == NULL;
    snprintf(name, name_bytes, "%s.%s", listens ? "listeners" : "upstreams",
             listens ? watch->settings->listeners[use->listener_number].name : use->upstream->name);
}

static void use_failed(struct control *control, struct tls_use *use, const char *why)
{
    struct tls_watch *watch = control->generations.watch;
    uint64_t now_ms = control_now_ms();
    char name[160];
    use_enter(watch, use, USE_FAILING);
    use->failed_ms = now_ms;
    if (use->failing_ms == 0) {
        use->failing_ms = now_ms;
    }
    if (use->said || now_ms - use->failing_ms < WATCH_PATIENCE_MS) {
        return;
    }
    use->said = true;
    watch->figures->failing_count++;
    watch->figures->failures_count++;
    use_name(watch, use, name, sizeof name);
    log_event(control->log, EVENT_CERTIFICATES, LOG_LEVEL_ERROR,
              "%s.%s: these files have changed; what was read before stays in use", name, why);
}

/* What is in use is what its files say. */
static void use_is_good(struct tls_watch *watch, struct tls_use *use)
{
    watch->figures->failing_count -= use->said;
    use->said = false;
    use->failing_ms = 0;
    use_enter(watch, use, USE_QUIET);
}

/* A reader would wait for whoever writes into a pipe. */
static bool use_is_regular(struct control *control, struct tls_use *use)
{
    char why[448];
    for (size_t i = 0; i < use->file_count; i++) {
        if (!use->files[i]->regular) {
            snprintf(why, sizeof why, "tls: %s: not a regular file", use->files[i]->path);
            use_failed(control, use, why);
            return false;
        }
    }
    return true;
}

static void read_listener(struct control *control, struct tls_use *use)
{
    struct tls_watch *watch = control->generations.watch;
    struct tls_server **fresh = &watch->fresh[use->listener_number];
    const struct listener_settings *listener = &watch->settings->listeners[use->listener_number];
    char why[448];
    tls_server_put(fresh);
    if (tls_server_create(&listener->tls, control->replica.tickets, fresh, why, sizeof why) !=
        TLS_SERVER_OK) {
        use_failed(control, use, why);
        return;
    }
    use_enter(watch, use, USE_READY);
}

static void read_upstream(struct control *control, struct tls_use *use)
{
    char why[512];
    bool changed = false;
    if (pools_reread_tls(control->pools, control->generations.watch->settings, use->upstream,
                         &changed, why, sizeof why) != UPSTREAM_OK) {
        use_failed(control, use, why);
        return;
    }
    if (changed) {
        use_enter(control->generations.watch, use, USE_READY);
    } else {
        use_is_good(control->generations.watch, use);
    }
}

static void watch_read(struct control *control)
{
    struct tls_watch *watch = control->generations.watch;
    uint64_t until_ms = control_now_ms() + WATCH_SLICE_MS;
    for (size_t i = 0; watch->due_count > 0 && i < watch->use_count; i++) {
        struct tls_use *use = &watch->uses[i];
        if (use->state != USE_DUE || !use_is_regular(control, use)) {
            continue;
        }
        if (use->upstream != NULL) {
            read_upstream(control, use);
        } else {
            read_listener(control, use);
        }
        if (control_now_ms() >= until_ms) {
            return;
        }
    }
}

/* ---- use ---- */

static void note_expiry(const struct tls_certificate_figures *figures, void *owner)
{
    int64_t *first_s = owner;
    *first_s = *first_s == 0 || figures->expires_s < *first_s ? figures->expires_s : *first_s;
}

static void say_taken(const struct control *control, const struct tls_use *use)
{
    const struct tls_watch *watch = control->generations.watch;
    char name[160], expiry[80] = "";
    use_name(watch, use, name, sizeof name);
    if (use->upstream == NULL) {
        int64_t first_s = 0;
        tls_server_each_certificate(watch->fresh[use->listener_number], note_expiry, &first_s);
        struct tm date;
        time_t when = (time_t)first_s;
        gmtime_r(&when, &date);
        strftime(expiry, sizeof expiry, "; the first certificate to expire does so on %F", &date);
    }
    log_event(control->log, EVENT_CERTIFICATES, LOG_LEVEL_INFO,
              "%s.tls: changed files are in use%s", name, expiry);
}

static void watch_taken(struct control *control, struct tls_use *use)
{
    struct tls_watch *watch = control->generations.watch;
    watch->figures->taken_count++;
    say_taken(control, use);
    if (use->upstream == NULL) {
        tls_server_put(&watch->fresh[use->listener_number]);
    }
    use_is_good(watch, use);
}

static void watch_adopt(struct control *control)
{
    struct tls_watch *watch = control->generations.watch;
    char why[448], cause[512];
    bool taken = reload_refresh(control, why, sizeof why);
    snprintf(cause, sizeof cause, "tls: they cannot be taken into use: %s", taken ? "" : why);
    for (size_t i = 0; i < watch->use_count; i++) {
        struct tls_use *use = &watch->uses[i];
        if (use->state == USE_READY && taken) {
            watch_taken(control, use);
        } else if (use->state == USE_READY) {
            use_failed(control, use, cause);
        }
    }
}

void tls_watch_step(struct control *control)
{
    struct tls_watch *watch = control->generations.watch;
    bool upgrading = control->upgrade.figures.pid != 0 || takeover_pending(control);
    if (watch == NULL || watch->use_count == 0 || upgrading ||
        control->drain.stage != DRAIN_SERVING) {
        return;
    }
    watch_look(control);
    watch_tell_hanging(control);
    watch_read(control);
    if (watch->ready_count > 0 && reload_settled(control)) {
        watch_adopt(control);
    }
}
