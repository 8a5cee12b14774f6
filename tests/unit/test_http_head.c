/* Field names are known in any case and nothing else is; heads can be searched, copied and moved. */
#include "tests/unit/unit.h"

#include <ctype.h>

#include "proxy/http/http_head.h"
#include "proxy/http1/h1_parse.h"
#include "steady/rng.h"

/* The rows themselves, to hold against them what is derived. */
static const struct field_name {
    const char *name;
    size_t name_bytes;
} field_names[FIELD_ID_COUNT] = {
#define X(id, name, request, response) [FIELD_##id] = {name, sizeof(name) - 1},
    FIELD_NAMES(X)
#undef X
};

/* Whether the names have slots of their own with this multiplier; their slots go to ids. */
static bool fits(uint64_t multiplier, uint8_t ids[1 << FIELD_SLOT_BITS])
{
    memset(ids, FIELD_OTHER, 1 << FIELD_SLOT_BITS);
    for (unsigned id = 1; id < FIELD_ID_COUNT; id++) {
        size_t bytes = field_names[id].name_bytes;
        uint64_t key = field_first_word(field_names[id].name, bytes) + bytes;
        uint64_t slot = key * multiplier >> (64 - FIELD_SLOT_BITS);
        if (ids[slot] != FIELD_OTHER) {
            return false;
        }
        ids[slot] = (uint8_t)id;
    }
    return true;
}

/* What field_names.[ch] must hold, ready to be pasted. */
static void print_slots(void)
{
    uint8_t ids[1 << FIELD_SLOT_BITS];
    struct rng rng;
    uint64_t multiplier;
    rng_init(&rng, 1);
    do {
        multiplier = rng_next(&rng) | 1;
    } while (!fits(multiplier, ids));
    printf("# #define FIELD_SLOT_MULTIPLIER 0x%016" PRIx64 "U\n", multiplier);
    for (unsigned slot = 0; slot < 1 << FIELD_SLOT_BITS; slot++) {
        if (ids[slot] == FIELD_OTHER) {
            continue;
        }
        printf("#     [%u] = SLOT(", slot);
        for (const char *at = field_names[ids[slot]].name; *at; at++) {
            putchar(*at == '-' ? '_' : toupper(*at));
        }
        printf("),\n");
    }
    fflush(stdout);
}

static void every_name_has_its_slot(void **state)
{
    (void)state;
    uint8_t ids[1 << FIELD_SLOT_BITS];
    bool good = fits(FIELD_SLOT_MULTIPLIER, ids);
    for (unsigned slot = 0; slot < 1 << FIELD_SLOT_BITS; slot++) {
        good = good && field_slots[slot].id == ids[slot] &&
               field_slots[slot].name_bytes == field_names[ids[slot]].name_bytes;
    }
    if (!good) {
        print_slots();
    }
    assert_true(good);
}

static void a_name_is_known_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_ID_COUNT; id++) {
        const struct field_name *row = &field_names[id];
        char name[FIELD_TEXT_BYTES];
        assert_true(row->name_bytes > 0 && row->name_bytes < FIELD_TEXT_BYTES);
        assert_int_equal(strlen(row->name), row->name_bytes);
        assert_memory_equal(field_texts[id], row->name, row->name_bytes);
        assert_int_equal(field_texts[id][row->name_bytes], ':');
        assert_int_equal(field_id_of(row->name, row->name_bytes), id);
        for (size_t i = 0; i < row->name_bytes; i++) {
            name[i] = (char)toupper(row->name[i]);
        }
        assert_int_equal(field_id_of(name, row->name_bytes), id);
        for (size_t i = 0; i < row->name_bytes; i += 2) {
            name[i] = row->name[i];
        }
        assert_int_equal(field_id_of(name, row->name_bytes), id);
    }
}

static void a_name_that_differs_in_a_byte_is_another(void **state)
{
    (void)state;
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    for (unsigned id = 1; id < FIELD_ID_COUNT; id++) {
        const struct field_name *row = &field_names[id];
        char name[FIELD_TEXT_BYTES + 1];
        for (size_t i = 0; i < row->name_bytes; i++) {
            for (const char *other = token; *other; other++) {
                memcpy(name, row->name, row->name_bytes);
                name[i] = *other;
                enum field_id found = field_id_of(name, row->name_bytes);
                if (*other == row->name[i]) {
                    assert_int_equal(found, id);
                } else {
                    assert_int_not_equal(found, id);
                }
            }
        }
        memcpy(name, row->name, row->name_bytes);
        name[row->name_bytes] = 's';
        assert_int_not_equal(field_id_of(name, row->name_bytes + 1U), id);
        assert_int_not_equal(field_id_of(name, row->name_bytes - 1U), id);
    }
    assert_int_equal(field_id_of("", 0), FIELD_OTHER);
}

static void names_are_read_within_their_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 40; bytes++) {
        char *name = malloc(bytes); /* a sanitizer sees what lies behind */
        assert_non_null(name);
        memset(name, 'x', bytes);
        assert_int_equal(field_id_of(name, bytes), FIELD_OTHER);
        assert_true(field_name_equal(name, name, bytes));
        free(name);
    }
}

static void names_compare_by_every_byte(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 40; bytes++) {
        char one[40], other[40];
        memset(one, 'a', bytes);
        memset(other, 'A', bytes);
        assert_true(field_name_equal(one, other, bytes));
        for (size_t i = 0; i < bytes; i++) {
            other[i] = 'b';
            assert_false(field_name_equal(one, other, bytes));
            other[i] = 'A';
        }
    }
}

static const char request[] = "GET /x HTTP/1.1\r\nHost: h\r\nX-A: one\r\nCookie: a\r\nx-a: two\r\n"
                              "Cookie: b\r\nTe: trailers\r\n\r\n";

static void parse(struct http_head *head, struct http_field *fields, uint32_t room)
{
    const struct h1_limits limits = {1024, 16};
    size_t scanned = 0;
    *head = (struct http_head){.fields = fields, .field_limit = room};
    assert_int_equal(h1_parse_request(request, sizeof request - 1, &limits, &scanned, head), H1_OK);
}

static void the_first_field_of_a_name_is_found(void **state)
{
    (void)state;
    struct http_field fields[16];
    struct http_head head;
    parse(&head, fields, 16);
    assert_ptr_equal(head_find(&head, FIELD_COOKIE), &fields[2]);
    assert_ptr_equal(head_find(&head, FIELD_TE), &fields[5]);
    assert_null(head_find(&head, FIELD_VIA));
    assert_ptr_equal(head_find(&head, FIELD_OTHER), &fields[1]);
    assert_ptr_equal(head_find_name(&head, "X-a", 3), &fields[1]);
    assert_ptr_equal(head_find_name(&head, "cookie", 6), &fields[2]);
    assert_null(head_find_name(&head, "X-B", 3));
    assert_null(head_find_name(&head, "X-AA", 4));
    assert_null(head_find_name(&head, "via", 3));
    assert_true(head_has(&head, FIELD_HOST));
    assert_false(head_has(&head, FIELD_VIA));
}

static void a_copy_lives_without_its_original(void **state)
{
    (void)state;
    struct http_field fields[16];
    struct http_head head;
    struct http_head copy;
    parse(&head, fields, 16);
    size_t bytes = head_copy_bytes(&head);
    assert_int_equal(bytes, 6 * sizeof(struct http_field) + sizeof request - 1);
    char *room = malloc(bytes);
    head_copy(&head, &copy, room);
    memset(fields, 0xff, sizeof fields);
    memset(&head, 0xff, sizeof head);
    assert_int_equal(copy.field_count, 6);
    assert_int_equal(copy.field_limit, 6);
    assert_memory_equal(copy.base, request, sizeof request - 1);
    assert_memory_equal(head_text(&copy, copy.target), "/x", 2);
    const struct http_field *cookie = head_find(&copy, FIELD_COOKIE);
    assert_non_null(cookie);
    assert_memory_equal(copy.base + cookie->value_at, "a", 1);
    free(room);
}

static void a_head_without_fields_can_be_copied(void **state)
{
    (void)state;
    struct http_head head = {.base = "x", .head_bytes = 1};
    struct http_head copy;
    uint64_t room;
    assert_int_equal(head_copy_bytes(&head), 1);
    head_copy(&head, &copy, &room);
    assert_memory_equal(copy.base, "x", 1);
    assert_int_equal(copy.field_count, 0);
}

static void only_what_may_be_repeated_is_idempotent(void **state)
{
    (void)state;
    for (int method = METHOD_OTHER; method <= METHOD_CONNECT; method++) {
        bool wanted = method != METHOD_OTHER && method != METHOD_POST && method != METHOD_PATCH &&
                      method != METHOD_CONNECT;
        assert_int_equal(http_method_idempotent((enum http_method)method), wanted);
    }
}

static void registered_statuses_have_a_phrase(void **state)
{
    (void)state;
    assert_string_equal(http_reason_phrase(200), "OK");
    assert_string_equal(http_reason_phrase(100), "Continue");
    assert_string_equal(http_reason_phrase(431), "Request Header Fields Too Large");
    assert_string_equal(http_reason_phrase(511), "Network Authentication Required");
    assert_string_equal(http_reason_phrase(299), "");
    assert_string_equal(http_reason_phrase(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_has_its_slot),
        cmocka_unit_test(a_name_is_known_in_any_case),
        cmocka_unit_test(a_name_that_differs_in_a_byte_is_another),
        cmocka_unit_test(names_are_read_within_their_bytes),
        cmocka_unit_test(names_compare_by_every_byte),
        cmocka_unit_test(the_first_field_of_a_name_is_found),
        cmocka_unit_test(a_copy_lives_without_its_original),
        cmocka_unit_test(a_head_without_fields_can_be_copied),
        cmocka_unit_test(only_what_may_be_repeated_is_idempotent),
        cmocka_unit_test(registered_statuses_have_a_phrase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
