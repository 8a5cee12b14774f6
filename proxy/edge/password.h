/*
 * Whether a name and a password are those of a user, found out off the workers.
 *
 * Hashing takes a tenth of a second of processor time on purpose. It is done by the threads of a task pool, at a low priority, and what
 * was right is remembered for a while, so that most requests of a user need none. Requests that bring the same name and password
 * at a time share one hash. What is remembered is a keyed hash of the name, the password and the users' file: no password is kept, and a
 * changed file is not outlived. An unknown name costs the same hash as a known one.
 *
 * Owns: what is remembered, in a table of a fixed size; the jobs, each with a copy of its password, which is wiped. Thread: the worker's;
 * a job hashes on a thread of the pool. Time base: the loop clock. Errors: enum password_result.
 */
#ifndef EVENKEEL_PROXY_EDGE_PASSWORD_H
#define EVENKEEL_PROXY_EDGE_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conf/settings.h"
#include "proxy/edge/credentials.h"

struct mailbox;
struct password_job;
struct passwords;
struct task_pool;

enum password_result {
    PASSWORD_RIGHT,  /* as is remembered */
    PASSWORD_ASKED,  /* done() will be called, after a hash */
    PASSWORD_JOINED, /* the same, after a hash that others wait for too */
    PASSWORD_BUSY,   /* as many hashes wait as may */
    PASSWORD_NO_MEMORY,
};

/* Somebody who waits; embedded. */
struct password_wait {
    TAILQ_ENTRY(password_wait) link;
    struct password_job *job; /* NULL: it does not wait */
    /* Called once, from a message of the loop. */
    void (*done)(struct password_wait *wait, bool right);
};

/* For one worker. NULL: no memory. */
struct passwords *passwords_create(struct task_pool *pool);
/* Nobody waits, and the pool has stopped. NULL is fine. */
void passwords_free(struct passwords **passwords);

/* lane: of the client, so that one that guesses leaves the others their turn. home, now_ms: of the worker. The settings are not
   needed afterwards. */
__attribute__((warn_unused_result)) enum password_result passwords_ask(
    struct passwords *passwords, const struct auth_basic_settings *settings,
    const struct credentials *credentials, uint64_t lane, struct mailbox *home, uint64_t now_ms,
    struct password_wait *wait);
/* Not waiting is fine. */
void password_wait_cancel(struct password_wait *wait);

#endif
