/* The words in a row, in no order. */
#include "proxy/policy/operator_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE_LEAST 8

void operator_book_release(struct operator_book *book)
{
    free(book->said);
    *book = (struct operator_book){.said = NULL};
}

/* ---- words ---- */

static struct operator_said *find(const struct operator_book *book, enum operator_subject subject,
                                  const char *name, const char *detail)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct operator_word *word = &book->said[i].word;
        if (word->subject == subject && strcmp(word->name, name) == 0 &&
            strcmp(word->detail, detail) == 0) {
            return &book->said[i];
        }
    }
    return NULL;
}

const struct operator_said *operator_book_find(const struct operator_book *book,
                                               enum operator_subject subject, const char *name,
                                               const char *detail)
{
    return find(book, subject, name, detail);
}

static struct operator_said *oldest(const struct operator_book *book)
{
    struct operator_said *found = &book->said[0];
    for (size_t i = 1; i < book->count; i++) {
        if (book->said[i].word.since_ms < found->word.since_ms) {
            found = &book->said[i];
        }
    }
    return found;
}

static bool grow(struct operator_book *book)
{
    size_t space = book->space > 0 ? book->space * 2 : SPACE_LEAST;
    struct operator_said *said = realloc(book->said, space * sizeof *said);
    if (said != NULL) {
        book->said = said;
        book->space = space;
    }
    return said != NULL;
}

/* A place for one more. NULL: no memory. */
static struct operator_said *add(struct operator_book *book)
{
    if (book->count == OPERATOR_BOOK_WORDS) {
        return oldest(book);
    }
    return book->count < book->space || grow(book) ? &book->said[book->count++] : NULL;
}

void operator_book_note(struct operator_book *book, const struct operator_word *word,
                        const char *at)
{
    struct operator_said *said = find(book, word->subject, word->name, word->detail);
    if (word->state == 0) {
        if (said != NULL) {
            *said = book->said[--book->count];
        }
        return;
    }
    said = said != NULL ? said : add(book);
    if (said != NULL) {
        said->word = *word;
        snprintf(said->at, sizeof said->at, "%s", at);
    }
}

/* ---- for the next process ---- */

void operator_book_save(const struct operator_book *book, struct pack *pack)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct operator_word *word = &book->said[i].word;
        pack_u8(pack, (uint8_t)word->subject);
        pack_u8(pack, (uint8_t)word->state);
        pack_text(pack, word->name);
        pack_any_text(pack, word->detail);
        pack_any_text(pack, word->by);
        pack_any_text(pack, word->reason);
        pack_any_text(pack, book->said[i].at);
        pack_u64(pack, word->since_ms);
        pack_u64(pack, word->until_ms);
    }
}

static bool restore_said(struct unpack *unpack, struct operator_said *said)
{
    struct operator_word *word = &said->word;
    *said = (struct operator_said){.at = ""};
    word->subject = unpack_u8(unpack);
    word->state = unpack_u8(unpack);
    bool read = unpack_text(unpack, word->name, sizeof word->name) &&
                unpack_any_text(unpack, word->detail, sizeof word->detail) &&
                unpack_any_text(unpack, word->by, sizeof word->by) &&
                unpack_any_text(unpack, word->reason, sizeof word->reason) &&
                unpack_any_text(unpack, said->at, sizeof said->at);
    word->since_ms = unpack_u64(unpack);
    word->until_ms = unpack_u64(unpack);
    return read && !unpack->failed && word->subject < OPERATOR_SUBJECT_COUNT &&
           word->state < OPERATOR_STATES_MOST;
}

size_t operator_book_restore(struct operator_book *book, struct unpack *unpack)
{
    struct operator_said said;
    book->count = 0;
    while (unpack_more(unpack) && restore_said(unpack, &said)) {
        operator_book_note(book, &said.word, said.at);
    }
    return book->count;
}
