/* Commands as bytes. */
#include "proxy/fleet/store_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest "*COUNT\r\n" or "$BYTES\r\n". */
#define MARK_BYTES 24
#define SPACE_LEAST 1024

size_t store_words_left(const struct store_words *unsent)
{
    return unsent->length - unsent->from;
}

static size_t bytes_of(const struct store_word *words, size_t count)
{
    size_t bytes = MARK_BYTES;
    for (size_t i = 0; i < count; i++) {
        bytes += MARK_BYTES + words[i].length + 2;
    }
    return bytes;
}

static bool make_space(struct store_words *unsent, size_t more, size_t most_bytes)
{
    size_t left = store_words_left(unsent);
    if (more > most_bytes || left > most_bytes - more) {
        return false;
    }
    if (unsent->from > 0) {
        memmove(unsent->bytes, unsent->bytes + unsent->from, left);
        unsent->from = 0;
        unsent->length = left;
    }
    if (left + more <= unsent->space) {
        return true;
    }
    size_t space = unsent->space > SPACE_LEAST ? unsent->space : SPACE_LEAST;
    while (space < left + more) {
        space *= 2;
    }
    char *bytes = realloc(unsent->bytes, space);
    if (bytes == NULL) {
        return false;
    }
    unsent->bytes = bytes;
    unsent->space = space;
    return true;
}

static void put(struct store_words *unsent, const void *bytes, size_t length)
{
    memcpy(unsent->bytes + unsent->length, bytes, length);
    unsent->length += length;
}

static void put_mark(struct store_words *unsent, char mark, size_t number)
{
    char text[MARK_BYTES];
    int bytes = snprintf(text, sizeof text, "%c%zu\r\n", mark, number);
    put(unsent, text, (size_t)bytes);
}

bool store_words_add(struct store_words *unsent, const struct store_word *words, size_t count,
                     size_t most_bytes)
{
    if (!make_space(unsent, bytes_of(words, count), most_bytes)) {
        return false;
    }
    put_mark(unsent, '*', count);
    for (size_t i = 0; i < count; i++) {
        put_mark(unsent, '$', words[i].length);
        put(unsent, words[i].bytes, words[i].length);
        put(unsent, "\r\n", 2);
    }
    return true;
}

struct iovec store_words_next(const struct store_words *unsent)
{
    return (struct iovec){unsent->bytes + unsent->from, store_words_left(unsent)};
}

void store_words_sent(struct store_words *unsent, size_t bytes)
{
    unsent->from += bytes;
    if (unsent->from == unsent->length) {
        unsent->from = unsent->length = 0;
    }
}

void store_words_release(struct store_words *unsent)
{
    if (unsent->bytes != NULL) {
        explicit_bzero(unsent->bytes, unsent->space); /* a password was among them */
    }
    free(unsent->bytes);
    *unsent = (struct store_words){.bytes = NULL};
}
