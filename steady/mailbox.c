/* A lock-free stack of messages, taken whole by the receiver and turned round. */
#include "steady/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "steady/check.h"
#include "steady/fault.h"

struct mailbox {
    struct message *newest; /* linked to the older ones */
    int fd;
};

enum mailbox_result mailbox_create(struct mailbox **ret_mailbox)
{
    struct mailbox *mailbox = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *mailbox);
    if (mailbox == NULL) {
        return MAILBOX_NO_MEMORY;
    }
    mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->fd < 0) {
        enum mailbox_result result = errno == ENOMEM ? MAILBOX_NO_MEMORY : MAILBOX_NO_FD;
        free(mailbox);
        return result;
    }
    *ret_mailbox = mailbox;
    return MAILBOX_OK;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    CHECK(mailbox->newest == NULL);
    close(mailbox->fd);
    free(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}

static bool try_to_ring(int fd)
{
    if (fault_hits(FAULT_WRITE)) {
        errno = EINTR;
        return false;
    }
    return eventfd_write(fd, 1) == 0;
}

/* A message that nobody is told of would wait for ever. */
static void ring(int fd)
{
    bool rung;
    do {
        rung = try_to_ring(fd);
    } while (!rung && errno == EINTR);
    CHECK(rung);
}

static void push(struct mailbox *mailbox, struct message *message, message_fn *deliver)
{
    message->deliver = deliver;
    struct message *older = __atomic_load_n(&mailbox->newest, __ATOMIC_RELAXED);
    do {
        message->link.stqe_next = older;
    } while (!__atomic_compare_exchange_n(&mailbox->newest, &older, message, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    /* Already delivered, perhaps freed: the message is no longer ours. Nor may the box be, if its receiver frees it
       once the last message came: who does so must know that the senders returned. */
    if (older == NULL) {
        ring(mailbox->fd);
    }
}

void mailbox_post(struct mailbox *mailbox, struct message *message, message_fn *deliver)
{
    bool was_posted = __atomic_exchange_n(&message->posted, true, __ATOMIC_ACQUIRE);
    CHECK(!was_posted);
    push(mailbox, message, deliver);
}

void mailbox_post_once(struct mailbox *mailbox, struct message *message, message_fn *deliver)
{
    if (!__atomic_exchange_n(&message->posted, true, __ATOMIC_ACQ_REL)) {
        push(mailbox, message, deliver);
    }
}

/* The bell is silenced before the box is emptied: what comes between rings again, for nothing, but is never missed. */
uint64_t mailbox_drain(struct mailbox *mailbox, void *receiver)
{
    eventfd_t rings;
    if (!fault_hits(FAULT_READ)) {
        (void)!eventfd_read(mailbox->fd, &rings);
    }

    struct message *newest = __atomic_exchange_n(&mailbox->newest, NULL, __ATOMIC_ACQUIRE);
    struct message *oldest = NULL;
    while (newest != NULL) {
        struct message *older = newest->link.stqe_next;
        newest->link.stqe_next = oldest;
        oldest = newest;
        newest = older;
    }

    uint64_t delivered_count = 0;
    while (oldest != NULL) {
        struct message *message = oldest;
        oldest = message->link.stqe_next;
        message_fn *deliver = message->deliver;
        (void)__atomic_exchange_n(&message->posted, false, __ATOMIC_ACQ_REL);
        deliver(message, receiver);
        delivered_count++;
    }
    return delivered_count;
}
