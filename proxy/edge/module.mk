libproxy_a_SOURCES += \
	%D%/credentials.c %D%/credentials.h \
	%D%/edge_auth.c %D%/edge_auth.h \
	%D%/compress_rule.c %D%/compress_rule.h \
	%D%/edge_cookie.c %D%/edge_cookie.h \
	%D%/password.c %D%/password.h \
	%D%/edge_fields.c %D%/edge_fields.h \
	%D%/edge_private.c %D%/edge_private.h \
	%D%/edge_render.c %D%/edge_render.h \
	%D%/encoder.c %D%/encoder.h \
	%D%/file_condition.c %D%/file_condition.h \
	%D%/file_pace.c %D%/file_pace.h \
	%D%/file_path.c %D%/file_path.h \
	%D%/file_plan.c %D%/file_plan.h \
	%D%/file_range.c %D%/file_range.h \
	%D%/file_search.c %D%/file_search.h \
	%D%/file_type.c %D%/file_type.h \
	%D%/served_file.c %D%/served_file.h
