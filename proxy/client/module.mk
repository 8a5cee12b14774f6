libproxy_a_SOURCES += \
	%D%/client.c %D%/client.h \
	%D%/client_census.c %D%/client_census.h \
	%D%/client_cut.c \
	%D%/client_in.c \
	%D%/client_out.c \
	%D%/client_preface.c \
	%D%/client_room.c \
	%D%/client_state.h \
	%D%/client_tls.c \
	%D%/h1_client.c \
	%D%/h2_client.c %D%/h2_client.h \
	%D%/h2_stream.c \
	%D%/h2_tunnel.c \
	%D%/h2_turn.c %D%/h2_turn.h \
	%D%/inherited.c %D%/inherited.h \
	%D%/local_file.c \
	%D%/local_file.h \
	%D%/listener.c %D%/listener.h
