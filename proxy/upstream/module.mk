libproxy_a_SOURCES += \
	%D%/h1_upstream.c %D%/h1_upstream.h \
	%D%/h1_response.c %D%/h1_response.h \
	%D%/splice.c %D%/splice.h \
	%D%/upstream_ops.h
