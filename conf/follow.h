/*
 * Keys that follow others: what the file does not give is raised or lowered to what it does give.
 *
 * Owns nothing. Thread: the one that loads. Errors: none. Private to conf/.
 */
#ifndef EVENKEEL_CONF_FOLLOW_H
#define EVENKEEL_CONF_FOLLOW_H

#include "conf/load.h"

/* Once everything is taken, before the checks. */
void follow_settings(struct loading *loading);

#endif
