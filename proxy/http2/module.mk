libproxy_a_SOURCES += \
	%D%/h2_abuse.c %D%/h2_abuse.h \
	%D%/h2_block.c %D%/h2_block.h \
	%D%/h2_callbacks.c \
	%D%/h2_encode.c %D%/h2_encode.h \
	%D%/h2_error.c %D%/h2_error.h \
	%D%/h2_flow.c \
	%D%/h2_gather.c \
	%D%/h2_head.c %D%/h2_head.h \
	%D%/h2_memo.c %D%/h2_memo.h \
	%D%/h2_memory.c %D%/h2_memory.h \
	%D%/h2_priority.c %D%/h2_priority.h \
	%D%/h2_session.c %D%/h2_session.h \
	%D%/h2_state.h \
	%D%/h2_stream.c \
	%D%/h2_take.c \
	%D%/h2_watch.c %D%/h2_watch.h \
	%D%/h2_write.c
