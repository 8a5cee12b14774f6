/*
 * What a start would find wrong with settings that are valid as a text: `-t`.
 *
 * Owns nothing; opens what a start would open for reading, and changes nothing. Thread: main. An error would fail every start and
 * every reload with these settings: keys, certificates, the user. A warning would fail a start here and now, by whoever asks: an
 * address in use, a folder that is not there yet.
 */
#ifndef EVENKEEL_PROXY_CONTROL_START_CHECK_H
#define EVENKEEL_PROXY_CONTROL_START_CHECK_H

#include <stdbool.h>

#include "conf/settings.h"

typedef void start_finding_fn(enum settings_severity severity, const char *text, void *owner);

/* Calls `say` for each finding; whether none of them is an error. */
__attribute__((warn_unused_result)) bool start_check(const struct settings *settings,
                                                     start_finding_fn *say, void *owner);

/* Last of all, because this process becomes `user`, if that is set and root asks: warns of what root can read and the user cannot. */
void start_check_as_user(const struct settings *settings, const char *config_path,
                         start_finding_fn *say, void *owner);

#endif
