/* Events: of each kind the newest are kept, and a text is one line. */
#include "proxy/log/event_book.h"
#include "unit.h"

static unsigned count_of(struct event_book *book, enum event_kind kind, uint64_t *ret_oldest)
{
    unsigned count = 0;
    struct book_event event;
    *ret_oldest = UINT64_MAX;
    for (unsigned place = 0; place < EVENT_KIND_COUNT * EVENTS_OF_KIND; place++) {
        if (event_book_at(book, place, &event) && event.kind == kind) {
            count++;
            *ret_oldest = event.number < *ret_oldest ? event.number : *ret_oldest;
        }
    }
    return count;
}

static void a_storm_of_one_kind_hides_no_other(void **state)
{
    struct event_book *book = malloc(sizeof *book);
    uint64_t oldest;
    (void)state;
    assert_non_null(book);
    event_book_init(book);
    event_book_add(book, EVENT_RELOAD, LOG_LEVEL_INFO, "generation 2");
    for (unsigned i = 0; i < 3 * EVENTS_OF_KIND; i++) {
        event_book_add(book, EVENT_BREAKER, LOG_LEVEL_WARN, "open");
    }
    assert_int_equal(count_of(book, EVENT_RELOAD, &oldest), 1);
    assert_int_equal(oldest, 1);
    assert_int_equal(count_of(book, EVENT_BREAKER, &oldest), EVENTS_OF_KIND);
    assert_int_equal(oldest, 2 * EVENTS_OF_KIND + 2);
    event_book_release(book);
    free(book);
}

static void a_text_is_one_line_and_is_cut(void **state)
{
    struct event_book *book = malloc(sizeof *book);
    struct book_event event;
    char text[2 * EVENT_TEXT_BYTES];
    (void)state;
    assert_non_null(book);
    event_book_init(book);
    memset(text, 'x', sizeof text);
    text[3] = '\n';
    text[sizeof text - 1] = '\0';
    event_book_add(book, EVENT_PROCESS, LOG_LEVEL_ERROR, text);
    assert_true(event_book_at(book, EVENT_PROCESS * EVENTS_OF_KIND, &event));
    assert_int_equal(strlen(event.text), EVENT_TEXT_BYTES - 1);
    assert_int_equal(event.text[3], ' ');
    assert_int_equal(event.level, LOG_LEVEL_ERROR);
    assert_true(event.wall_ms > 0);
    event_book_release(book);
    free(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_of_one_kind_hides_no_other),
        cmocka_unit_test(a_text_is_one_line_and_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
