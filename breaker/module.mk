noinst_LIBRARIES += libbreaker.a
libbreaker_a_SOURCES = \
	%D%/breaker.c %D%/breaker.h \
	%D%/outcome_window.c %D%/outcome_window.h \
	%D%/window.c %D%/window.h
