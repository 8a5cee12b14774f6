libproxy_a_SOURCES += \
	%D%/edge_fields.c %D%/edge_fields.h \
	%D%/edge_render.c %D%/edge_render.h
