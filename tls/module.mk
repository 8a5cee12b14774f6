noinst_LIBRARIES += libtls.a
libtls_a_SOURCES = \
	%D%/certificate.c %D%/certificate.h \
	%D%/client.c %D%/client.h \
	%D%/client_index.c %D%/client_index.h \
	%D%/failure.c %D%/failure.h \
	%D%/io.c %D%/io.h \
	%D%/record_flood.c %D%/record_flood.h \
	%D%/scratch.h \
	%D%/server.c %D%/server.h \
	%D%/server_names.c %D%/server_names.h \
	%D%/session_cache.c %D%/session_cache.h \
	%D%/session_cache_state.h \
	%D%/session_der.c %D%/session_der.h \
	%D%/session_figures.c \
	%D%/session_memory.c %D%/session_memory.h \
	%D%/session_name.c %D%/session_name.h \
	%D%/socket_io.c %D%/socket_io.h \
	%D%/seal.c %D%/seal.h \
	%D%/self_signed.c %D%/self_signed.h \
	%D%/staple.c %D%/staple.h \
	%D%/stream.c %D%/stream.h \
	%D%/ticket_terms.c %D%/ticket_terms.h \
	%D%/tickets.c %D%/tickets.h \
	%D%/sha1.c %D%/sha1.h \
	%D%/token.c %D%/token.h \
	%D%/trust.c %D%/trust.h \
	%D%/tls_bio.c %D%/tls_bio.h \
	%D%/websocket_key.c %D%/websocket_key.h
