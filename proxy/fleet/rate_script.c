/* A token bucket in the store: when it will be full again, by the store's clock. */
#include "proxy/fleet/rate_script.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* EVAL, the script, how many keys; behind the keys: three numbers. */
#define WORDS_BEFORE 3
#define TERMS_COUNT 3
/* Of a key: its name, what it has spent, what it wants. */
#define WORDS_EACH 3
#define TEXT_EACH_BYTES 192
#define TEXT_BEFORE_BYTES 256

/* KEYS: when the bucket of a key is full again, in microseconds; none: it is full. ARGV: microseconds of a token, of the tokens that a
   full bucket gives beyond one, and how far who does not ask may get ahead; then for each key what was spent without asking (below 0:
   what is given back) and what is asked for. Returns for each key how many tokens are lent; below 0: none, in so many milliseconds there
   will be one. A value that is no number, or lies too far ahead, counts as far ahead as it may be. */
static const char script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local each, depth, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local most, out = now + depth + each + ahead, {}\n"
    "for i, key in ipairs(KEYS) do\n"
    "  local want = tonumber(ARGV[2 * i + 3])\n"
    "  local value = redis.call('GET', key)\n"
    "  local full = math.max(value and tonumber(value) or now, now)\n"
    "  full = math.max(full + ARGV[2 * i + 2] * each, now)\n"
    "  if not (full < most) then full = most end\n"
    "  local got = math.floor((now + depth - full) / each) + 1\n"
    "  if got > want then got = want end\n"
    "  if got > 0 then\n"
    "    full = full + got * each\n"
    "  else\n"
    "    got = want > 0 and -math.ceil((full - now - depth) / 1000) or 0\n"
    "  end\n"
    "  redis.call('SET', key, string.format('%.0f', full), 'PX', math.max(math.ceil((full - now) / 1000), 1))\n"
    "  out[i] = got\n"
    "end\n"
    "return out\n";

const char *rate_script(void)
{
    return script;
}

struct rates_space {
    struct store_word *words;
    char *text;
    size_t words_most, text_bytes;
    size_t word_count, text_used;
};

struct rates_space *rates_space_create(size_t entries_most)
{
    struct rates_space *space = calloc(1, sizeof *space);
    if (space == NULL) {
        return NULL;
    }
    space->words_most = WORDS_BEFORE + TERMS_COUNT + WORDS_EACH * entries_most;
    space->text_bytes = TEXT_BEFORE_BYTES + TEXT_EACH_BYTES * entries_most;
    space->words = malloc(space->words_most * sizeof *space->words);
    space->text = malloc(space->text_bytes);
    if (space->words == NULL || space->text == NULL) {
        rates_space_free(&space);
    }
    return space;
}

void rates_space_free(struct rates_space **space)
{
    if (*space != NULL) {
        free((*space)->words);
        free((*space)->text);
        free(*space);
    }
    *space = NULL;
}

/* One more word. False: there is no room for it. */
__attribute__((format(printf, 2, 3))) static bool put(struct rates_space *space, const char *format,
                                                      ...)
{
    char *at = space->text + space->text_used;
    size_t left = space->text_bytes - space->text_used;
    va_list values;
    va_start(values, format);
    int bytes = vsnprintf(at, left, format, values);
    va_end(values);
    if (bytes < 0 || (size_t)bytes >= left || space->word_count == space->words_most) {
        return false;
    }
    space->words[space->word_count++] = (struct store_word){at, (size_t)bytes};
    space->text_used += (size_t)bytes + 1;
    return true;
}

static bool put_name(struct rates_space *space, const struct rate_question *question, uint64_t key)
{
    char text[2 * TOKEN_TEXT_BYTES + 32], token[TOKEN_TEXT_BYTES];
    snprintf(text, sizeof text, "%s %016" PRIx64, question->limit_name, key);
    return token_make(question->key, text, token) && put(space, "%s%s", question->prefix, token);
}

static bool put_terms(struct rates_space *space, const struct rate_lease_terms *terms)
{
    double each_us = 1e6 / terms->per_second;
    return put(space, "%.17g", each_us) &&
           put(space, "%.17g", (rate_lease_depth(terms) - 1) * each_us) &&
           put(space, "%.17g", rate_lease_debt_s(terms) * 1e6);
}

bool rate_question_make(struct rates_space *space, const struct rate_question *question,
                        const struct store_word **ret_words, size_t *ret_count)
{
    space->text_used = 0;
    space->words[0] = STORE_WORD_TEXT(question->command);
    space->words[1] = STORE_WORD_TEXT(question->script);
    space->word_count = 2;
    bool made = put(space, "%zu", question->entry_count);
    for (size_t i = 0; made && i < question->entry_count; i++) {
        made = put_name(space, question, question->entries[i].key);
    }
    made = made && put_terms(space, question->terms);
    for (size_t i = 0; made && i < question->entry_count; i++) {
        const struct rate_lease_word *word = &question->entries[i].word;
        made = put(space, "%" PRId64, (int64_t)word->used_count - word->back_count) &&
               put(space, "%" PRIu32, word->want_count);
    }
    *ret_words = space->words;
    *ret_count = space->word_count;
    return made;
}
