/* The closed sets of label values, from the tables that the values come from. */
#include <string.h>

#include "breaker/breaker.h"
#include "pool/close_reason.h"
#include "pool/dns_answer.h"
#include "pool/traffic.h"
#include "proxy/admin/metric.h"
#include "proxy/admin/readiness.h"
#include "proxy/admin/resources.h"
#include "proxy/fleet/store.h"
#include "proxy/http/reasons.h"
#include "proxy/http/user_agent.h"
#include "proxy/http2/h2_abuse.h"
#include "proxy/log/log.h"
#include "proxy/policy/retry.h"
#include "proxy/trace/trace_figures.h"
#include "proxy/worker/admission_view.h"
#include "proxy/worker/stats.h"
#include "steady/little.h"
#include "steady/pressure.h"
#include "tls/failure.h"

ENUM_NAME_FUNCTION(metric_type_name, enum metric_type, METRIC_TYPES)

#define REASON_NAME(id, name, ...) name,
static const char *const readiness_states[] = {ENUM_NAMES(READINESS_STATES)};
static const char *const pressure_steps[] = {PRESSURE_ROWS(PRESSURE_NAME)};
static const char *const user_agents[] = {ENUM_NAMES(USER_AGENTS)};
static const char *const classes[] = {ENUM_NAMES(STATUS_CLASSES)};
#define STATUS_NAME(status) #status,
static const char *const statuses[] = {TRAFFIC_CLASSES TRAFFIC_STATUSES(STATUS_NAME)};
static const char *const response_classes[] = {TRAFFIC_CLASSES};
static const char *const reasons[] = {EXCHANGE_REASONS(REASON_NAME)};
static const char *const grpc_statuses[] = {ENUM_NAMES(GRPC_STATUSES)};
static const char *const connection_states[] = {"open", "idle", "in_flight", "dialling"};
static const char *const lease_states[] = {"reused", "fresh"};
static const char *const probe_results[] = {"good", "failed", "put_off"};
static const char *const close_reasons[] = {ENUM_NAMES(LEASE_CLOSE_REASONS)};
static const char *const http2_events[] = {"goaway", "refused", "ping_failed"};
static const char *const handshake_kinds[] = {"full", "resumed"};
static const char *const h2_abuses[] = {ENUM_NAMES(H2_ABUSES)};
static const char *const tls_failures[] = {ENUM_NAMES(TLS_FAILURES)};
static const char *const breaker_states[] = {ENUM_NAMES(BREAKER_STATES)};
static const char *const store_states[] = {ENUM_NAMES(STORE_STATES)};
static const char *const store_faults[] = {ENUM_NAMES(STORE_FAULTS)};
static const char *const rates[] = {ENUM_NAMES(ADMISSION_RATES)};
static const char *const verdicts[] = {ENUM_NAMES(RETRY_VERDICTS)};
static const char *const name_types[] = {"host", "service"};
static const char *const dns_types[] = {ENUM_NAMES(DNS_TYPES)};
static const char *const phases[] = {ENUM_NAMES(LITTLE_PHASES)};
static const char *const resources[] = {ENUM_NAMES(RESOURCES)};
static const char *const trace_losses[] = {ENUM_NAMES(TRACE_LOSSES)};
static const char *const export_results[] = {ENUM_NAMES(EXPORT_RESULTS)};
static const char *const log_names[] = {ENUM_NAMES(LOG_NAMES)};
static const char *const lookup_results[] = {ENUM_NAMES(LOOKUP_RESULTS)};

const char *metric_prefix(const struct metric *metric)
{
    static const char conventional[] = "process_";
    return strncmp(metric->name, conventional, sizeof conventional - 1) == 0 ? "" : METRIC_PREFIX;
}

#define OPEN NULL, 0
#define CLOSED(list) list, sizeof list / sizeof list[0]
#define CLOSED_BUT_FIRST(list) (list) + 1, sizeof list / sizeof list[0] - 1
#define ROW(id, name, meaning, ...) [id] = {name, meaning, __VA_ARGS__},
const struct metric_label_row metric_label_rows[] = {METRIC_LABELS(ROW)};
