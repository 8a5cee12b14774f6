noinst_LIBRARIES += libpool.a
libpool_a_SOURCES = \
	%D%/balance.c %D%/balance.h \
	%D%/close_reason.c %D%/close_reason.h \
	%D%/codel.c \
	%D%/codel.h \
	%D%/connection.c %D%/connection.h \
	%D%/descriptor.c %D%/descriptor.h \
	%D%/dial.c %D%/dial.h \
	%D%/dns_answer.c %D%/dns_answer.h \
	%D%/dns_channel.c %D%/dns_channel.h \
	%D%/ending.c %D%/ending.h \
	%D%/endpoint_tls.c \
	%D%/endpoint_tls.h \
	%D%/handshake.c \
	%D%/handshake.h \
	%D%/endpoint.c %D%/endpoint.h \
	%D%/endpoint_memory.c %D%/endpoint_memory.h \
	%D%/endpoint_totals.c %D%/endpoint_totals.h \
	%D%/file_mark.h \
	%D%/traffic.c %D%/traffic.h \
	%D%/late_tls.c %D%/late_tls.h \
	%D%/habit.c %D%/habit.h \
	%D%/handover.c %D%/handover.h \
	%D%/health.c %D%/health.h %D%/health_state.h \
	%D%/hosts.c %D%/hosts.h \
	%D%/idle_limit.c %D%/idle_limit.h \
	%D%/latency.h \
	%D%/lease.c %D%/lease.h \
	%D%/line.c %D%/line.h \
	%D%/loss.c %D%/loss.h \
	%D%/maglev.c %D%/maglev.h \
	%D%/name_state.c %D%/name_state.h \
	%D%/names_memory.c %D%/names_memory.h \
	%D%/names.c %D%/names.h \
	%D%/pools.h \
	%D%/probe.c %D%/probe.h %D%/probe_speech.h \
	%D%/protocol.c %D%/protocol.h %D%/protocol_http1.c \
	%D%/proxy_header.c %D%/proxy_header.h \
	%D%/queue.c %D%/queue.h \
	%D%/redial_cap.c %D%/redial_cap.h \
	%D%/resolver.c %D%/resolver.h \
	%D%/resolver_report.c %D%/resolver_entries.c %D%/resolver_entries.h %D%/resolver_state.h \
	%D%/route.c %D%/route.h \
	%D%/retirement.h \
	%D%/sets.c %D%/sets.h \
	%D%/health_status.c %D%/health_status.h \
	%D%/upkeep.c %D%/upkeep.h \
	%D%/upstream.c %D%/upstream.h \
	%D%/warmth.c %D%/warmth.h \
	%D%/warm_file.c %D%/warm_file.h \
	%D%/worker.c
