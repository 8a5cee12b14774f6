libproxy_a_SOURCES += \
	%D%/admin.c %D%/admin.h \
	%D%/admin_acts.c %D%/admin_acts.h \
	%D%/admin_guard.c %D%/admin_guard.h \
	%D%/admin_jobs.c %D%/admin_jobs.h \
	%D%/admin_path.c %D%/admin_path.h \
	%D%/admin_places.c %D%/admin_places.h \
	%D%/admin_reloads.c %D%/admin_reloads.h \
	%D%/admin_snapshots.c %D%/admin_snapshots.h \
	%D%/admin_socket.c %D%/admin_socket.h \
	%D%/admin_token.c %D%/admin_token.h \
	%D%/dashboard.c %D%/dashboard.h \
	%D%/drift_book.c %D%/drift_book.h \
	%D%/drift_view.c %D%/drift_view.h \
	%D%/events_view.c %D%/events_view.h \
	%D%/fleet_view.c %D%/fleet_view.h \
	%D%/history_view.c %D%/history_view.h \
	%D%/json.c %D%/json.h \
	%D%/maintenance_view.c %D%/maintenance_view.h \
	%D%/metric.h \
	%D%/metric_labels.c \
	%D%/metric_text.c %D%/metric_text.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/metrics_drift.c \
	%D%/metrics_endpoint.c \
	%D%/metrics_fleet.c \
	%D%/metrics_http2.c \
	%D%/metrics_listener.c \
	%D%/metrics_name.c \
	%D%/metrics_policy.c \
	%D%/metrics_process.c \
	%D%/metrics_resource.c \
	%D%/metrics_route.c \
	%D%/metrics_tracing.c \
	%D%/metrics_traffic.c \
	%D%/metrics_upstream.c \
	%D%/metrics_worker.c \
	%D%/operator_view.c %D%/operator_view.h \
	%D%/overview.h \
	%D%/page.c %D%/page.h \
	%D%/readiness.c %D%/readiness.h \
	%D%/resources.c %D%/resources.h \
	%D%/scrape.c %D%/scrape.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/status.c %D%/status.h \
	%D%/traffic_view.c %D%/traffic_view.h \
	%D%/upstreams_view.c %D%/upstreams_view.h

# Writes the reference of the metrics from their tables: see docs/module.mk.
noinst_PROGRAMS += %D%/metricdoc
%C%_metricdoc_SOURCES = %D%/metricdoc.c
%C%_metricdoc_LDADD = $(proxy_archives) $(program_libs)

# The dashboard: files that become arrays of the program.
dashboard_files = \
	%D%/dashboard/icon.svg \
	%D%/dashboard/index.html \
	%D%/dashboard/page.css \
	%D%/dashboard/page.js \
	%D%/dashboard/plot.js
EXTRA_DIST += $(dashboard_files)
CLEANFILES += %D%/dashboard_files.inc

%D%/dashboard_files.inc: $(dashboard_files)
	$(AM_V_GEN)$(MKDIR_P) %D% && for file in $(dashboard_files); do \
	  name=`echo "$$file" | sed -e 's|.*/||' -e 's|[^a-z]|_|g'` && \
	  test -f "$$file" || file=$(srcdir)/$$file; \
	  echo "static const unsigned char $$name[] = {" && \
	  od -An -v -tx1 "$$file" | sed 's| \([0-9a-f][0-9a-f]\)|0x\1,|g' && \
	  echo "};" || exit 1; \
	done >$@.new && mv $@.new $@

%D%/dashboard.$(OBJEXT): %D%/dashboard_files.inc
