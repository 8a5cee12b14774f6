/*
 * The production checklist: what `-t` says about a valid configuration that an operator may regret.
 *
 * Owns nothing; pure except for the limits of this process, which it reads. Thread: any.
 */
#ifndef EVENKEEL_CONF_CHECKLIST_H
#define EVENKEEL_CONF_CHECKLIST_H

#include "conf/settings.h"
#include "steady/enum_names.h"

#define CHECKLIST_VERDICTS(X)     \
    X(CHECKLIST_OK, "ok")         \
    X(CHECKLIST_ADVICE, "advice") \
    X(CHECKLIST_WARNING, "warning")
enum checklist_verdict { ENUM_VALUES(CHECKLIST_VERDICTS) };
const char *checklist_verdict_name(enum checklist_verdict value);

struct checklist_line {
    enum checklist_verdict verdict;
    const char *text; /* lives until the callback returns */
};

typedef void checklist_line_fn(const struct checklist_line *line, void *owner);

/* Each check writes at least one line. Returns how many were warnings. */
size_t checklist_run(const struct settings *settings, checklist_line_fn *line_fn, void *owner);

#endif
