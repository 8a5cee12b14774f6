noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	%D%/settings.h

# Writes the reference documentation from the schema: see docs/module.mk.
if HAVE_GENDOC
noinst_PROGRAMS += conf/gendoc
conf_gendoc_SOURCES = %D%/gendoc.c
conf_gendoc_LDADD = libconf.a libsteady.a $(LIBCONFIG_LIBS)
endif
