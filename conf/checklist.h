/*
 * The production checklist: questions about a valid configuration, each with its answer or with what to change. Some of
 * them no file can answer; those say what to look at.
 *
 * Owns nothing; pure except for the limits of this process, which it reads. Thread: any. A question is a row of the table
 * in checklist.c. Nobody is told of defaults: what follows from them alone is not what someone wrote.
 */
#ifndef EVENKEEL_CONF_CHECKLIST_H
#define EVENKEEL_CONF_CHECKLIST_H

#include "conf/settings.h"
#include "steady/enum_names.h"

#define CHECKLIST_VERDICTS(X)                                                 \
    X(CHECKLIST_MET, "met")                                                   \
    X(CHECKLIST_ASK, "ask")         /* only people can tell, or want it so */ \
    X(CHECKLIST_ADVICE, "advice")   /* works, but somebody will regret it */  \
    X(CHECKLIST_WARNING, "warning") /* does not do what it seems to promise */
enum checklist_verdict { ENUM_VALUES(CHECKLIST_VERDICTS) };
const char *checklist_verdict_name(enum checklist_verdict value);

struct checklist_item {
    const char *id;
    const char *question;
    const char *docs; /* where to read on: a page, with its section */
};

/* One answer; an item has at least one, and they come in a row. */
struct checklist_finding {
    const struct checklist_item *item;
    enum checklist_verdict verdict;
    const char *text; /* lives until the callback returns */
};

typedef void checklist_finding_fn(const struct checklist_finding *finding, void *owner);

void checklist_run(const struct settings *settings, checklist_finding_fn *finding_fn, void *owner);

#endif
