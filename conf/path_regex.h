/*
 * A regular expression of `path_regex`: PCRE2, compiled to machine code where that is possible, bounded in steps.
 *
 * Owns: the compiled expression, until it is freed. Thread: compiled and freed on one; matched on any number at a time, each with a
 * scratch of its own. Errors: enum path_regex_result. Spec: pcre2pattern(3).
 */
#ifndef EVENKEEL_CONF_PATH_REGEX_H
#define EVENKEEL_CONF_PATH_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "steady/enum_names.h"

#define PATH_REGEX_RESULTS(X)       \
    X(PATH_REGEX_MATCH, "match")    \
    X(PATH_REGEX_NO_MATCH, "other") \
    X(PATH_REGEX_CUT, "cut") /* the limit of steps or memory was reached */
enum path_regex_result { ENUM_VALUES(PATH_REGEX_RESULTS) };

/* {0} to {9} */
#define PATH_REGEX_CAPTURES 10

struct path_regex;
struct path_regex_scratch;

/* What the expression and its groups matched: parts of the path; at is NULL for a group that took no part. */
struct path_captures {
    struct {
        const char *at;
        size_t bytes;
    } of[PATH_REGEX_CAPTURES];
};

#define PATH_REGEX_WHY_BYTES 192
/* NULL: it is no expression, or there is no memory; `why` says so, and where. */
__attribute__((warn_unused_result)) struct path_regex *path_regex_create(
    const char *text, char why[PATH_REGEX_WHY_BYTES]);
/* NULL is fine. */
void path_regex_free(struct path_regex **regex);
/* Number of groups that capture. */
unsigned path_regex_group_count(const struct path_regex *regex);

/* What a thread needs to match; NULL: no memory. */
__attribute__((warn_unused_result)) struct path_regex_scratch *path_regex_scratch_create(void);
void path_regex_scratch_free(struct path_regex_scratch **scratch);

/* ret_captures may be NULL; it is written only on a match. */
__attribute__((warn_unused_result)) enum path_regex_result path_regex_match(
    const struct path_regex *regex, struct path_regex_scratch *scratch, const char *path,
    size_t path_bytes, struct path_captures *ret_captures);

#endif
