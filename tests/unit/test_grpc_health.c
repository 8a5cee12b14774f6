/* The messages of a gRPC health service, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/upstream/grpc_health.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static void a_request_names_its_service(void **state)
{
    uint8_t space[GRPC_HEALTH_REQUEST_BYTES];
    char longest[HEALTH_SERVICE_BYTES + 1];
    (void)state;
    assert_int_equal(grpc_health_request(space, ""), 5);
    assert_memory_equal(space, "\0\0\0\0\0", 5);
    assert_int_equal(grpc_health_request(space, "a.B"), 10);
    assert_memory_equal(space, "\0\0\0\0\5\x0a\3a.B", 10);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(grpc_health_request(space, longest), sizeof space);
    assert_memory_equal(space, "\0\0\0\1\x02\x0a\xff\x01x", 9);
}

static void only_a_whole_response_that_says_so_is_serving(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        bool serving;
    } cases[] = {
        {"\0\0\0\0\2\x08\1", 7, true},
        {"\0\0\0\0\2\x08\0", 7, false},                    /* UNKNOWN */
        {"\0\0\0\0\2\x08\2", 7, false},                    /* NOT_SERVING */
        {"\0\0\0\0\2\x08\3", 7, false},                    /* SERVICE_UNKNOWN */
        {"\0\0\0\0\0", 5, false},                          /* the default: UNKNOWN */
        {"\0\0\0\0\4\x08\2\x08\1", 9, true},               /* the last one counts */
        {"\0\0\0\0\x0a\x12\2hi\x1d____\x08\1", 16, false}, /* cut off within */
        {"\0\0\0\0\x0b\x12\2hi\x1d____\x08\1", 16, true},  /* fields that are new */
        {"\0\0\0\0\x0d\x09________\x10\5\x08\1", 18, true},
        {"\1\0\0\0\2\x08\1", 7, false}, /* compressed, which was not asked for */
        {"\0\0\0\0\3\x08\1", 7, false}, /* more is announced than there is */
        {"\0\0\0\0\1\x08\1", 7, false}, /* and less */
        {"\0\0\0\0\1\x08", 6, false},
        {"\0\0\0\0\2\x0a\5", 7, false}, /* a text beyond the end */
        {"\0\0\0\0\2\x0b\1", 7, false}, /* a group */
        {"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, false},
        {"", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *exact = malloc(cases[i].count + 1);
        memcpy(exact, cases[i].bytes, cases[i].count);
        assert_int_equal(grpc_health_serving(exact, cases[i].count), cases[i].serving);
        for (size_t cut = 0; cut < cases[i].count; cut++) {
            uint8_t *part = memcpy(malloc(cut + 1), exact, cut);
            assert_false(grpc_health_serving(part, cut));
            free(part);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_its_service),
        cmocka_unit_test(only_a_whole_response_that_says_so_is_serving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
