/*
 * The operator's book: who said what holds here, when, why, until when, and at which replica.
 *
 * Owns: a word for each subject, at most OPERATOR_BOOK_WORDS; when there are more, the oldest is forgotten, which changes nothing of what
 * holds. Thread: control. Time base: ms since 1970. Errors: without memory a word is not remembered.
 */
#ifndef EVENKEEL_PROXY_POLICY_OPERATOR_BOOK_H
#define EVENKEEL_PROXY_POLICY_OPERATOR_BOOK_H

#include <stddef.h>

#include "proxy/policy/operator_word.h"
#include "steady/pack.h"

#define OPERATOR_BOOK_WORDS 1024
#define OPERATOR_AT_BYTES 64

struct operator_said {
    struct operator_word word;
    char at[OPERATOR_AT_BYTES]; /* host of the replica at which it was said */
};

/* Zeroed: nothing was said. */
struct operator_book {
    struct operator_said *said;
    size_t count, space;
};

void operator_book_release(struct operator_book *book);
/* In place of what was said of the same subject; a word that takes back (state 0) is not kept. */
void operator_book_note(struct operator_book *book, const struct operator_word *word,
                        const char *at);
/* detail: of an endpoint; else "". NULL: nothing was said, or it is not known who did. */
const struct operator_said *operator_book_find(const struct operator_book *book,
                                               enum operator_subject subject, const char *name,
                                               const char *detail);

void operator_book_save(const struct operator_book *book, struct pack *pack);
/* In place of what was said. Returns how many words. */
size_t operator_book_restore(struct operator_book *book, struct unpack *unpack);

#endif
