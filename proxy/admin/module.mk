libproxy_a_SOURCES += \
	%D%/admin.c %D%/admin.h \
	%D%/json.c %D%/json.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/overview.h \
	%D%/policy_metrics.c %D%/policy_metrics.h \
	%D%/readiness.c %D%/readiness.h \
	%D%/scrape.c %D%/scrape.h \
	%D%/status.c %D%/status.h \
	%D%/upstreams_view.c %D%/upstreams_view.h
