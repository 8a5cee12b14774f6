libproxy_a_SOURCES += \
	%D%/edge_auth.c %D%/edge_auth.h \
	%D%/edge_fields.c %D%/edge_fields.h \
	%D%/edge_render.c %D%/edge_render.h
