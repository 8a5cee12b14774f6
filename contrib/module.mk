EXTRA_DIST += %D%/prometheus/evenkeel.rules.yml %D%/prometheus/evenkeel.test.yml
EXTRA_DIST += %D%/grafana/evenkeel.json
EXTRA_DIST += %D%/evenkeel.service.in
CLEANFILES += %D%/evenkeel.service

if HAVE_SYSTEMD_UNIT
systemdsystemunit_DATA = %D%/evenkeel.service
endif

%D%/evenkeel.service: %D%/evenkeel.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	  sed -e 's|@sbindir[@]|$(sbindir)|' -e 's|@sysconfdir[@]|$(sysconfdir)|' $(srcdir)/%D%/evenkeel.service.in >$@

EXTRA_DIST += %D%/docker/Dockerfile %D%/docker/Dockerfile.dockerignore
EXTRA_DIST += %D%/kubernetes/evenkeel.yaml %D%/compose/compose.yaml %D%/compose/evenkeel.conf
EXTRA_DIST += %D%/kubernetes/fleet.yaml %D%/compose/fleet.yaml %D%/compose/fleet.conf %D%/fleet/users.acl

# Next to where the unit expects the configuration.
sampledir = $(sysconfdir)/evenkeel
dist_sample_DATA = %D%/evenkeel.conf.sample

# Complete configurations to begin with, each started by tests/scenario/recipes.py.
recipesdir = $(docdir)/recipes
dist_recipes_DATA = \
	%D%/recipes/README.md \
	%D%/recipes/api-limits.conf \
	%D%/recipes/behind-balancer.conf \
	%D%/recipes/canary.conf \
	%D%/recipes/certbot.conf \
	%D%/recipes/django.conf \
	%D%/recipes/gitlab.conf \
	%D%/recipes/grafana-sso.conf \
	%D%/recipes/grpc.conf \
	%D%/recipes/ingress.conf \
	%D%/recipes/keycloak.conf \
	%D%/recipes/llm-streaming.conf \
	%D%/recipes/maintenance.conf \
	%D%/recipes/mastodon.conf \
	%D%/recipes/minio.conf \
	%D%/recipes/mtls.conf \
	%D%/recipes/nextcloud.conf \
	%D%/recipes/node-websocket.conf \
	%D%/recipes/rails.conf \
	%D%/recipes/registry.conf \
	%D%/recipes/staging.conf \
	%D%/recipes/static-api.conf
recipes_ingressdir = $(recipesdir)/ingress.d
dist_recipes_ingress_DATA = %D%/recipes/ingress.d/00-https.conf %D%/recipes/ingress.d/shop.conf
