noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES = \
	%D%/status.h \
	%D%/status.c \
	%D%/metrics.h \
	%D%/metrics.c \
	%D%/json.h \
	%D%/json.c \
	%D%/demo.c \
	%D%/admin.c \
	%D%/reasons.c \
	%D%/log_ring.h \
	%D%/log_ring.c \
	%D%/log_file.h \
	%D%/log_file.c \
	%D%/log.c \
	%D%/access_log.h \
	%D%/access_log.c \
	%D%/admin.h \
	%D%/attempt.c \
	%D%/attempt.h \
	%D%/client.c \
	%D%/client.h \
	%D%/client_in.c \
	%D%/client_out.c \
	%D%/client_state.h \
	%D%/control.c \
	%D%/control.h \
	%D%/control_state.h \
	%D%/demo.h \
	%D%/exchange.c \
	%D%/exchange.h \
	%D%/forward.c \
	%D%/forward.h \
	%D%/generation.c \
	%D%/generation.h \
	%D%/listener.c \
	%D%/listener.h \
	%D%/log.h \
	%D%/overview.h \
	%D%/pieces.c \
	%D%/pieces.h \
	%D%/reasons.h \
	%D%/reload.c \
	%D%/reload.h \
	%D%/respond.c \
	%D%/respond.h \
	%D%/splice.c \
	%D%/splice.h \
	%D%/stats.h \
	%D%/worker.c \
	%D%/worker.h \
	%D%/field_names.c \
	%D%/field_names.h \
	%D%/h1_body.c \
	%D%/h1_body.h \
	%D%/h1_fields.c \
	%D%/h1_fields.h \
	%D%/h1_fields_loop.h \
	%D%/h1_input.c \
	%D%/h1_input.h \
	%D%/h1_parse.c \
	%D%/h1_parse.h \
	%D%/h1_rules.c \
	%D%/h1_rules.h \
	%D%/h1_scan.c \
	%D%/h1_scan.h \
	%D%/h1_target.c \
	%D%/h1_target.h \
	%D%/h1_write.c \
	%D%/h1_write.h \
	%D%/http_head.c \
	%D%/http_head.h

sbin_PROGRAMS += evenkeel
evenkeel_SOURCES = %D%/main.c
evenkeel_LDADD = $(proxy_archives) $(program_libs)
