/*
 * Keys that follow others: a key that the file does not set is raised or lowered to fit those that it sets.
 *
 * Owns nothing. Thread: the one that loads. Errors: none. Private to conf/.
 */
#ifndef EVENKEEL_CONF_FOLLOW_H
#define EVENKEEL_CONF_FOLLOW_H

#include "conf/load.h"

/* To be called when everything is read, before the checks. */
void follow_settings(struct loading *loading);

#endif
