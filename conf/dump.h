/*
 * The effective configuration, in the language it is written in: what `-T` prints.
 *
 * Reading the dump back gives equal settings.
 */
#ifndef EVENKEEL_CONF_DUMP_H
#define EVENKEEL_CONF_DUMP_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/settings.h"

/* False: writing failed. */
__attribute__((warn_unused_result)) bool settings_dump(const struct settings *settings, FILE *out);

#endif
