/* Whether a name's addresses accept each other's tickets decides what they are offered. */
#include "tls/session_name.h"

#include <string.h>

void session_name_init(struct session_name *name)
{
    TAILQ_INIT(&name->sessions);
}

static bool issued_by(const struct session *session, const struct session_address *address)
{
    return memcmp(&session->address, address, sizeof *address) == 0;
}

/* Moves the sessions of an address to the front, in their order. */
static void bring_forward(struct session_name *name, const struct session_address *address)
{
    struct session_list own = TAILQ_HEAD_INITIALIZER(own);
    struct session *session, *next;
    for (session = TAILQ_FIRST(&name->sessions); session != NULL; session = next) {
        next = TAILQ_NEXT(session, in_name);
        if (!issued_by(session, address)) {
            continue;
        }
        TAILQ_REMOVE(&name->sessions, session, in_name);
        TAILQ_INSERT_TAIL(&own, session, in_name);
    }
    TAILQ_CONCAT(&own, &name->sessions, in_name);
    TAILQ_CONCAT(&name->sessions, &own, in_name);
}

void session_name_add(struct session_name *name, struct session *session)
{
    bring_forward(name, &session->address);
    TAILQ_INSERT_HEAD(&name->sessions, session, in_name);
    session->name = name;
    name->count++;
}

void session_name_remove(struct session_name *name, struct session *session)
{
    TAILQ_REMOVE(&name->sessions, session, in_name);
    session->name = NULL;
    name->count--;
}

/* The oldest session of the address with the most sessions, and how many it has. */
static struct session *oldest_of_most(const struct session_name *name, uint64_t *ret_count)
{
    struct session *session, *chosen = NULL;
    uint64_t count = 0, most_count = 0;
    TAILQ_FOREACH (session, &name->sessions, in_name) {
        const struct session *next = TAILQ_NEXT(session, in_name);
        count++;
        if (next != NULL && issued_by(next, &session->address)) {
            continue;
        }
        if (count >= most_count) {
            most_count = count;
            chosen = session;
        }
        count = 0;
    }
    *ret_count = most_count;
    return chosen;
}

struct session *session_name_choose(struct session_name *name,
                                    const struct session_address *address, bool *ret_across)
{
    struct session *session;
    TAILQ_FOREACH (session, &name->sessions, in_name) {
        if (issued_by(session, address)) {
            *ret_across = false;
            return session;
        }
    }
    *ret_across = true;
    if (!name->apart) {
        return TAILQ_FIRST(&name->sessions);
    }
    if (++name->miss_count < SESSION_TRIAL_MISSES) {
        return NULL;
    }
    name->miss_count = 0;
    uint64_t count;
    return oldest_of_most(name, &count);
}

struct session *session_name_surplus(const struct session_name *name, uint64_t per_name_count)
{
    uint64_t limit = name->apart ? SESSION_APART_FACTOR * per_name_count : per_name_count;
    uint64_t most_count;
    struct session *session = oldest_of_most(name, &most_count);
    return name->count > limit || most_count > per_name_count ? session : NULL;
}

static void begin_judgement(struct session_name *name)
{
    name->judged_count = 0;
    name->judged_accepted = 0;
    name->miss_count = 0;
}

/* The verdict is reached as soon as the remaining offers cannot change it. */
void session_name_judge(struct session_name *name, bool across, bool accepted)
{
    name->offered++;
    name->accepted += accepted;
    if (!across) {
        return;
    }
    uint32_t all_count = name->apart ? SESSION_JUDGED_TRIALS : SESSION_JUDGED_OFFERS;
    name->judged_count++;
    name->judged_accepted += accepted;
    bool mostly_accepted = 2 * name->judged_accepted >= all_count;
    bool mostly_declined = 2 * (name->judged_count - name->judged_accepted) > all_count;
    if (!mostly_accepted && !mostly_declined) {
        return;
    }
    name->apart = mostly_declined;
    begin_judgement(name);
}
