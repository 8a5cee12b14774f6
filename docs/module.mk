dist_man_MANS = \
	%D%/man/evenkeel.8 \
	%D%/man/evenkeel.conf.5

EXTRA_DIST += %D%/checklist.schema.json
EXTRA_DIST += %D%/configuration.md
EXTRA_DIST += %D%/dashboard.md %D%/dashboard/dark.png %D%/dashboard/failing.png %D%/dashboard/light.png %D%/dashboard/phone.png
EXTRA_DIST += %D%/metrics.md
EXTRA_DIST += %D%/migrate.md
EXTRA_DIST += %D%/operations.md
EXTRA_DIST += %D%/internals/README.md
EXTRA_DIST += %D%/internals/balance.md
EXTRA_DIST += %D%/internals/benchmark.md
EXTRA_DIST += %D%/internals/breaker.md
EXTRA_DIST += %D%/internals/build.md
EXTRA_DIST += %D%/internals/drift.md
EXTRA_DIST += %D%/internals/edge.md
EXTRA_DIST += %D%/internals/fleet.md
EXTRA_DIST += %D%/internals/engine.md
EXTRA_DIST += %D%/internals/files.md
EXTRA_DIST += %D%/internals/health.md
EXTRA_DIST += %D%/internals/http1.md
EXTRA_DIST += %D%/internals/http2.md
EXTRA_DIST += %D%/internals/life.md
EXTRA_DIST += %D%/internals/overload.md
EXTRA_DIST += %D%/internals/overload.svg
EXTRA_DIST += %D%/internals/policy.md
EXTRA_DIST += %D%/internals/pool.md
EXTRA_DIST += %D%/internals/resolver.md
EXTRA_DIST += %D%/internals/steady.md
EXTRA_DIST += %D%/internals/storm.md
EXTRA_DIST += %D%/internals/tls-sessions.md
EXTRA_DIST += %D%/internals/tls.md
EXTRA_DIST += %D%/internals/tracing.md
EXTRA_DIST += %D%/runbooks/README.md
EXTRA_DIST += %D%/runbooks/admin.md
EXTRA_DIST += %D%/runbooks/certificates.md
EXTRA_DIST += %D%/runbooks/clients.md
EXTRA_DIST += %D%/runbooks/configuration.md
EXTRA_DIST += %D%/runbooks/connections.md
EXTRA_DIST += %D%/runbooks/descriptors.md
EXTRA_DIST += %D%/runbooks/endpoints.md
EXTRA_DIST += %D%/runbooks/errors.md
EXTRA_DIST += %D%/runbooks/latency.md
EXTRA_DIST += %D%/runbooks/logs.md
EXTRA_DIST += %D%/runbooks/memory.md
EXTRA_DIST += %D%/runbooks/metrics.md
EXTRA_DIST += %D%/runbooks/fleet.md
EXTRA_DIST += %D%/runbooks/names.md
EXTRA_DIST += %D%/runbooks/post-mortem.md
EXTRA_DIST += %D%/runbooks/queues.md
EXTRA_DIST += %D%/runbooks/readiness.md
EXTRA_DIST += %D%/runbooks/threads.md
EXTRA_DIST += %D%/runbooks/tracing.md
EXTRA_DIST += %D%/runbooks/tls-sessions.md

# The references, the man page and the sample are committed where readers look for them; tests/check-docs holds them
# against the tables, and this writes them anew.
docs: conf/gendoc proxy/admin/metricdoc
	./conf/gendoc --markdown >$(top_srcdir)/%D%/configuration.md
	./conf/gendoc --man >$(top_srcdir)/%D%/man/evenkeel.conf.5
	./conf/gendoc --sample >$(top_srcdir)/contrib/evenkeel.conf.sample
	./proxy/admin/metricdoc >$(top_srcdir)/%D%/metrics.md
.PHONY: docs
