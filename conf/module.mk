noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	%D%/admin_access.c \
	%D%/admin_access.h \
	%D%/admin_settings.h \
	%D%/arena.c \
	%D%/arena.h \
	%D%/auth_settings.h \
	%D%/balance_method.c \
	%D%/balance_method.h \
	%D%/check.c \
	%D%/check.h \
	%D%/check_admin.c \
	%D%/check_auth.c \
	%D%/check_fleet.c \
	%D%/check_mirror.c \
	%D%/check_placement.c \
	%D%/check_routes.c \
	%D%/check_texts.c \
	%D%/checklist.c \
	%D%/checklist.h \
	%D%/checklist_fleet.c \
	%D%/checklist_load.c \
	%D%/checklist_parts.h \
	%D%/checklist_trust.c \
	%D%/compress_settings.h \
	%D%/detour_settings.h \
	%D%/content_coding.h \
	%D%/dump.c \
	%D%/dump.h \
	%D%/environment.c \
	%D%/environment.h \
	%D%/edge_text.c \
	%D%/edge_text.h \
	%D%/follow.c \
	%D%/follow.h \
	%D%/foreign.c \
	%D%/foreign.h \
	%D%/grammar.c \
	%D%/grammar.h \
	%D%/grpc_status.h \
	%D%/listener_settings.h \
	%D%/load.c \
	%D%/load.h \
	%D%/load_edge.c \
	%D%/load_messages.c \
	%D%/load_values.c \
	%D%/mend.c \
	%D%/mend.h \
	%D%/path_regex.c \
	%D%/path_regex.h \
	%D%/placement_settings.h \
	%D%/read_text.c \
	%D%/read_text.h \
	%D%/reading.h \
	%D%/schema.c \
	%D%/schema.h \
	%D%/schema_compress.c \
	%D%/schema_endpoint.c \
	%D%/schema_edge.c \
	%D%/schema_fields.h \
	%D%/schema_listen.c \
	%D%/schema_metrics.c \
	%D%/schema_mirror.c \
	%D%/schema_numbers.c \
	%D%/schema_placement.c %D%/schema_places.c \
	%D%/schema_process.c \
	%D%/schema_routes.c \
	%D%/schema_types.c \
	%D%/schema_types.h \
	%D%/schema_units.h \
	%D%/schema_upstreams.c \
	%D%/settings.c \
	%D%/settings.h \
	%D%/source.c \
	%D%/source.h \
	%D%/users.c \
	%D%/users.h \
	%D%/value.c \
	%D%/value.h

# Writes the reference documentation from the schema: see docs/module.mk.
noinst_PROGRAMS += %D%/gendoc
%C%_gendoc_SOURCES = %D%/gendoc.c
%C%_gendoc_LDADD = libconf.a libsteady.a $(LIBCONFIG_LIBS) $(LIBPCRE2_LIBS)
