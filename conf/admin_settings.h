/*
 * Settings of the admin listener: where it is, who may use it, and what its pages show.
 *
 * Owns nothing: texts and lists are in the arena of the settings. Thread: any.
 */
#ifndef EVENKEEL_CONF_ADMIN_SETTINGS_H
#define EVENKEEL_CONF_ADMIN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"

/* A shorter token could be guessed. */
#define ADMIN_TOKEN_MIN_BYTES 16
#define ADMIN_TOKEN_MAX_BYTES 255
/* Tokens that are valid at a time: several, so that one can be replaced without a gap. */
#define ADMIN_TOKENS_MAX 16

/* Filled up with NUL, so that comparing takes the same time for every token. */
struct admin_token {
    char text[ADMIN_TOKEN_MAX_BYTES + 1];
};

/* The most edges of metrics.buckets. */
#define METRICS_BUCKETS_MOST 30

struct admin_settings {
    struct address listen;
    const char *listen_text;
    const char *const *hosts; /* lower-case names, or "*.suffix" */
    size_t hosts_count;
    const char *token_file; /* "": nobody is asked for a token */
    const struct admin_token *tokens;
    size_t token_count;
    uint64_t drift_interval_ms; /* drift.interval */
    const uint64_t *buckets_us; /* metrics.buckets: upper edges of histograms, ascending */
    size_t buckets_count;
    bool user_agents; /* metrics.user_agents: whether requests are counted by them */
};

#endif
