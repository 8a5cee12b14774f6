/* Messages arrive once, in order, from any thread, and the receiver is always woken. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "steady/fault.h"
#include "steady/mailbox.h"

struct letter {
    struct message message;
    struct mailbox *again; /* where to post itself when delivered */
    int number;
    int delivered_count;
};

struct receiver {
    int order[16];
    int count;
};

static void deliver(struct message *message, void *receiver)
{
    struct letter *letter = (struct letter *)message;
    struct receiver *self = receiver;
    assert_false(message->posted);
    letter->delivered_count++;
    if (self->count < 16) {
        self->order[self->count] = letter->number;
    }
    self->count++;
    if (letter->again != NULL) {
        mailbox_post(letter->again, message, deliver);
    }
}

static bool readable(const struct mailbox *mailbox)
{
    struct pollfd poll_fd = {.fd = mailbox_fd(mailbox), .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static struct mailbox *create(void)
{
    struct mailbox *mailbox = NULL;
    assert_int_equal(mailbox_create(&mailbox), MAILBOX_OK);
    return mailbox;
}

static void messages_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letters[10];
    struct receiver receiver = {.count = 0};
    memset(letters, 0, sizeof letters);
    for (int i = 0; i < 10; i++) {
        letters[i].number = i;
        mailbox_post(mailbox, &letters[i].message, deliver);
        assert_true(letters[i].message.posted);
    }
    assert_int_equal(mailbox_drain(mailbox, &receiver), 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(receiver.order[i], i);
        assert_int_equal(letters[i].delivered_count, 1);
    }
    assert_int_equal(mailbox_drain(mailbox, &receiver), 0);
    mailbox_free(mailbox);
}

static void the_descriptor_is_readable_while_messages_wait(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letters[2];
    struct receiver receiver = {.count = 0};
    memset(letters, 0, sizeof letters);
    assert_false(readable(mailbox));
    for (int round = 0; round < 3; round++) {
        mailbox_post(mailbox, &letters[0].message, deliver);
        mailbox_post(mailbox, &letters[1].message, deliver);
        assert_true(readable(mailbox));
        assert_int_equal(mailbox_drain(mailbox, &receiver), 2);
        assert_false(readable(mailbox));
    }
    mailbox_free(mailbox);
}

static void the_descriptor_is_written_only_when_the_box_was_empty(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letters[5];
    struct receiver receiver = {.count = 0};
    memset(letters, 0, sizeof letters);
    for (int i = 0; i < 5; i++) {
        mailbox_post(mailbox, &letters[i].message, deliver);
    }
    uint64_t rings = 0;
    assert_int_equal(read(mailbox_fd(mailbox), &rings, sizeof rings), sizeof rings);
    assert_int_equal(rings, 1);
    assert_int_equal(mailbox_drain(mailbox, &receiver), 5);
    mailbox_free(mailbox);
}

static void the_descriptor_neither_blocks_nor_is_inherited(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    assert_true(fcntl(mailbox_fd(mailbox), F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(mailbox_fd(mailbox), F_GETFD) & FD_CLOEXEC);
    mailbox_free(mailbox);
}

static void what_is_posted_during_delivery_waits_for_the_next_drain(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letter;
    struct receiver receiver = {.count = 0};
    memset(&letter, 0, sizeof letter);
    letter.again = mailbox;
    mailbox_post(mailbox, &letter.message, deliver);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(mailbox_drain(mailbox, &receiver), 1);
        assert_int_equal(letter.delivered_count, i);
        assert_true(readable(mailbox));
    }
    letter.again = NULL;
    assert_int_equal(mailbox_drain(mailbox, &receiver), 1);
    assert_false(readable(mailbox));
    mailbox_free(mailbox);
}

static void deliver_and_free(struct message *message, void *receiver)
{
    (void)receiver;
    free(message);
}

static void a_message_may_be_freed_by_its_delivery(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    for (int i = 0; i < 10; i++) {
        mailbox_post(mailbox, calloc(1, sizeof(struct message)), deliver_and_free);
    }
    assert_int_equal(mailbox_drain(mailbox, NULL), 10);
    mailbox_free(mailbox);
}

static void post_again(void *argument)
{
    struct mailbox *other = create();
    mailbox_post(other, argument, deliver);
}

static void free_the_box(void *argument)
{
    mailbox_free(argument);
}

static void misuse_is_fatal(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letter;
    struct receiver receiver = {.count = 0};
    memset(&letter, 0, sizeof letter);
    mailbox_post(mailbox, &letter.message, deliver);
    assert_aborts(post_again, &letter.message, "steady/mailbox.c:");
    assert_aborts(free_the_box, mailbox, "steady/mailbox.c:");
    assert_int_equal(mailbox_drain(mailbox, &receiver), 1);
    mailbox_free(mailbox);
    mailbox_free(NULL);
}

static void without_a_descriptor_nothing_is_created(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    struct mailbox *mailbox = NULL;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum mailbox_result result = mailbox_create(&mailbox);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, MAILBOX_NO_FD);
    assert_null(mailbox);
}

static void ignore(struct message *message, void *receiver)
{
    (void)message;
    (void)receiver;
}

/* Whoever closes something on the way of an error posts messages: what had failed before must still be known then. */
static void a_post_that_rings_leaves_errno_alone(void **state)
{
    struct mailbox *mailbox;
    struct message message = {0};
    (void)state;
    assert_int_equal(mailbox_create(&mailbox), MAILBOX_OK);
    errno = EMFILE;
    mailbox_post(mailbox, &message, ignore);
    assert_int_equal(errno, EMFILE);
    assert_int_equal(mailbox_drain(mailbox, NULL), 1);
    mailbox_free(mailbox);
}

/* Senders post their messages round and round; each one is told by `acknowledged` that the last one arrived. */
enum { SENDERS = 3, LETTERS = 8, ROUNDS = 5000 };

struct parcel {
    struct message message;
    struct sender *sender;
    uint64_t number; /* plain: the mailbox itself has to order the accesses */
};

struct sender {
    pthread_t thread;
    struct mailbox *mailbox;
    struct parcel parcels[LETTERS];
    uint64_t expected;
    uint64_t acknowledged;
};

static void take_parcel(struct message *message, void *receiver)
{
    struct parcel *parcel = (struct parcel *)message;
    uint64_t *total = receiver;
    assert_int_equal(parcel->number, parcel->sender->expected);
    parcel->sender->expected++;
    ++*total;
    __atomic_store_n(&parcel->sender->acknowledged, parcel->sender->expected, __ATOMIC_RELEASE);
}

static void *send_parcels(void *argument)
{
    struct sender *self = argument;
    for (uint64_t i = 0; i < (uint64_t)LETTERS * ROUNDS; i++) {
        while (i - __atomic_load_n(&self->acknowledged, __ATOMIC_ACQUIRE) >= LETTERS) {
            sched_yield();
        }
        struct parcel *parcel = &self->parcels[i % LETTERS];
        parcel->sender = self;
        parcel->number = i;
        mailbox_post(self->mailbox, &parcel->message, take_parcel);
    }
    return NULL;
}

static void threads_lose_nothing_and_each_keeps_its_order(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct sender *senders = calloc(SENDERS, sizeof *senders);
    for (int i = 0; i < SENDERS; i++) {
        senders[i].mailbox = mailbox;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_parcels, &senders[i]), 0);
    }
    uint64_t total = 0;
    while (total < (uint64_t)SENDERS * LETTERS * ROUNDS) {
        /* A wake-up that were lost would end here. */
        struct pollfd poll_fd = {.fd = mailbox_fd(mailbox), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        mailbox_drain(mailbox, &total);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        assert_int_equal(senders[i].expected, LETTERS * ROUNDS);
    }
    mailbox_drain(mailbox, &total);
    assert_int_equal(total, (uint64_t)SENDERS * LETTERS * ROUNDS);
    mailbox_free(mailbox);
    free(senders);
}

/* ---- posted once ---- */

struct reminder {
    struct message message; /* first */
    struct mailbox *mailbox;
    uint64_t done_count, seen_count; /* the first is atomic */
};

static void look_at_reminder(struct message *message, void *receiver)
{
    struct reminder *reminder = (struct reminder *)message;
    ++*(uint64_t *)receiver;
    reminder->seen_count = __atomic_load_n(&reminder->done_count, __ATOMIC_RELAXED);
}

static void what_waits_already_is_delivered_once(void **state)
{
    (void)state;
    struct reminder reminder = {.mailbox = create()};
    uint64_t delivered_count = 0;
    for (int round = 1; round <= 3; round++) {
        mailbox_post_once(reminder.mailbox, &reminder.message, look_at_reminder);
        mailbox_post_once(reminder.mailbox, &reminder.message, look_at_reminder);
        assert_int_equal(mailbox_drain(reminder.mailbox, &delivered_count), 1);
        assert_int_equal(delivered_count, round);
    }
    mailbox_free(reminder.mailbox);
}

static void *remind(void *argument)
{
    struct reminder *reminder = argument;
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_fetch_add(&reminder->done_count, 1, __ATOMIC_RELAXED);
        mailbox_post_once(reminder->mailbox, &reminder->message, look_at_reminder);
    }
    return NULL;
}

static void what_was_done_before_a_post_is_seen_though_the_message_waited_already(void **state)
{
    (void)state;
    struct reminder reminder = {.mailbox = create()};
    pthread_t threads[SENDERS];
    uint64_t delivered_count = 0;
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, remind, &reminder), 0);
    }
    while (reminder.seen_count < (uint64_t)SENDERS * ROUNDS) {
        /* The last one of all must have rung. */
        struct pollfd poll_fd = {.fd = mailbox_fd(reminder.mailbox), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        mailbox_drain(reminder.mailbox, &delivered_count);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    mailbox_drain(reminder.mailbox, &delivered_count);
    mailbox_free(reminder.mailbox);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_memory_nothing_is_created(void **state)
{
    (void)state;
    struct mailbox *mailbox = NULL;
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(mailbox_create(&mailbox), MAILBOX_NO_MEMORY);
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_null(mailbox);
}

static void an_interrupted_write_or_read_loses_no_message(void **state)
{
    (void)state;
    struct mailbox *mailbox = create();
    struct letter letter;
    struct receiver receiver = {.count = 0};
    memset(&letter, 0, sizeof letter);
    fault_arm(FAULT_WRITE, 1);
    mailbox_post(mailbox, &letter.message, deliver);
    assert_true(fault_disarm(FAULT_WRITE));
    assert_true(readable(mailbox));
    fault_arm(FAULT_READ, 1);
    assert_int_equal(mailbox_drain(mailbox, &receiver), 1);
    assert_true(fault_disarm(FAULT_READ));
    assert_int_equal(mailbox_drain(mailbox, &receiver), 0);
    assert_false(readable(mailbox));
    mailbox_free(mailbox);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_once_and_in_order),
        cmocka_unit_test(a_post_that_rings_leaves_errno_alone),
        cmocka_unit_test(the_descriptor_is_readable_while_messages_wait),
        cmocka_unit_test(the_descriptor_is_written_only_when_the_box_was_empty),
        cmocka_unit_test(the_descriptor_neither_blocks_nor_is_inherited),
        cmocka_unit_test(what_is_posted_during_delivery_waits_for_the_next_drain),
        cmocka_unit_test(what_waits_already_is_delivered_once),
        cmocka_unit_test(what_was_done_before_a_post_is_seen_though_the_message_waited_already),
        cmocka_unit_test(a_message_may_be_freed_by_its_delivery),
        cmocka_unit_test(misuse_is_fatal),
        cmocka_unit_test(without_a_descriptor_nothing_is_created),
        cmocka_unit_test(threads_lose_nothing_and_each_keeps_its_order),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_nothing_is_created),
        cmocka_unit_test(an_interrupted_write_or_read_loses_no_message),
#endif
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
