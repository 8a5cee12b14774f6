/*
 * What to write instead: the value that was probably meant by one that is not taken.
 *
 * Owns nothing. Thread: the one that loads. Private to conf/.
 */
#ifndef EVENKEEL_CONF_MEND_H
#define EVENKEEL_CONF_MEND_H

#include "conf/schema.h"

#define MEND_TEXT_BYTES 512

/* Writes what follows in a message, such as `: write "25s"`; "" if nothing is known. */
void mend_value(const struct schema_row *row, const char *text, bool is_quoted,
                char ret_hint[MEND_TEXT_BYTES]);

#endif
