libproxy_a_SOURCES += \
	%D%/accept_encoding.c %D%/accept_encoding.h \
	%D%/added_fields.h \
	%D%/append.h \
	%D%/believed_fields.c %D%/believed_fields.h \
	%D%/cookie.c %D%/cookie.h \
	%D%/decimal.c %D%/decimal.h \
	%D%/entity_tag.c %D%/entity_tag.h \
	%D%/field_list.h \
	%D%/field_names.c %D%/field_names.h \
	%D%/grpc_words.c %D%/grpc_words.h \
	%D%/hop_fields.c %D%/hop_fields.h \
	%D%/http_date.c %D%/http_date.h \
	%D%/http_head.c %D%/http_head.h \
	%D%/payload.c %D%/payload.h \
	%D%/proxy_status.c %D%/proxy_status.h \
	%D%/reasons.c %D%/reasons.h \
	%D%/respond.c %D%/respond.h \
	%D%/target_path.c %D%/target_path.h \
	%D%/user_agent.c %D%/user_agent.h
