noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	%D%/certificate.c %D%/certificate.h \
	%D%/failure.c %D%/failure.h \
	%D%/io.c %D%/io.h \
	%D%/room.h \
	%D%/server.c %D%/server.h \
	%D%/server_names.c %D%/server_names.h \
	%D%/socket_io.c %D%/socket_io.h \
	%D%/stream.c %D%/stream.h \
	%D%/wire.c %D%/wire.h \
	%D%/tickets.c %D%/tickets.h
