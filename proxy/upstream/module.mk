libproxy_a_SOURCES += \
	%D%/grpc_health.c %D%/grpc_health.h \
	%D%/h2_probe.c %D%/h2_probe.h \
	%D%/h1_upstream.c %D%/h1_upstream.h \
	%D%/h1_response.c %D%/h1_response.h \
	%D%/h2_connection.c %D%/h2_connection.h \
	%D%/h2_connection_io.c %D%/h2_connection_state.h \
	%D%/h2_upstream.c %D%/h2_upstream.h \
	%D%/splice.c %D%/splice.h \
	%D%/upstream_ops.h
