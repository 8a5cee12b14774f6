libproxy_a_SOURCES += \
	%D%/h1_body.c %D%/h1_body.h \
	%D%/h1_fields.c %D%/h1_fields.h \
	%D%/h1_fields_loop.h \
	%D%/h1_frame.c %D%/h1_frame.h \
	%D%/h1_glimpse.c %D%/h1_glimpse.h \
	%D%/h1_input.c %D%/h1_input.h \
	%D%/h1_lenient.c %D%/h1_lenient.h \
	%D%/h1_parse.c %D%/h1_parse.h \
	%D%/h1_rules.c %D%/h1_rules.h \
	%D%/h1_scan.c %D%/h1_scan.h \
	%D%/h1_target.c %D%/h1_target.h \
	%D%/h1_write.c %D%/h1_write.h
