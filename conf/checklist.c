/* The table of the checklist, and how it is run. */
#include "conf/checklist.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/checklist_parts.h"

ENUM_NAME_FUNCTION(checklist_verdict_name, enum checklist_verdict, CHECKLIST_VERDICTS)

#define OPERATIONS "docs/operations.md#"
#define RUNBOOKS "docs/runbooks/"

/* answer NULL: no file tells, and `words` are what to do. Else `words` are said when the answer has nothing to say. */
static const struct checklist_row {
    struct checklist_item item;
    checklist_answer_fn *answer;
    const char *words;
} rows[] = {
    {{"memory", "Does the process refuse work before its memory limit ends it?",
      OPERATIONS "limits"},
     answer_memory,
     ""},
    {{"descriptors", "Are there file descriptors for all that may be open?", OPERATIONS "limits"},
     answer_descriptors,
     ""},
    {{"queues", "Is every queue bounded, and drained faster than its callers give up?",
      OPERATIONS "limits"},
     answer_queues,
     ""},
    {{"pools", "Do pools fit what they serve, and are connections renewed?",
      OPERATIONS "connections-to-endpoints"},
     answer_pools,
     "connections are renewed, and no limits.in_flight that was set is more than its pool"},
    {{"deadlines", "Does every wait end?", OPERATIONS "timeouts"}, answer_deadlines, ""},
    {{"retries", "Is the load that retries add bounded?", OPERATIONS "retries-and-breakers"},
     answer_retries,
     "every upstream has a budget for retries, of a small share of its requests"},
    {{"breakers", "Does an upstream that fails get a rest?", OPERATIONS "retries-and-breakers"},
     answer_breakers,
     "every upstream has a breaker"},
    {{"endpoints", "Can one server fail without all of its requests failing?",
      OPERATIONS "endpoints"},
     answer_endpoints,
     "every upstream has several endpoints, or a name that may have several addresses"},
    {{"caches", "Has every cache a size and an age?", OPERATIONS "limits"}, answer_caches, ""},
    {{"series", "Is the number of metric series bounded?", OPERATIONS "metrics"},
     answer_series,
     ""},
    {{"logs", "Are logs rotated and bounded?", OPERATIONS "logs"}, answer_logs, ""},
    {{"drain", "Does a restart let requests finish?", OPERATIONS "drain"}, answer_drain, ""},
    {{"readiness", "Is the process ready only when it is warm?", OPERATIONS "readiness"},
     answer_readiness,
     ""},
    {{"warm_state", "Does a restart keep what is warm?", OPERATIONS "warm-state"},
     answer_warm_state,
     ""},
    {{"fleet", "What happens when the store of the fleet is away for an hour?",
      OPERATIONS "a-fleet"},
     answer_fleet,
     ""},
    {{"tenants", "Does the storm of one client stay with that client?",
      OPERATIONS "rates-and-shards"},
     answer_tenants,
     ""},
    {{"admin", "Is the admin listener closed to strangers?", OPERATIONS "admin-listener"},
     answer_admin_access,
     ""},
    {{"user", "Does the process run with no more rights than it needs?",
      OPERATIONS "start-and-stop"},
     answer_user,
     ""},
    {{"trusted_peers", "Are forwarded addresses believed only of those who are known?",
      OPERATIONS "clients-behind-other-proxies"},
     answer_trusted_peers,
     ""},
    {{"upstream_trust", "Can nobody pose as an upstream?", OPERATIONS "tls-towards-upstreams"},
     answer_upstream_trust,
     "the certificate of every upstream with TLS is verified"},
    {{"compression", "Do lengths of responses tell no secrets?", OPERATIONS "compression"},
     answer_compression,
     "nothing that may hold secrets is compressed on all routes"},
    {{"routes", "Has every request a route?", OPERATIONS "routes"}, answer_last_route, ""},
    {{"saturation", "Does a dashboard show how full each limit is?", OPERATIONS "metrics"},
     NULL,
     "let Prometheus scrape /metrics, and show evenkeel_bound_used / evenkeel_bound_limit first"},
    {{"alerts", "Does an alert fire while a limit is approached, not when it is reached?",
      RUNBOOKS "README.md"},
     NULL,
     "load contrib/prometheus/evenkeel.rules.yml, and see one of its alerts arrive"},
    {{"runbooks", "Does every alert lead to a page that says what to do?", RUNBOOKS "README.md"},
     NULL,
     "let the annotation runbook of the alerts point to where your people find docs/runbooks"},
    {{"failures", "Have its failures been tried?", OPERATIONS "retries-and-breakers"},
     NULL,
     "stop, slow down and hang an upstream on a test system, and see what clients get"},
    {{"long_run", "Has a replica run for two weeks without drift?",
      OPERATIONS "drift-and-capacity"},
     NULL,
     "let one run under real load, and look at /drift"},
    {{"restart_under_load", "Has a drain been tried under load?", OPERATIONS "drain"},
     NULL,
     "send TERM under load: no client sees an error, and the exit status is 0"},
    {{"deploys", "Is each deploy watched until it is known to be good?",
      OPERATIONS "drift-and-capacity"},
     NULL,
     "look at errors, latency and /drift for an hour; /drift tells when the last change was"},
    {{"on_call", "Do several people know what to do when it breaks?", OPERATIONS "on-call"},
     NULL,
     "three or more have read the page for those on call, and have the token and the addresses"},
    {{"post_mortem", "Is it agreed how an incident is written up?", RUNBOOKS "post-mortem.md"},
     NULL,
     "use the template"},
};

static void checklist_tell(struct checking *checking, enum checklist_verdict verdict,
                           const char *text)
{
    const struct checklist_finding finding = {checking->item, verdict, text};
    checking->say(&finding, checking->owner);
}

void checklist_say(struct checking *checking, enum checklist_verdict verdict, const char *format,
                   ...)
{
    char text[512];
    va_list args;
    checking->last = verdict;
    if (checking->findings_count++ >= CHECKLIST_FINDINGS_MOST) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    checklist_tell(checking, verdict, text);
}

static void run_row(struct checking *checking, const struct checklist_row *row)
{
    checking->item = &row->item;
    checking->findings_count = 0;
    if (row->answer != NULL) {
        row->answer(checking);
    }
    if (checking->findings_count == 0) {
        checklist_tell(checking, row->answer != NULL ? CHECKLIST_MET : CHECKLIST_ASK, row->words);
    } else if (checking->findings_count > CHECKLIST_FINDINGS_MOST) {
        char text[64];
        snprintf(text, sizeof text, "and %zu more like these",
                 checking->findings_count - CHECKLIST_FINDINGS_MOST);
        checklist_tell(checking, checking->last, text);
    }
}

void checklist_run(const struct settings *settings, checklist_finding_fn *finding_fn, void *owner)
{
    struct checking checking = {.settings = settings, .say = finding_fn, .owner = owner};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        run_row(&checking, &rows[i]);
    }
}
