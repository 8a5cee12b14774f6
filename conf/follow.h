/*
 * Keys that follow others: a key that the file does not set is raised or lowered to fit those that it sets.
 *
 * Owns nothing. Thread: the one that loads. Errors: none. Private to conf/.
 */
#ifndef EVENKEEL_CONF_FOLLOW_H
#define EVENKEEL_CONF_FOLLOW_H

#include <libconfig.h>

#include "conf/settings.h"

/* An upstream's, when all of its keys are read. */
void follow_settings(const config_setting_t *item, struct upstream_settings *upstream);

#endif
