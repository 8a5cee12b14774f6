libproxy_a_SOURCES += \
	%D%/admission_view.h \
	%D%/blame.h \
	%D%/duplex.c %D%/duplex.h \
	%D%/generation.c %D%/generation.h \
	%D%/route_figures.h \
	%D%/route.c %D%/route.h \
	%D%/route_index.c %D%/route_index.h \
	%D%/route_find.c %D%/route_find.h \
	%D%/stats.h \
	%D%/worker.c %D%/worker.h
