libproxy_a_SOURCES += \
	%D%/admission_state.c %D%/admission_state.h \
	%D%/attempt.c %D%/attempt.h \
	%D%/body_store.c %D%/body_store.h \
	%D%/exchange.c %D%/exchange.h \
	%D%/exchange_admit.c \
	%D%/exchange_auth.c %D%/exchange_auth.h \
	%D%/exchange_buffer.c \
	%D%/exchange_compress.c %D%/exchange_compress.h \
	%D%/exchange_edge.c %D%/exchange_edge.h \
	%D%/exchange_file.c \
	%D%/exchange_gate.c \
	%D%/exchange_grpc.c \
	%D%/exchange_log.c \
	%D%/exchange_maintenance.c \
	%D%/exchange_mirror.c %D%/exchange_mirror.h \
	%D%/exchange_own.c \
	%D%/exchange_placement.c %D%/exchange_placement.h \
	%D%/exchange_parts.h \
	%D%/exchange_relay.c \
	%D%/exchange_request.c \
	%D%/exchange_retry.c \
	%D%/exchange_sample.c %D%/exchange_sample.h \
	%D%/exchange_time.c \
	%D%/exchange_trace.c %D%/exchange_trace.h \
	%D%/field_trust.c %D%/field_trust.h \
	%D%/forward.c %D%/forward.h \
	%D%/hedge.c %D%/hedge.h \
	%D%/request_body.c %D%/request_body.h \
	%D%/side_request.c %D%/side_request.h \
	%D%/told_client.c %D%/told_client.h \
	%D%/upgrade.c %D%/upgrade.h
