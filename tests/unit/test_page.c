/* A page that is written in slices is the page that is written at once. */
#include "tests/unit/unit.h"

#include "proxy/admin/page.h"

#define ITEMS_COUNT 5

static bool write_head(struct page *page)
{
    json_open(&page->json, NULL, '{');
    json_open(&page->json, "items", '[');
    return true;
}

static bool write_items(struct page *page)
{
    bool time = true;
    for (; page->cursor < ITEMS_COUNT && time; time = page_has_time(page)) {
        json_uint(&page->json, NULL, page->cursor++);
    }
    return page->cursor >= ITEMS_COUNT;
}

static bool write_end(struct page *page)
{
    json_close(&page->json, ']');
    json_close(&page->json, '}');
    return true;
}

static page_part_fn *const parts[] = {write_head, write_items, write_items, write_end, NULL};

/* How many slices it took. */
static unsigned written(uint64_t slice_us, char *text, size_t bytes)
{
    static const struct overview overview;
    struct page page;
    unsigned count = 1;
    page_init(&page, parts, "app");
    assert_string_equal(page.only, "app");
    assert_true(page_begin(&page));
    while (!page_write(&page, &overview, slice_us)) {
        assert_true(++count < 100);
    }
    size_t length = evbuffer_get_length(page.out);
    assert_true(length < bytes);
    evbuffer_remove(page.out, text, length);
    text[length] = '\0';
    page_release(&page);
    return count;
}

static void slices_do_not_show(void **state)
{
    (void)state;
    char whole[128], sliced[128];
    assert_int_equal(written(UINT64_C(1000000000), whole, sizeof whole), 1);
    assert_string_equal(whole, "{\"items\":[0,1,2,3,4,0,1,2,3,4]}");
    (void)written(1, sliced, sizeof sliced);
    assert_string_equal(sliced, whole);
}

/* A thread that got no processor for longer than a slice must not write nothing for ever. */
static void a_slice_without_time_writes_something(void **state)
{
    (void)state;
    char text[128];
    assert_int_equal(written(0, text, sizeof text), 2 * (ITEMS_COUNT - 1) + 1);
    assert_string_equal(text, "{\"items\":[0,1,2,3,4,0,1,2,3,4]}");
}

static void pages_can_be_members_of_another_however_they_are_sliced(void **state)
{
    static const struct page_member members[] = {{"a", parts}, {"b", parts}, {NULL, NULL}};
    static const struct overview overview;
    static const char expected[] =
        "{\"first\":1,\"a\":{\"items\":[0,1,2,3,4,0,1,2,3,4]},\"b\":{\"items\":[0,1,2,3,4,0,1,2,3,4]}}\n";
    (void)state;
    for (uint64_t slice_us = 0; slice_us < 2; slice_us++) {
        char text[sizeof expected + 1] = "";
        struct page page;
        page_init_members(&page, members);
        assert_true(page_begin(&page));
        evbuffer_add_printf(page.out, "{\"first\":1");
        while (!page_write(&page, &overview, slice_us)) {
            assert_true(evbuffer_get_length(page.out) < sizeof text);
        }
        evbuffer_remove(page.out, text, sizeof text - 1);
        page_release(&page);
        assert_string_equal(text, expected);
    }
}

static void a_page_that_was_never_begun_is_released(void **state)
{
    (void)state;
    struct page page;
    page_init(&page, parts, "");
    page_release(&page);
    assert_null(page.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_do_not_show),
        cmocka_unit_test(a_slice_without_time_writes_something),
        cmocka_unit_test(pages_can_be_members_of_another_however_they_are_sliced),
        cmocka_unit_test(a_page_that_was_never_begun_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
