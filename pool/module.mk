noinst_LIBRARIES += libpool.a
libpool_a_SOURCES = \
	%D%/balance.c %D%/balance.h \
	%D%/connection.c %D%/connection.h \
	%D%/descriptor.c %D%/descriptor.h \
	%D%/dial.c %D%/dial.h \
	%D%/endpoint.c %D%/endpoint.h \
	%D%/entries.c %D%/entries.h \
	%D%/handover.c %D%/handover.h \
	%D%/health.c %D%/health.h %D%/health_state.h \
	%D%/latency.h \
	%D%/lease.c %D%/lease.h \
	%D%/line.c %D%/line.h \
	%D%/maglev.c %D%/maglev.h \
	%D%/pools.h \
	%D%/probe.c %D%/probe.h \
	%D%/queue.c %D%/queue.h \
	%D%/resolve.c %D%/resolve.h \
	%D%/sets.c %D%/sets.h \
	%D%/standing.c %D%/standing.h \
	%D%/upstream.c %D%/upstream.h \
	%D%/worker.c
