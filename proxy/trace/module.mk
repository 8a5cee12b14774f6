libproxy_a_SOURCES += \
	%D%/batch.c %D%/batch.h \
	%D%/sampler.h \
	%D%/span.c %D%/span.h \
	%D%/span_rings.c %D%/span_rings.h \
	%D%/trace_figures.h
