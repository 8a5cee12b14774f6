noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES =

program_libs = $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LIBCONFIG_LIBS)

if HAVE_MAIN
sbin_PROGRAMS += evenkeel
evenkeel_SOURCES = %D%/main.c
evenkeel_LDADD = libproxy.a libpool.a libtls.a libconf.a libsteady.a $(program_libs)
endif
