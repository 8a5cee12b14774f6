/*
 * What the operator has said, at this replica or at another: carried out, written in the book with who said it, and told as an event.
 *
 * Owns nothing: the book is in struct control. Thread: control.
 */
#ifndef EVENKEEL_PROXY_CONTROL_OPERATOR_WORDS_H
#define EVENKEEL_PROXY_CONTROL_OPERATOR_WORDS_H

#include <stdbool.h>

#include "proxy/policy/operator_word.h"

struct control;

/* Said here, and carried out already. */
void operator_words_here(struct control *control, const struct operator_word *word);
/* Said at a replica of this fleet, `at` its host. False: what it is about is not here, or nothing serves yet. */
bool operator_words_obey(struct control *control, const struct operator_word *word, const char *at);

#endif
