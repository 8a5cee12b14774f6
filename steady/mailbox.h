/*
 * Mailbox: messages to one thread from any other. A message is embedded in what it speaks of, so sending neither
 * allocates nor fails.
 *
 * Owns: an eventfd. Thread: post from any, without a lock; drain only from the receiver. A message is in at most one
 * mailbox at a time (asserted). The eventfd is written only when the box turns from empty to non-empty. What was
 * written before a post is seen by the delivery.
 */
#ifndef EVENKEEL_STEADY_MAILBOX_H
#define EVENKEEL_STEADY_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct message;

/* Runs on the receiving thread; the message is out of the box and may be posted again or freed.
   `receiver` is what the draining thread passed to mailbox_drain(). */
typedef void message_fn(struct message *message, void *receiver);

/* Zeroed before its first use; the mailbox's own while posted. */
struct message {
    STAILQ_ENTRY(message) link;
    message_fn *deliver;
    bool posted;
};

struct mailbox;

enum mailbox_result { MAILBOX_OK, MAILBOX_NO_FD, MAILBOX_NO_MEMORY };

__attribute__((warn_unused_result)) enum mailbox_result mailbox_create(
    struct mailbox **ret_mailbox);
/* Must be empty. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);

/* Readable when messages wait. */
int mailbox_fd(const struct mailbox *mailbox);

void mailbox_post(struct mailbox *mailbox, struct message *message, message_fn *deliver);
/* The same, unless it waits in this box already: then too what was written before is seen by the delivery, which is yet to
   come. Several threads may do so at a time, and nobody posts it in another way. */
void mailbox_post_once(struct mailbox *mailbox, struct message *message, message_fn *deliver);

/* Delivers everything that was posted before the call, in order of posting. Returns how many. */
uint64_t mailbox_drain(struct mailbox *mailbox, void *receiver);

#endif
