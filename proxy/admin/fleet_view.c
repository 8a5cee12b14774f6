/* The fleet in JSON. */
#include "proxy/admin/fleet_view.h"

#include <time.h>

#include "proxy/admin/json.h"
#include "proxy/fleet/fleet.h"

static void write_ago(struct json *json, const char *key, uint64_t ago_ms)
{
    if (ago_ms == UINT64_MAX) {
        json_text(json, key, NULL);
    } else {
        json_number(json, key, (double)ago_ms / 1e3);
    }
}

static void write_store(struct json *json, const struct store_figures *store)
{
    json_open(json, "store", '{');
    json_text(json, "state", store_state_name(store->state));
    json_number(json, "state_s", (double)store->state_age_ms / 1e3);
    json_text(json, "at", store->at);
    json_text(json, "fault", store_fault_name(store->fault));
    json_text(json, "words", store_fault_help(store->fault));
    json_text(json, "error", *store->error != '\0' ? store->error : NULL);
    write_ago(json, "answered_s_ago", store->answered_ago_ms);
    json_number(json, "round_trip_s", (double)store->round_trip_us / 1e6);
    json_uint(json, "slow_answers", store->slow_count);
    json_uint(json, "waiting", store->waiting_count);
    json_uint(json, "unsent_bytes", store->unsent_bytes);
    json_uint(json, "connections", store->connections_count);
    json_uint(json, "asked", store->asked_count);
    json_uint(json, "unanswered", store->unanswered_count);
    json_close(json, '}');
}

static void write_members(struct json *json, const struct fleet_figures *fleet)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_open(json, "replicas", '[');
    for (size_t i = 0; i < fleet->member_count; i++) {
        const struct fleet_member *member = &fleet->members[i];
        json_open(json, NULL, '{');
        json_text(json, "id", member->id);
        json_bool(json, "self", member->self);
        json_text(json, "host", member->host);
        json_uint(json, "pid", member->pid);
        json_text(json, "version", member->version);
        json_number(json, "started_s_ago",
                    (double)now.tv_sec - (double)member->started_wall_ms / 1e3);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_words(struct json *json, const struct fleet_figures *fleet)
{
    json_open(json, "words", '[');
    for (size_t i = 0; i < fleet->word_count; i++) {
        const struct fleet_word *said = &fleet->words[i];
        const struct operator_word *word = &said->word;
        if (!said->holds) {
            continue;
        }
        json_open(json, NULL, '{');
        json_text(json, "subject", operator_subject_name(word->subject));
        json_text(json, "name", word->name);
        json_text(json, "endpoint", *word->detail != '\0' ? word->detail : NULL);
        json_text(json, "state", operator_state_name(word->subject, word->state));
        json_text(json, "by", *word->by != '\0' ? word->by : NULL);
        json_text(json, "reason", *word->reason != '\0' ? word->reason : NULL);
        json_text(json, "said_at", said->at);
        json_number(json, "since_s_ago",
                    ((double)fleet->store_wall_ms - (double)word->since_ms) / 1e3);
        if (word->until_ms != 0) {
            json_number(json, "ends_in_s",
                        ((double)word->until_ms - (double)fleet->store_wall_ms) / 1e3);
        }
        json_bool(json, "here", said->obeyed);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_rates(struct json *json, const struct fleet *fleet)
{
    struct fleet_rate_figures rate;
    json_open(json, "rates", '[');
    for (size_t i = 0; fleet_rate_figures(fleet, i, &rate); i++) {
        json_open(json, NULL, '{');
        json_text(json, "route", rate.route);
        json_text(json, "limit", admission_rate_name(rate.kind));
        json_text(json, "state", fleet_rate_state_name(rate.state));
        json_text(json, "words", fleet_rate_state_help(rate.state));
        json_uint(json, "replicas", rate.replica_count);
        json_number(json, "per_second", rate.per_second);
        json_number(json, "share_per_second", rate.share_per_second);
        json_uint(json, "used", rate.used_count);
        json_uint(json, "lent", rate.lent_count);
        json_uint(json, "taken_of_lent", rate.taken_count);
        json_uint(json, "returned", rate.returned_count);
        json_uint(json, "asked", rate.asked_count);
        json_uint(json, "unanswered", rate.unanswered_count);
        json_uint(json, "put_off", rate.put_off_count);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void fleet_view_write(struct evbuffer *out, const struct overview *overview)
{
    struct json json = {.out = out};
    struct fleet_figures fleet;
    fleet_figures(overview->fleet, &fleet);
    json_open(&json, NULL, '{');
    json_bool(&json, "on", fleet.on);
    json_text(&json, "name", fleet.on ? fleet.name : NULL);
    json_text(&json, "id", fleet.id);
    write_store(&json, &fleet.store);
    write_ago(&json, "seen_s_ago", fleet.seen_ago_ms);
    write_members(&json, &fleet);
    json_uint(&json, "other_versions", fleet.other_versions_count);
    write_words(&json, &fleet);
    write_rates(&json, overview->fleet);
    json_uint(&json, "losses", fleet.losses_count);
    json_uint(&json, "refused_values", fleet.refused_count);
    json_uint(&json, "warm_states_published", fleet.warm_published_count);
    json_uint(&json, "warm_state_taken_bytes", fleet.warm_taken_bytes);
    json_close(&json, '}');
    evbuffer_add(out, "\n", 1);
}
