# Scenarios: a running proxy and real programs around it, in Python. One line per scenario in scenario_tests;
# the modules they share go to EXTRA_DIST.

scenario_tests = \
	%D%/abuse.py \
	%D%/admin.py \
	%D%/admin_abuse.py \
	%D%/admin_large.py \
	%D%/admission.py \
	%D%/balance.py \
	%D%/bounds.py \
	%D%/breaker.py \
	%D%/cli.py \
	%D%/deadlines.py \
	%D%/dns.py \
	%D%/documents.py \
	%D%/drain.py \
	%D%/failures.py \
	%D%/forwarding.py \
	%D%/framing.py \
	%D%/half_close.py \
	%D%/health.py \
	%D%/hedging.py \
	%D%/hostile.py \
	%D%/listener_end.py \
	%D%/large.py \
	%D%/load.py \
	%D%/log_sinks.py \
	%D%/logs.py \
	%D%/lone_servers.py \
	%D%/odd_origins.py \
	%D%/pool.py \
	%D%/pool_failover.py \
	%D%/pool_lifetime.py \
	%D%/pool_warm.py \
	%D%/proxy_protocol.py \
	%D%/readiness.py \
	%D%/rejected.py \
	%D%/refusals.py \
	%D%/reload.py \
	%D%/resend.py \
	%D%/retries.py \
	%D%/roll.py \
	%D%/selfcheck.py \
	%D%/service.py \
	%D%/shards.py \
	%D%/slow_clients.py \
	%D%/signals.py \
	%D%/smuggling.py \
	%D%/storm.py \
	%D%/strata.py \
	%D%/streaming.py \
	%D%/tls_abuse.py \
	%D%/tls_audit.py \
	%D%/tls_clients.py \
	%D%/tls_listener.py \
	%D%/tls_sessions.py \
	%D%/tls_upstream.py \
	%D%/trust.py \
	%D%/upgrade.py \
	%D%/user.py \
	%D%/warm_state.py \
	%D%/websocket.py

TESTS += $(scenario_tests)
EXTRA_DIST += $(scenario_tests) \
	%D%/harness/__init__.py \
	%D%/harness/attacks.py \
	%D%/harness/bystander.py \
	%D%/harness/certificates.py \
	%D%/harness/client.py \
	%D%/harness/commands.py \
	%D%/harness/dns.py \
	%D%/harness/ending.py \
	%D%/harness/h2_bytes.py \
	%D%/harness/h2_origin.py \
	%D%/harness/h2_wire.py \
	%D%/harness/libssl.py \
	%D%/harness/log_lines.py \
	%D%/harness/origin.py \
	%D%/harness/leftovers.py \
	%D%/harness/outage.py \
	%D%/harness/pace.py \
	%D%/harness/peers.py \
	%D%/harness/ports.py \
	%D%/harness/probe.py \
	%D%/harness/process.py \
	%D%/harness/processor.py \
	%D%/harness/proxy.py \
	%D%/harness/settings.py \
	%D%/harness/tap.py \
	%D%/harness/verdict.py \
	%D%/harness/wire.py \
	%D%/node/echo-client.js \
	%D%/node/echo-server.js
