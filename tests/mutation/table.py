"""One-line mutations of the program, and the test that each has to turn red. tests/mutation/run applies them.

A row is a fault that somebody could make: the file, the text that it changes, the text that it puts there, the test that must
notice, and what a user would suffer if none did. The test is a unit program, or a scenario file and part of the names of its
scenarios. faults_of() is the part of the check that needs no build: tests/check-mutations holds it in every `make check`.
"""

from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    name: str    # what the mutation does
    file: str
    old: str     # occurs exactly once in the file
    new: str
    test: str    # "unit/test_x", or "scenario/x.py: part of a scenario's name"
    why: str     # what a user suffers

    @property
    def path(self):
        return f"tests/{self.test.partition(':')[0]}"

    @property
    def scenario(self):
        """Part of a scenario's name; empty for a unit program."""
        return self.test.partition(": ")[2]

    @property
    def target(self):
        """What make builds."""
        return "evenkeel" if self.scenario else self.path

    def command(self, source, build):
        if self.scenario:
            return ["python3", str(source / self.path), "-k", self.scenario]
        return [str(build / self.path)]


def faults_of(root, rows):
    """What is wrong with the rows themselves, in words."""
    seen = set()
    for row in rows:
        where = f"{row.name}: {row.file}"
        text = (root / row.file).read_text() if (root / row.file).is_file() else ""
        test = root / (row.path if row.scenario else f"{row.path}.c")
        if text.count(row.old) != 1:
            yield f"{where}: the text is there {text.count(row.old)} times: {row.old!r}"
        if row.old == row.new:
            yield f"{where}: it changes nothing"
        if row.name in seen:
            yield f"{where}: two rows have this name"
        seen.add(row.name)
        if not test.is_file() or f'@scenario("' in test.read_text() and not names_scenario(test, row.scenario):
            yield f"{where}: there is no test {row.test}"
        if not row.why:
            yield f"{where}: it does not say why it matters"


def names_scenario(test: Path, words):
    return any(words in line for line in test.read_text().splitlines() if line.startswith("@scenario("))


PARSER = (
    Row("a Host field more is taken", "proxy/http1/h1_rules.c",
        "    if (again) {\n        return H1_SEVERAL_HOSTS;\n    }\n", "",
        "unit/test_h1_corpus", "two hops route the request by different hosts"),
    Row("a request without Host is served", "proxy/http1/h1_rules.c",
        "return H1_MISSING_HOST; /* RFC 9112 3.2 */", "; /* RFC 9112 3.2 */",
        "unit/test_h1_corpus", "a request is routed by nothing"),
    Row("a length beside chunked is taken in requests", "proxy/http1/h1_rules.c",
        "if (head_has(head, FIELD_CONTENT_LENGTH) && !tolerant) {",
        "if (head_has(head, FIELD_CONTENT_LENGTH) && tolerant) {",
        "unit/test_h1_corpus", "request smuggling"),
    Row("several lengths that agree are taken in requests", "proxy/http1/h1_rules.c",
        "return rules->role->tolerant ? H1_OK : H1_BAD_CONTENT_LENGTH;", "return H1_OK;",
        "unit/test_h1_corpus", "request smuggling where the next hop takes the other one"),
    Row("chunked need not be last", "proxy/http1/h1_rules.c",
        "if (rules->bad_coding || !rules->chunked_last || ", "if (rules->bad_coding || ",
        "unit/test_h1_corpus", "a body is framed by a coding that nobody here decodes"),
    Row("space before a colon is skipped", "proxy/http1/h1_fields.c",
        "case '\\t': return H1_SPACE_BEFORE_COLON;", "case '\\t': return H1_OK;",
        "unit/test_h1_corpus", "a field that one hop sees and the other does not"),
    Row("a nominated X-Forwarded-For is dropped", "proxy/http1/h1_rules.c",
        "strncasecmp(option->at, forwarded, sizeof forwarded - 1) == 0)) {", "false)) {",
        "unit/test_h1_corpus", "a client takes away what an earlier hop has vouched for"),
    Row("a user in the authority is taken", "proxy/http1/h1_target.c",
        "    if (!h1_authority_valid(authority, path, 0)) {", "    if (path == authority) {",
        "unit/test_h1_corpus", "a target is routed by what looks like its host"),
    Row("a folded status line swallows a field", "proxy/http1/h1_lenient.c",
        "if (folded && rewriting->lines_count > 1) {", "if (folded) {",
        "unit/test_h1_lenient", "a lenient upstream's head is read otherwise than it was sent"),
)

FRAMING = (
    Row("a chunk size may overflow", "proxy/http1/h1_body.c",
        "if (digits++ == CHUNK_SIZE_MAX_DIGITS) {", "if (digits++ == 2 * CHUNK_SIZE_MAX_DIGITS) {",
        "unit/test_h1_corpus", "a body ends where only this hop believes it ends"),
    Row("a bare CR ends a chunk line", "proxy/http1/h1_body.c",
        "        body->line_bytes = 0;\n        return byte == '\\n';", "        body->line_bytes = 0;\n        return true;",
        "unit/test_h1_corpus", "request smuggling by chunks"),
    Row("the sum of chunks is not bounded", "proxy/http1/h1_body.c",
        "return body->left_bytes <= BODY_MAX_BYTES - body->total_bytes;", "return true;",
        "unit/test_h1_corpus", "sums of bytes overflow"),
    Row("HEAD has a body", "proxy/http1/h1_rules.c",
        "status == 304 || method == METHOD_HEAD ||", "status == 304 ||",
        "unit/test_h1_corpus", "the response behind a HEAD is taken for its body"),
    Row("trailers may have framing fields", "proxy/http1/h1_rules.c",
        "DROPS((request) | (response), FIELD_HOP | FIELD_FRAMING | FIELD_NO_TRAILER)",
        "DROPS((request) | (response), FIELD_HOP)",
        "scenario/framing.py: trailers are lost, or smuggle", "a trailer says what only a head may"),
    Row("a connection with stray bytes is used again", "proxy/http1/h1_rules.c",
        "if (head->status == 204 && rules->content_length > 0) {", "if (false) {",
        "unit/test_h1_corpus", "bytes behind one response become the next client's"),
    Row("the last chunk is not written", "proxy/http1/h1_frame.c",
        "h1_write_literal(writer, \"0\\r\\n\");", "",
        "scenario/framing.py: a chunked request body arrives changed", "the origin waits for the end of a body that was sent"),
)

POOL = (
    Row("jitter is dropped when a reload shortens the lifetime", "pool/upkeep.c",
        "now_of(local) + warmth_lifetime_ms(upkeep->lifetime_ms, upkeep->jitter_share,\n"
        "                                           &local->worker->env.loop->rng);",
        "now_of(local) + upkeep->lifetime_ms;",
        "unit/test_pool_upkeep", "all connections end in one moment"),
    Row("under stress the oldest is served", "pool/codel.c",
        "? CODEL_NEWEST : CODEL_OLDEST", "? CODEL_OLDEST : CODEL_OLDEST",
        "unit/test_codel", "everybody waits until they have gone"),
    Row("the queue does not ask which end", "pool/queue.c",
        "case CODEL_NEWEST: return waitlist_last(&local->waits, line);", "case CODEL_NEWEST:",
        "unit/test_pool_queue", "everybody waits until they have gone"),
    Row("the late are not dropped", "pool/codel.c",
        "return queued_count > 1 && wait_ms >= codel->target_ms && codel_stressed(codel, now_ms);", "return false;",
        "unit/test_codel", "a queue that never empties"),
    Row("a newcomer overtakes the queue", "pool/queue.c",
        "} else if ((queue_waits(upstream) && !turn) || !bound_try", "} else if (!bound_try",
        "unit/test_pool_queue", "who waits is overtaken for ever"),
    Row("an unsafe request is sent twice", "proxy/exchange/exchange_retry.c",
        "           (!side->touched ||\n            retry_idempotent(&exchange_settings(exchange)->retry, &exchange->request));",
        "           true;",
        "scenario/pool.py: what a dead connection may have carried", "an order is placed twice"),
    Row("a body that is gone is sent again", "proxy/exchange/exchange_retry.c",
        "    return !exchange->body.lost &&\n", "    return\n",
        "scenario/pool.py: what a dead connection may have carried", "half a request is sent"),
    Row("a hundred redials are made beyond the cap", "pool/redial_cap.c",
        "if (cap->left < 1) {", "if (cap->left < -100) {",
        "unit/test_pool_redial_cap", "a dying origin gets every request twice"),
    Row("a pipe with bytes in it is used again", "proxy/upstream/splice.c",
        "if (pipe->held_bytes == 0 && splice_pipe_keeps(worker)) {", "if (splice_pipe_keeps(worker)) {",
        "scenario/streaming.py: bytes of a download that was given up", "a client gets another client's bytes"),
    Row("a loss is never seen", "pool/loss.c",
        "    watch->signs_count++;\n", "",
        "unit/test_pool_loss", "the idle connections of a restarted origin fail one after the other"),
    Row("a learned idle limit has no margin", "pool/idle_limit.c",
        "limit->learned_ms = shortest_ms - shortest_ms / MARGIN_PART;", "limit->learned_ms = shortest_ms;",
        "unit/test_pool_idle_limit", "requests meet connections that the origin is closing"),
    Row("a dial that reached itself is good", "pool/dial.c",
        "return getsockname(fd, &own.any, &own.length) == 0 && address_equal(&own, address);", "return false;",
        "unit/test_pool_dial", "a request is sent to ourselves for ever"),
    Row("an endpoint that closes is kept warm", "pool/endpoint.h",
        "    case HABIT_CLOSES: return 0;\n    }\n    return level_count;",
        "    case HABIT_CLOSES: return level_count;\n    }\n    return level_count;",
        "scenario/lone_servers.py: an endpoint that keeps connections is not kept warm",
        "warm connections starve a server of one thread"),
    Row("the warm level is dialled before the first answer", "pool/endpoint.h",
        "case HABIT_UNKNOWN: return waits && level_count > 1 ? 1 : level_count;", "case HABIT_UNKNOWN: return level_count;",
        "scenario/lone_servers.py: an endpoint that keeps connections is not kept warm",
        "the first requests wait behind idle connections"),
    Row("weights are not followed under two choices", "pool/balance.c",
        "    return at(group, rng_below(rng, total_of(group)));", "    return rng_below(rng, group->endpoint_count);",
        "unit/test_pool_balance", "an endpoint of weight 1 gets as much as one of weight 9"),
    Row("what was tried is tried again", "pool/balance.c",
        "if (share == 0 || avoided(choosing, endpoint)) {", "if (share == 0) {",
        "unit/test_pool_balance", "a retry goes where it has just failed"),
    Row("an interim response is the answer of a probe", "pool/probe.c",
        "if (probe->report.status / 100 == 1 && probe->report.status != 101) {", "if (false) {",
        "unit/test_pool_probe", "an endpoint that says 103 first is down"),
    Row("an ejection never lasts longer", "pool/health_status.c",
        "        wait_ms *= 2;\n", "",
        "unit/test_health_status", "a sick endpoint takes its share of failures for ever"),
)

SESSIONS = (
    Row("a session of another trust is resumed", "tls/session_cache.c",
        "    memcpy(to, trust, SESSION_TRUST_BYTES);\n", "    memset(to, 0, SESSION_TRUST_BYTES);\n",
        "unit/test_session_cache", "a peer is believed that the settings no longer trust"),
    Row("a ticket of TLS 1.3 is offered twice", "tls/session_cache.c",
        ".single_use = SSL_SESSION_get_protocol_version(openssl_session) >= TLS1_3_VERSION,", ".single_use = false,",
        "unit/test_session_cache", "connections can be linked, and origins that take a ticket once refuse"),
    Row("a session outlives the client's certificate", "tls/ticket_terms.c",
        "           now_s < terms.until_s;", "           true;",
        "unit/test_ticket_terms", "a client is let in by a certificate that has expired"),
    Row("tickets can be renewed for ever", "tls/ticket_terms.c",
        " && now_s - terms.since_s < TICKET_CHAIN_S &&", " &&",
        "unit/test_ticket_terms", "a certificate is never asked for again"),
    Row("a ticket that is used up is not replaced", "tls/ticket_terms.c",
        "|| SSL_version(ssl) == TLS1_3_VERSION;", ";",
        "scenario/tls_listener.py: clients that use each ticket once", "every second handshake is a full one"),
    Row("ticket keys do not rotate", "tls/tickets.c",
        "now_ms - tickets->rotated_ms >= TLS_TICKETS_ROTATE_MS", "false",
        "unit/test_tickets", "one stolen key opens all sessions"),
    Row("a reload does not take its ticket keys", "proxy/control/reload.c",
        "    reload_follow_keys(control);\n    reload_follow_files", "    reload_follow_files",
        "scenario/tls_listener.py: members of a fleet", "members of a fleet lose each other's sessions"),
    Row("another site's connection is used", "tls/server.c",
        "           server_names_find(&server->names, name, &wanted);\n}", "           false;\n}",
        "scenario/tls_listener.py: a connection made for one site", "a site is served without its own certificate"),
    Row("a flood of records without payload is read on", "tls/record_flood.c",
        "flood->over = flood->over || flood->bare_count > RECORD_FLOOD_MOST;", "",
        "unit/test_stream_tls", "one client keeps a worker from all others"),
    Row("key changes between payload are a flood", "tls/record_flood.c",
        "        flood->bare_count--;\n", "",
        "unit/test_stream_tls", "a long download of a client that changes keys is cut"),
    Row("handshakes that stand still keep their places", "proxy/client/client_tls.c",
        "        (clients_evict(worker, CLIENT_HANDSHAKE) && bound_try(handshakes, 1))) {", "        false) {",
        "scenario/tls_abuse.py: handshakes that do not go on", "a few clients keep all others out"),
    Row("silent sockets keep the places of clients", "proxy/client/client.c",
        "if (bound_try(places, 1) || (clients_evict(worker, CLIENT_SILENT) && bound_try(places, 1))) {",
        "if (bound_try(places, 1)) {",
        "scenario/tls_abuse.py: silent sockets use up the places for clients", "a few clients keep all others out"),
)

BUDGETS = (
    Row("a shard's retry budget is ignored", "proxy/exchange/exchange_retry.c",
        "if (exchange->admission.shard != NULL &&\n        retry_budget_take(", "if (false &&\n        retry_budget_take(",
        "scenario/shards.py: the retries of one shard", "one tenant's failures use up the retries of all"),
    Row("a retry is not counted against the budget", "breaker/retry_budget.c",
        "        window_add(&budget->window, RETRIES, 1, now_ms, SLOT_MS);\n", "",
        "unit/test_retry_budget", "retries multiply an outage"),
    Row("the retries of a minute have no cap", "breaker/retry_budget.c",
        "        window_add(&budget->minute, RETRIES, 1, now_ms, MINUTE_SLOT_MS);\n", "",
        "unit/test_retry_budget", "retries multiply an outage"),
    Row("retries take the reserve", "breaker/token_bucket.c",
        "retry ? rate->retry_depth : rate->fresh_depth", "rate->fresh_depth",
        "unit/test_token_bucket", "retries push fresh requests out"),
    Row("one client may hold all places with slow uploads", "proxy/policy/slow_clients.c",
        "    return sum->others_waiting_count > 0 && (double)sum->transfers_count > most;",
        "    return sum->others_waiting_count > 0 && most < 0;",
        "unit/test_slow_clients", "nobody else is served"),
    Row("a gate is overtaken", "proxy/policy/gate.c",
        "if (!waitlist_waits(&gate->waitlist) && take_place(gate)) {", "if (take_place(gate)) {",
        "unit/test_gate", "who waits for a shard is overtaken for ever"),
)

BREAKER = (
    Row("retries are made though the breaker has opened", "proxy/exchange/exchange_retry.c",
        "    if (breaker_refuses(policy->breaker, caller.by.settings, caller.by.now_ms)) {\n"
        "        return RETRY_BREAKER_VERDICT;\n    }\n", "",
        "scenario/breaker.py: a retry is waited for", "a client waits for what will be refused"),
    Row("what another endpoint made good counts against the upstream", "proxy/exchange/exchange_retry.c",
        "made ? OUTCOME_IGNORED : failure->outcome", "failure->outcome",
        "scenario/breaker.py: a failure that another endpoint has made good", "one sick endpoint takes the upstream away"),
    Row("what another endpoint could make good is reported at once", "proxy/exchange/exchange_retry.c",
        "    if (!elsewhere) {\n", "    {\n",
        "scenario/breaker.py: a failure that another endpoint has made good", "one sick endpoint takes the upstream away"),
    Row("a breaker opens for as long at once as after an hour", "breaker/breaker.c",
        "if (share_ms <= (double)settings->open_min_ms) {", "if (true) {",
        "unit/test_breaker", "a dead upstream is asked four times a second"),
    Row("more probes than allowed are let through", "breaker/breaker.c",
        "return breaker->probes_in_flight < caller->settings->probes_count &&", "return true &&",
        "unit/test_breaker", "an upstream that gets up is knocked down"),
    Row("one bad path speaks for all", "breaker/evidence.c",
        "if (strata_row_speaks_for_all(&evidence->outcomes.row, settings->consecutive_count,\n"
        "                                      with_traffic)) {", "if (true || with_traffic) {",
        "unit/test_breaker_strata", "one broken page takes a site away"),
    Row("a rate of one path opens for all", "breaker/evidence.c",
        "if (failed && share_reaches(shares.failed, settings->failure_rate)) {", "if (failed) {",
        "unit/test_breaker_strata", "one broken page takes a site away"),
    Row("the query is part of the path", "proxy/policy/call_strata.c",
        "        bool at_query = cut_query(&word);\n", "        bool at_query = false;\n",
        "unit/test_call_strata", "a broken page with many queries looks like many pages"),
    Row("a bad probe does not open again", "breaker/breaker.c",
        "            open_up(breaker, caller, BREAKER_CAUSE_BAD_PROBE);\n", "            ;\n",
        "unit/test_breaker", "a dead upstream is probed without a pause"),
)

TIME = (
    Row("a request below the latency floor is sent on", "proxy/exchange/exchange_time.c",
        "return left_ms == 0 ||\n           left_ms * 1000 < policy_floor_us(exchange_policy_local(exchange), now_ms);",
        "return left_ms == 0;",
        "scenario/deadlines.py: less time than the quickest answer", "an overloaded origin works for nobody"),
    Row("the next hop is given all the time that is left", "proxy/http/hop_fields.c",
        "return left_ms - (back_ms < WAY_BACK_MS ? back_ms : WAY_BACK_MS);", "return left_ms + 0 * back_ms;",
        "unit/test_hop_fields", "the answer comes when nobody waits for it"),
    Row("untrusted clients set deadlines", "proxy/exchange/exchange_time.c",
        "if (hop_asks(&exchange->request) && (exchange->trusted || exchange_is_call(exchange))) {",
        "if (hop_asks(&exchange->request)) {",
        "scenario/deadlines.py: a client that is not trusted sets deadlines", "a client makes breakers open"),
    Row("hedges have no budget", "proxy/policy/policy.c",
        "    local->hedge_credit -= HEDGE_COST;\n", "",
        "scenario/retries.py: a slow endpoint makes requests wait", "every request is sent twice under load"),
    Row("a POST is hedged", "proxy/exchange/hedge.c",
        "           retry_idempotent(&view->settings->retry, &exchange->request) &&\n", "",
        "scenario/retries.py: a hedged request is answered twice", "an order is placed twice"),
    Row("a failure of the twin is an answer", "proxy/exchange/hedge.c",
        "if (head->status >= 500) {", "if (false) {",
        "scenario/retries.py: a hedged request is answered twice", "hedging makes failures of slow successes"),
    Row("Retry-After of an origin is not kept to", "proxy/policy/retry.c",
        "    return seconds * 1000;\n}", "    return seconds * 0;\n}",
        "unit/test_retry", "an origin that asks for a pause gets none"),
    Row("an unsafe request is retried", "proxy/policy/retry.c",
        "if (!retry_case->untouched && !retry_case->idempotent) {", "if (false) {",
        "unit/test_retry", "an order is placed twice"),
)

LIFE = (
    Row("readiness of a first start does not count sessions", "proxy/control/readiness_watch.c",
        "        figures.sessions_usual_count += tls_names_count(set->views[i].settings);\n", "",
        "scenario/readiness.py: a first start is ready before", "a new process begins with full handshakes"),
    Row("readiness flaps", "proxy/admin/readiness.c",
        "return now_ms - readiness->changing_ms >= long_ms;", "return true;",
        "unit/test_readiness", "a balancer takes the process out for a moment's loss"),
    Row("cold beats lost", "proxy/admin/readiness.c",
        "return lost(figures) ? READINESS_LOST : READINESS_COLD;", "return READINESS_COLD;",
        "unit/test_readiness", "traffic is taken that nobody can serve"),
    Row("a process that is not ready saves its state, by the timer", "proxy/control/warm.c",
        "    if (control->drain.stage == DRAIN_SERVING &&\n        readiness_is_ready(&control->readiness.readiness)) {",
        "    if (control->drain.stage == DRAIN_SERVING) {",
        "scenario/warm_state.py: what a process that is not ready knows", "a failed start loses what was learned"),
    Row("a process that is not ready saves its state, at the end", "proxy/control/drain.c",
        "if (was_ready && !handed_over) {", "if (!handed_over) {",
        "scenario/warm_state.py: what a process that is not ready knows", "a failed start loses what was learned"),
    Row("a warm state of any sum is taken", "pool/warm_file.c",
        "return unpack_u64(&end) == checksum(bytes, length) ? WARM_OK : WARM_DAMAGED;", "return WARM_OK;",
        "unit/test_warm_file", "garbage is restored"),
    Row("a rejected reload keeps its listeners and upstreams", "proxy/control/reload.c",
        "    generation_free(control, generation);\n    listeners_sweep(control, control->generations.present);\n"
        "    pools_collect(control->pools);\n    route_book_cut",
        "    route_book_cut",
        "scenario/rejected.py: a rejected reload leaves", "half a reload serves"),
    Row("a rejected reload uses up names of routes", "proxy/control/reload.c",
        "    route_book_cut(control, mark->route_count);\n", "",
        "scenario/rejected.py: rejected reloads use up", "after some bad files no good one is taken"),
    Row("connections wait in a listener that goes", "proxy/client/listener.c",
        "    /* usually no connection waits */\n"
        "    listener_on_readable(listener->listener->fds[listener->waiter], EV_READ, listener);\n",
        "    listener_enter(listener, LISTENER_LEFT);\n",
        "scenario/listener_end.py: reset by a reload that removes", "clients that the kernel has taken are reset"),
    Row("a listener that leaves takes connections still", "proxy/client/listener.c",
        "(void)setsockopt(listener->fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);", "(void)filter;",
        "scenario/listener_end.py: a client that comes while listeners close", "clients are reset by a reload"),
    Row("a listening socket that fails is tried again at once", "proxy/client/listener.c",
        "        case ACCEPT_FAILED:\n        case ACCEPT_SHORTAGE: listener_on_shortage(listener); return;\n",
        "        case ACCEPT_FAILED: break;\n        case ACCEPT_SHORTAGE: listener_on_shortage(listener); return;\n",
        "scenario/listener_end.py: a listening socket that fails for good", "a worker does nothing but fail"),
    Row("a name may be given in two parts of a large group", "conf/load.c",
        "    if (before != NULL) {\n        const struct source_place", "    if (before != NULL && false) {\n        const struct source_place",
        "unit/test_conf_source", "one of two upstreams of a name is never used"),
    Row("what follows an included file is one line off", "conf/source.c",
        "    append(source, \"\\n\", 1);\n    begin_span(source, at);\n    return quoted",
        "    begin_span(source, at);\n    append(source, \"\\n\", 1);\n    return quoted",
        "unit/test_conf_source", "an error is looked for in the wrong line"),
    Row("each upstream reads the system's certificates", "pool/sets.c",
        "building->view->tls = tls_client_get(find_tls(building, settings));",
        "building->view->tls = false ? find_tls(building, settings) : NULL;",
        "scenario/large.py: the system's certificates are read once", "a start with a thousand of them takes half a minute"),
    Row("signals end a process that starts", "proxy/control/signals.c",
        "    pthread_sigmask(SIG_BLOCK, &kept, NULL);\n", "",
        "scenario/signals.py: a signal ends the process", "systemctl reload kills a service that starts"),
    Row("a second signal is waited out", "proxy/control/signals.c",
        "        drain_cut(control, strsignal(number));\n", "",
        "scenario/drain.py: a second signal", "an operator cannot end the process"),
)

TELLING = (
    Row("a line may be torn by a full ring", "proxy/log/log_ring.c",
        "    if (bytes > ring->capacity - (size_t)(head - tail)) {\n        return false;\n    }\n", "",
        "unit/test_log", "access lines that do not parse"),
    Row("a FIFO is rotated", "proxy/log/log_file.c",
        "return file->kind == LOG_FILE_REGULAR && !file->standard && file->rotation",
        "return !file->standard && file->rotation",
        "scenario/log_sinks.py: rotation renames a FIFO", "a log collector loses its pipe"),
    Row("a pipe gets parts of lines", "proxy/log/log_file.c",
        "    length = piece_of(bytes, length);\n", "",
        "unit/test_log", "lines of several processes mix"),
    Row("a log that was opened anew in vain is closed", "proxy/log/log_file.c",
        "        file->fd = old_fd;\n        return false;", "        return false;",
        "unit/test_log", "no line is written any more"),
    Row("a rebound name reads the admin listener", "proxy/admin/admin_guard.c",
        "return source->host != NULL ? host_is_ours(settings, source->host) : !source->acts;", "return true;",
        "unit/test_admin_guard", "a page that an operator visits reads the figures"),
    Row("a page that hides its origin may act", "proxy/admin/admin_guard.c",
        "return false; /* \"null\": a page that hides its origin */", "return true;",
        "unit/test_admin_guard", "a page that an operator visits drains the process"),
    Row("an idle admin connection keeps its place", "proxy/admin/admin_places.c",
        "            oldest = place;\n", "            ;\n",
        "scenario/admin_abuse.py: idle connections keep", "a health check fails because others sit"),
    Row("an admin request has no deadline", "proxy/admin/admin_places.c",
        "        if (place_is_late(&places->all[i], now_ms)) {", "        if (false && now_ms) {",
        "scenario/admin_abuse.py: a request that comes a byte at a time", "connections of the admin listener pile up"),
    Row("a name with an underscore passes", "proxy/exchange/field_trust.c",
        "            (!settings->underscores || stands_in(exchange, settings, name, field->name_bytes))) {",
        "            false) {",
        "scenario/trust.py: a name with an underscore", "a client forges X_Forwarded_For"),
    Row("where underscores pass, stand-ins pass", "proxy/exchange/field_trust.c",
        "(!settings->underscores || stands_in(exchange, settings, name, field->name_bytes))", "!settings->underscores",
        "scenario/trust.py: a name with an underscore", "a client forges X_Forwarded_For"),
    Row("untrusted clients set believed fields", "proxy/exchange/field_trust.c",
        "return !exchange->trusted && believed_field(name, name_bytes) &&", "return false && believed_field(name, name_bytes) &&",
        "scenario/trust.py: a client forges what servers believe", "a client forges X-Real-IP"),
    Row("the client is who stands leftmost", "proxy/exchange/told_client.c",
        "walk->over = !generation_trusts(walk->generation, &address.any);", "walk->over = false;",
        "scenario/trust.py: behind a trusted peer", "a client escapes its rate by a made-up address"),
)

HTTP2 = (
    Row("a second pseudo-header field is taken", "proxy/http2/h2_block.c",
        "h2_block_has(block, i) || block", "block",
        "unit/test_h2_head", "a request means one target here and another one behind"),
    Row("pseudo-header fields may follow others", "proxy/http2/h2_block.c",
        "h2_block_has(block, i) || block->fields_begun;", "h2_block_has(block, i);",
        "unit/test_h2_head", "a field is taken for the target"),
    Row("Host may differ from :authority", "proxy/http2/h2_block.c",
        "               ? H2_BLOCK_OK\n               : H2_BLOCK_MALFORMED;", "               ? H2_BLOCK_OK\n               : H2_BLOCK_OK;",
        "unit/test_h2_head", "a request is routed by one host and answered for another one"),
    Row("a stream that is over takes frames", "proxy/http2/h2_stream.c",
        "id > session->ids.reset && nghttp2", "id < session->ids.reset && nghttp2",
        "scenario/h2_frames.py: misunderstood over", "frames of a client are taken for streams that do not exist"),
    Row("PRIORITY of a stream on itself passes", "proxy/http2/h2_watch.c",
        "stream == 0 || named == stream", "stream == 0",
        "unit/test_h2_watch", "a client's error is not told to it"),
    Row("DATA of nothing but padding is free", "proxy/http2/h2_callbacks.c",
        "if (padding_only && !h2_session_charge", "if (!padding_only && !h2_session_charge",
        "scenario/h2_abuse.py: flood", "a client keeps a worker busy without a byte of payload"),
    Row("a response without content is endless", "proxy/http2/h2_head.c",
        "last ? FRAMING_LENGTH : FRAMING_CHUNKED", "last ? FRAMING_NONE : FRAMING_CHUNKED",
        "scenario/h2_smuggling.py: client of HTTP/1", "a client of HTTP/1 waits for the end of a response that has ended"),
    Row("the exchange of a stream that was reset lives on", "proxy/client/h2_stream.c",
        "} else if (end.code != H2_NO_ERROR && !stream->h2->pulls) {", "} else if (false) {",
        "scenario/h2_abuse.py: were reset", "a client that opens and resets streams fills the queue, and others are refused"),
    Row("names in upper case pass", "proxy/http2/h2_block.c",
        "|| (name[i] >= 'A' && name[i] <= 'Z')", "",
        "unit/test_h2_head", "a field that the standard forbids reaches HTTP/1"),
    Row("values may end in white space", "proxy/http2/h2_block.c",
        "!field_list_is_space(value[bytes - 1]) &&", "",
        "unit/test_h2_head", "a value is read otherwise behind"),
    Row("Transfer-Encoding passes", "proxy/http2/h2_block.c",
        "    case FIELD_TRANSFER_ENCODING:\n", "",
        "unit/test_h2_head", "a request is smuggled into HTTP/1"),
    Row("Content-Length without payload passes", "proxy/http2/h2_head.c",
        "        return last && head->content_length > 0 ? H2_BLOCK_MALFORMED : H2_BLOCK_OK;\n    }\n    head->framing",
        "        return H2_BLOCK_OK;\n    }\n    head->framing",
        "unit/test_h2_head", "the next request is taken for the payload of this one"),
    Row("a head may unpack to any size", "proxy/http2/h2_block.c",
        "    if (is_flood(block, limits)) {", "    if (false && is_flood(block, limits)) {",
        "unit/test_h2_abuse", "a few bytes of HPACK cost milliseconds"),
    Row("resets are free", "proxy/http2/h2_callbacks.c",
        "h2_session_is_server(session) ? H2_ABUSE_RESETS : H2_ABUSE_COUNT;", "H2_ABUSE_COUNT;",
        "unit/test_h2_abuse", "rapid reset costs the attacker nothing"),
    Row("resets that a client provokes are free", "proxy/http2/h2_callbacks.c",
        "    } else if (!h2_session_charge(session, H2_ABUSE_RESETS)) {", "    } else if (false) {",
        "unit/test_h2_abuse", "MadeYouReset costs the attacker nothing"),
    Row("heads beyond the limits are free", "proxy/http2/h2_callbacks.c",
        "        left = h2_session_charge(session, H2_ABUSE_RESETS);", "        left = true;",
        "unit/test_h2_abuse", "HPACK makes 64 KiB of work of a few bytes, again and again"),
    Row("answers that nobody reads pile up", "proxy/http2/h2_session.c",
        "    nghttp2_option_set_max_outbound_ack(options, QUEUED_FRAMES);", "    nghttp2_option_set_max_outbound_ack(options, 100000);",
        "unit/test_h2_abuse", "a client that does not read makes memory grow"),
    Row("a slow stream blocks the others", "proxy/http2/h2_callbacks.c",
        "    if (nghttp2_session_consume_connection(frames, length) != 0) {", "    if (false && length > 0) {",
        "unit/test_h2_flow", "one stalled upload stops all requests of its connection"),
    Row("more is kept than the connection's window", "proxy/http2/h2_flow.c",
        "(int64_t)session->queued_bytes;", "(int64_t)(session->queued_bytes * 0);",
        "unit/test_h2_flow", "a reader of many streams who stalls makes memory grow"),
    Row("nghttp2's memory has no bound", "proxy/http2/h2_memory.c",
        "    return bytes <= memory->limit_bytes && memory->bytes <= memory->limit_bytes - bytes;", "    return memory != NULL || bytes > 0;",
        "unit/test_h2_flow", "a connection's memory grows without end"),
    Row("a stream is taken beyond GOAWAY", "proxy/http2/h2_callbacks.c",
        "session->leaving ? NULL : session->events->opened(session->owner);", "session->events->opened(session->owner);",
        "unit/test_h2_session", "a request is served and sent again"),
    Row("a refusal is told as a success", "proxy/http2/h2_callbacks.c",
        ".code = stream->code != H2_NO_ERROR ? stream->code : code,", ".code = code,",
        "unit/test_h2_session", "a broken response is passed on as a whole one"),
    Row("responses wait for each other without end", "proxy/http2/h2_callbacks.c",
        "    if (!session->frame.prioritised) {\n", "    if (false) {\n",
        "unit/test_h2_flow", "a large response stops all others of its connection"),
    Row("who is cut off begins anew at once", "proxy/worker/blame.h",
        "return slot->key_hash == key_hash && now_ms < slot->until_ms;", "return slot->key_hash == key_hash && now_ms < 1;",
        "unit/test_blame", "an attacker who reconnects takes as much of a worker's time as before"),
)

EDGE = (
    Row("what went into an encoder waits for more", "proxy/exchange/exchange_compress.c",
        "        loop_defer(&exchange->worker->loop, &compressor->flush);", "        (void)flush_on_deferred;",
        "scenario/compress.py: bit by bit", "events and streams of a compressed response do not arrive"),
    Row("what a client may only see with its cookie is compressed", "proxy/edge/compress_rule.c",
        "    return personal && !public;", "    return personal && !public && false;",
        "scenario/compress.py: must not be", "an attacker finds out secrets by the lengths of responses (BREACH)"),
    Row("an encoder takes memory that nobody counts", "proxy/edge/encoder.c",
        "    bound_give(encoder->bound, encoder->bytes);\n", "",
        "unit/test_encoder", "after some responses none is compressed any more"),
    Row("a pair that does not fit is forgotten", "proxy/control/tls_watch.c",
        "use->state == USE_STIRRED || again ?", "use->state == USE_STIRRED ?",
        "scenario/cert_watch.py: half of one", "a renewed certificate is never said to be no good"),
    Row("who asks later is told of the reload before", "proxy/admin/admin_reloads.c",
        "        if (waiter->read || everyone) {", "        if (true || everyone) {",
        "scenario/reload.py: is under way", "a deployment goes on although its file is not in use"),
    Row("what a client forged goes on beside what the service says", "proxy/edge/edge_auth.c",
        "        if (is_copied(forward, head->base + field->name_at, field->name_bytes)) {",
        "        if (is_copied(forward, \"\", field->name_bytes * 0)) {",
        "scenario/auth.py: has forged", "anybody is whoever he says he is"),
    Row("a service that fails is taken for one that refuses", "proxy/exchange/exchange_auth.c",
        "    if (status >= 500) {", "    if (status >= 600) {",
        "scenario/auth.py: that fails", "clients see the error page of a service that they know nothing of"),
    Row("a password outlives its file", "proxy/edge/password.c",
        "    memcpy(text, &settings->mark, sizeof settings->mark);", "    memset(text, 0, sizeof settings->mark);",
        "scenario/auth_basic.py: right for ever", "who was taken out of the file is let in after the reload"),
    Row("an unknown name is refused at once", "proxy/edge/password.c",
        "    return user != NULL ? user->hash : settings->users[any].hash;",
        "    return user != NULL ? user->hash : settings->users[any].name;",
        "scenario/auth_basic.py: run on a worker", "the time of an answer tells which names exist"),
)

ROWS = PARSER + FRAMING + HTTP2 + POOL + SESSIONS + BUDGETS + BREAKER + TIME + LIFE + TELLING + EDGE
