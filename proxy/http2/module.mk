libproxy_a_SOURCES += \
	%D%/h2_error.c %D%/h2_error.h \
	%D%/h2_session.h
