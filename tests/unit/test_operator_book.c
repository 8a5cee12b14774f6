/* Who said what holds: one word for each subject, bounded, and known to the next process. */
#include <stdio.h>
#include <string.h>

#include "proxy/policy/operator_book.h"
#include "unit.h"

static struct operator_word word(enum operator_subject subject, unsigned state, const char *name,
                                 const char *detail, uint64_t since_ms)
{
    struct operator_word said = {.subject = subject, .state = state, .since_ms = since_ms};
    snprintf(said.name, sizeof said.name, "%s", name);
    snprintf(said.detail, sizeof said.detail, "%s", detail);
    snprintf(said.by, sizeof said.by, "ann");
    return said;
}

static void note(struct operator_book *book, struct operator_word said, const char *at)
{
    operator_book_note(book, &said, at);
}

static void the_last_word_on_a_subject_is_kept_until_it_is_taken_back(void **state)
{
    (void)state;
    struct operator_book book = {.count = 0};
    note(&book, word(OPERATOR_ENDPOINT, 1, "app", "a:1", 1), "one");
    note(&book, word(OPERATOR_ENDPOINT, 1, "app", "b:1", 2), "one");
    note(&book, word(OPERATOR_BREAKER, 1, "app", "", 3), "one");
    note(&book, word(OPERATOR_BREAKER, 2, "app", "", 4), "two");
    assert_int_equal(book.count, 3);
    const struct operator_said *said = operator_book_find(&book, OPERATOR_BREAKER, "app", "");
    assert_int_equal(said->word.state, 2);
    assert_string_equal(said->at, "two");
    note(&book, word(OPERATOR_ENDPOINT, 0, "app", "a:1", 5), "two");
    assert_null(operator_book_find(&book, OPERATOR_ENDPOINT, "app", "a:1"));
    assert_non_null(operator_book_find(&book, OPERATOR_ENDPOINT, "app", "b:1"));
    note(&book, word(OPERATOR_ROUTE, 0, "all", "", 6), "two"); /* nothing was said of it */
    assert_int_equal(book.count, 2);
    operator_book_release(&book);
}

static void of_too_many_the_oldest_is_forgotten(void **state)
{
    (void)state;
    struct operator_book book = {.count = 0};
    char name[32];
    for (unsigned i = 0; i <= OPERATOR_BOOK_WORDS; i++) {
        snprintf(name, sizeof name, "app%u", i);
        note(&book, word(OPERATOR_UPSTREAM, 1, name, "", 100 + i), "one");
    }
    assert_int_equal(book.count, OPERATOR_BOOK_WORDS);
    assert_null(operator_book_find(&book, OPERATOR_UPSTREAM, "app0", ""));
    assert_non_null(operator_book_find(&book, OPERATOR_UPSTREAM, "app1", ""));
    assert_non_null(operator_book_find(&book, OPERATOR_UPSTREAM, name, ""));
    operator_book_release(&book);
}

static void what_was_saved_is_restored_and_a_part_of_it_too(void **state)
{
    (void)state;
    struct operator_book book = {.count = 0}, next = {.count = 0};
    struct pack pack;
    struct unpack unpack;
    note(&book, word(OPERATOR_ENDPOINT, 1, "app", "a:1", 7), "one");
    note(&book, word(OPERATOR_ROUTE, 1, "all", "", 8), "two");
    pack_init(&pack, 5000);
    operator_book_save(&book, &pack);
    assert_false(pack.failed);
    for (size_t bytes = 0; bytes <= pack.length; bytes++) {
        unpack_init(&unpack, pack.bytes, bytes);
        size_t count = operator_book_restore(&next, &unpack);
        assert_int_equal(count, next.count);
        assert_true(count <= 2 && (count == 2) == (bytes == pack.length));
    }
    const struct operator_said *said = operator_book_find(&next, OPERATOR_ENDPOINT, "app", "a:1");
    assert_memory_equal(&said->word, &book.said[0].word, sizeof said->word);
    assert_string_equal(said->at, "one");
    pack_release(&pack);
    operator_book_release(&book);
    operator_book_release(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_on_a_subject_is_kept_until_it_is_taken_back),
        cmocka_unit_test(of_too_many_the_oldest_is_forgotten),
        cmocka_unit_test(what_was_saved_is_restored_and_a_part_of_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
