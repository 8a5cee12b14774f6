/*
 * Maintenance of routes and upstreams: what the operator has said, and which routes answer 503 because of it, of their configuration
 * or of a file that is there.
 *
 * Owns: the operator's words, bounded by MAINTENANCE_WORDS. Whether a route is closed stands in its struct route_figures, which every
 * worker reads; whether an upstream is, in its struct upstream_policy. Thread: control; the figures are atomic. Errors: false.
 */
#ifndef EVENKEEL_PROXY_POLICY_MAINTENANCE_H
#define EVENKEEL_PROXY_POLICY_MAINTENANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/pack.h"

struct generation;
struct maintenance_settings;

#define MAINTENANCE_WORDS 1024
#define MAINTENANCE_NAME_BYTES 256
#define MAINTENANCE_BY_BYTES 64
#define MAINTENANCE_REASON_BYTES 256

enum maintenance_of { MAINTENANCE_OF_ROUTE, MAINTENANCE_OF_UPSTREAM };

/* Why something is closed: bits. */
enum maintenance_why {
    MAINTENANCE_CONFIGURED = 1 << 0,
    MAINTENANCE_FILE = 1 << 1,     /* maintenance.file is there */
    MAINTENANCE_SAID = 1 << 2,     /* by the operator */
    MAINTENANCE_UPSTREAM = 1 << 3, /* of a route: one of its upstreams is closed */
};

struct maintenance_word {
    enum maintenance_of of;
    char name[MAINTENANCE_NAME_BYTES];
    char by[MAINTENANCE_BY_BYTES];         /* "": not said */
    char reason[MAINTENANCE_REASON_BYTES]; /* likewise */
    uint64_t since_wall_ms;
};

struct maintenance;

/* NULL: no memory. */
struct maintenance *maintenance_create(void);
/* NULL is fine. */
void maintenance_free(struct maintenance **maintenance);

/* The word holds until it is taken back, over reloads. False: there are too many. */
__attribute__((warn_unused_result)) bool maintenance_say(struct maintenance *maintenance,
                                                         const struct maintenance_word *word);
/* Nothing happens if nothing was said. */
void maintenance_take_back(struct maintenance *maintenance, enum maintenance_of of,
                           const char *name);
/* NULL: nothing was said. */
const struct maintenance_word *maintenance_said(const struct maintenance *maintenance,
                                                enum maintenance_of of, const char *name);

void maintenance_save(const struct maintenance *maintenance, struct pack *pack);
/* In place of what was said. Returns how many words. */
size_t maintenance_restore(struct maintenance *maintenance, struct unpack *unpack);

struct maintenance_env {
    /* Whether maintenance.file is there. Asked often: it waits for no disk. */
    bool (*is_there)(const struct maintenance_settings *settings, void *owner);
    /* Something begins or ends; `why`: enum maintenance_why, 0: it ends. word: what was said, or NULL. */
    void (*changed)(enum maintenance_of of, const char *name, unsigned why,
                    const struct maintenance_word *word, void *owner);
    void *owner;
};
/* Sets what is closed of the generation. False: no memory, and nothing has changed. */
__attribute__((warn_unused_result)) bool maintenance_apply(const struct maintenance *maintenance,
                                                           const struct generation *generation,
                                                           const struct maintenance_env *env);

#endif
