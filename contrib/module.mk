EXTRA_DIST += %D%/evenkeel.service.in
CLEANFILES += %D%/evenkeel.service

if HAVE_SYSTEMD_UNIT
systemdsystemunit_DATA = %D%/evenkeel.service
endif

%D%/evenkeel.service: %D%/evenkeel.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	  sed -e 's|@sbindir[@]|$(sbindir)|' -e 's|@sysconfdir[@]|$(sysconfdir)|' $(srcdir)/%D%/evenkeel.service.in >$@

EXTRA_DIST += %D%/docker/Dockerfile %D%/docker/Dockerfile.dockerignore
EXTRA_DIST += %D%/grpc/evenkeel.conf
EXTRA_DIST += %D%/kubernetes/evenkeel.yaml %D%/compose/compose.yaml %D%/compose/evenkeel.conf

# Next to where the unit expects the configuration.
sampledir = $(sysconfdir)/evenkeel
dist_sample_DATA = %D%/evenkeel.conf.sample
