noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	%D%/stream.c %D%/stream.h
