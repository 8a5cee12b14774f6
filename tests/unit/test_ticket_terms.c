/* How long a session may be resumed, whatever its tickets say. */
#include "tests/unit/unit.h"

#include "tls/ticket_terms.h"

#define NOW 1800000000

static bool hold(int64_t since_s, int64_t until_s)
{
    unsigned char bytes[TICKET_TERMS_BYTES];
    ticket_terms_write(&(struct ticket_terms){since_s, until_s}, bytes);
    return ticket_terms_hold(bytes, sizeof bytes, NOW);
}

static void a_session_ends_with_the_first_certificate_of_its_chain(void **state)
{
    (void)state;
    assert_true(hold(NOW - 10, NOW + 1));
    assert_false(hold(NOW - 10, NOW));
    assert_false(hold(NOW - 10, NOW - 3600));
    assert_true(hold(NOW - 10, INT64_MAX));
}

static void a_chain_of_tickets_ends_a_day_after_its_full_handshake(void **state)
{
    (void)state;
    assert_true(hold(NOW, INT64_MAX));
    assert_true(hold(NOW - TICKET_CHAIN_S + 1, INT64_MAX));
    assert_false(hold(NOW - TICKET_CHAIN_S, INT64_MAX));
}

static void a_ticket_without_terms_or_from_the_future_is_not_taken(void **state)
{
    const unsigned char bytes[TICKET_TERMS_BYTES] = {0};
    (void)state;
    assert_false(ticket_terms_hold(NULL, 0, NOW));
    assert_false(ticket_terms_hold(bytes, sizeof bytes - 1, NOW));
    assert_false(ticket_terms_hold(bytes, sizeof bytes, NOW));
    assert_false(hold(NOW + 1, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_with_the_first_certificate_of_its_chain),
        cmocka_unit_test(a_chain_of_tickets_ends_a_day_after_its_full_handshake),
        cmocka_unit_test(a_ticket_without_terms_or_from_the_future_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
