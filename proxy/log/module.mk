libproxy_a_SOURCES += \
	%D%/access_log.c %D%/access_log.h \
	%D%/event_book.c %D%/event_book.h \
	%D%/json_text.c %D%/json_text.h \
	%D%/line.c %D%/line.h \
	%D%/log.c %D%/log.h \
	%D%/log_file.c %D%/log_file.h \
	%D%/log_ring.c %D%/log_ring.h \
	%D%/log_sink.c %D%/log_sink.h \
	%D%/log_stage.c %D%/log_stage.h
