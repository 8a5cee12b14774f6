/* What is remembered, who waits, and the hash. */
#include "proxy/edge/password.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conf/users.h"
#include "steady/container_of.h"
#include "steady/deadline.h"
#include "steady/hash.h"
#include "steady/mailbox.h"
#include "steady/rng.h"
#include "steady/task_pool.h"

/* Pairs of places in the table. */
#define REMEMBERED_PAIRS 512u
/* Threads that hash leave the processors to the workers. */
#define HASHING_NICE 10
/* As the file's reader allows. */
#define HASH_BYTES (USERS_HASH_BYTES + 1)

struct password_key {
    uint64_t of[2];
};

/* A right password. until_ms 0: none. */
struct remembered {
    struct password_key key;
    uint64_t until_ms;
};

TAILQ_HEAD(password_wait_list, password_wait);

struct password_job {
    struct task task;
    LIST_ENTRY(password_job) link;
    struct passwords *passwords;
    struct password_wait_list waits;
    struct password_key key;
    uint64_t remember_ms, asked_ms;
    bool known; /* the name is a user's */
    bool right; /* written by the hashing thread, read when it is done */
    char password[CREDENTIAL_PASSWORD_BYTES + 1];
    char hash[HASH_BYTES];
};
LIST_HEAD(password_job_list, password_job);

struct passwords {
    struct task_pool *pool;
    struct password_job_list jobs;
    uint64_t secret[2];
    struct remembered remembered[REMEMBERED_PAIRS][2];
};

struct passwords *passwords_create(struct task_pool *pool)
{
    struct passwords *passwords = calloc(1, sizeof *passwords);
    if (passwords != NULL) {
        struct rng rng;
        rng_init_random(&rng);
        passwords->pool = pool;
        passwords->secret[0] = rng_next(&rng);
        passwords->secret[1] = rng_next(&rng);
        LIST_INIT(&passwords->jobs);
    }
    return passwords;
}

void passwords_free(struct passwords **passwords_pointer)
{
    struct passwords *passwords = *passwords_pointer;
    *passwords_pointer = NULL;
    if (passwords != NULL) {
        explicit_bzero(passwords->secret, sizeof passwords->secret);
        free(passwords);
    }
}

/* ---- what is remembered ---- */

static struct password_key key_of(const struct passwords *passwords,
                                  const struct auth_basic_settings *settings,
                                  const struct credentials *credentials)
{
    char text[sizeof(struct credentials) + sizeof settings->mark];
    size_t name_bytes = strlen(credentials->name) + 1;
    size_t password_bytes = strlen(credentials->password);
    struct password_key key;
    memcpy(text, &settings->mark, sizeof settings->mark);
    memcpy(text + sizeof settings->mark, credentials->name, name_bytes);
    memcpy(text + sizeof settings->mark + name_bytes, credentials->password, password_bytes);
    for (size_t i = 0; i < 2; i++) {
        key.of[i] = hash_bytes(passwords->secret[i], text,
                               sizeof settings->mark + name_bytes + password_bytes);
    }
    explicit_bzero(text, sizeof text);
    return key;
}

static bool same_key(const struct password_key *a, const struct password_key *b)
{
    return ((a->of[0] ^ b->of[0]) | (a->of[1] ^ b->of[1])) == 0;
}

static struct remembered *pair_of(struct passwords *passwords, const struct password_key *key)
{
    return passwords->remembered[key->of[0] % REMEMBERED_PAIRS];
}

static bool is_remembered(struct passwords *passwords, const struct password_key *key,
                          uint64_t now_ms)
{
    const struct remembered *pair = pair_of(passwords, key);
    for (size_t i = 0; i < 2; i++) {
        if (same_key(&pair[i].key, key) && pair[i].until_ms > now_ms) {
            return true;
        }
    }
    return false;
}

/* The one of two that would end earlier makes room. */
static void remember(struct passwords *passwords, const struct password_key *key, uint64_t until_ms)
{
    struct remembered *pair = pair_of(passwords, key);
    size_t place = same_key(&pair[0].key, key)   ? 0
                   : same_key(&pair[1].key, key) ? 1
                                                 : pair[1].until_ms < pair[0].until_ms;
    pair[place] = (struct remembered){*key, until_ms};
}

/* ---- hashing, on a thread of the pool ---- */

/* In the same time wherever they differ. */
static bool same_text(const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    unsigned difference = a_bytes != b_bytes;
    for (size_t i = 0; i < a_bytes && i < b_bytes; i++) {
        difference |= (unsigned char)a[i] ^ (unsigned char)b[i];
    }
    return difference == 0;
}

static void job_run(struct task *task)
{
    struct password_job *job = container_of(task, struct password_job, task);
    struct crypt_data *space = calloc(1, sizeof *space);
    setpriority(PRIO_PROCESS, 0, HASHING_NICE); /* of this thread alone, on Linux */
    if (space != NULL) {
        const char *hashed = crypt_r(job->password, job->hash, space);
        job->right = hashed != NULL && same_text(hashed, job->hash) && job->known;
        explicit_bzero(space, sizeof *space);
        free(space);
    }
}

/* ---- jobs ---- */

/* It is in the list no more. */
static void job_free(struct password_job *job)
{
    explicit_bzero(job->password, sizeof job->password);
    free(job);
}

static void job_dropped(struct task *task)
{
    struct password_job *job = container_of(task, struct password_job, task);
    struct password_wait *wait;
    while ((wait = TAILQ_FIRST(&job->waits)) != NULL) {
        TAILQ_REMOVE(&job->waits, wait, link);
        wait->job = NULL; /* the process ends, and so does who waits */
    }
    LIST_REMOVE(job, link);
    job_free(job);
}

static void job_done(struct task *task)
{
    struct password_job *job = container_of(task, struct password_job, task);
    struct password_wait *wait;
    if (job->right) {
        remember(job->passwords, &job->key, deadline_after(job->asked_ms, job->remember_ms));
    }
    LIST_REMOVE(job, link);
    while ((wait = TAILQ_FIRST(&job->waits)) != NULL) {
        TAILQ_REMOVE(&job->waits, wait, link);
        wait->job = NULL;
        wait->done(wait, job->right); /* which may cancel others */
    }
    job_free(job);
}

static int by_name(const void *name, const void *user)
{
    return strcmp(name, ((const struct auth_user *)user)->name);
}

/* The user's hash; for an unknown name that of some user, always the same for a name, so that the time tells nothing. */
static const char *hash_for(const struct passwords *passwords,
                            const struct auth_basic_settings *settings, const char *name,
                            bool *ret_known)
{
    const struct auth_user *user =
        bsearch(name, settings->users, settings->user_count, sizeof *settings->users, by_name);
    *ret_known = user != NULL;
    uint64_t any = hash_bytes(passwords->secret[0], name, strlen(name)) % settings->user_count;
    return user != NULL ? user->hash : settings->users[any].hash;
}

static struct password_job *job_create(struct passwords *passwords,
                                       const struct auth_basic_settings *settings,
                                       const struct credentials *credentials,
                                       const struct password_key *key, uint64_t now_ms)
{
    struct password_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return NULL;
    }
    job->task = (struct task){.run = job_run, .done = job_done, .dropped = job_dropped};
    job->passwords = passwords;
    job->key = *key;
    job->asked_ms = now_ms;
    job->remember_ms = settings->remember_ms;
    TAILQ_INIT(&job->waits);
    LIST_INSERT_HEAD(&passwords->jobs, job, link);
    const char *hash = hash_for(passwords, settings, credentials->name, &job->known);
    snprintf(job->hash, sizeof job->hash, "%s", hash);
    memcpy(job->password, credentials->password, strlen(credentials->password) + 1);
    return job;
}

static struct password_job *job_of(const struct passwords *passwords,
                                   const struct password_key *key)
{
    struct password_job *job;
    LIST_FOREACH (job, &passwords->jobs, link) {
        if (same_key(&job->key, key) && !task_cancelled(&job->task)) {
            return job;
        }
    }
    return NULL;
}

enum password_result passwords_ask(struct passwords *passwords,
                                   const struct auth_basic_settings *settings,
                                   const struct credentials *credentials, uint64_t lane,
                                   struct mailbox *home, uint64_t now_ms,
                                   struct password_wait *wait)
{
    const struct password_key key = key_of(passwords, settings, credentials);
    if (is_remembered(passwords, &key, now_ms)) {
        return PASSWORD_RIGHT;
    }
    struct password_job *job = job_of(passwords, &key);
    bool joins = job != NULL;
    if (!joins) {
        job = job_create(passwords, settings, credentials, &key, now_ms);
        if (job == NULL) {
            return PASSWORD_NO_MEMORY;
        }
        if (task_submit(passwords->pool, &job->task, lane, home) != TASK_OK) {
            LIST_REMOVE(job, link);
            job_free(job);
            return PASSWORD_BUSY;
        }
    }
    wait->job = job;
    TAILQ_INSERT_TAIL(&job->waits, wait, link);
    return joins ? PASSWORD_JOINED : PASSWORD_ASKED;
}

/* A hash that nobody waits for is not begun. */
void password_wait_cancel(struct password_wait *wait)
{
    struct password_job *job = wait->job;
    if (job == NULL) {
        return;
    }
    wait->job = NULL;
    TAILQ_REMOVE(&job->waits, wait, link);
    if (TAILQ_EMPTY(&job->waits) && task_submitted(&job->task)) {
        task_cancel(&job->task);
    }
}
