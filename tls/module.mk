noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	%D%/failure.c %D%/failure.h \
	%D%/io.c %D%/io.h \
	%D%/room.h \
	%D%/socket_io.c %D%/socket_io.h \
	%D%/stream.c %D%/stream.h \
	%D%/wire.c %D%/wire.h
