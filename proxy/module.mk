noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES =

include proxy/control/module.mk
include proxy/admin/module.mk
include proxy/client/module.mk
include proxy/exchange/module.mk
include proxy/upstream/module.mk
include proxy/edge/module.mk
include proxy/fleet/module.mk
include proxy/policy/module.mk
include proxy/worker/module.mk
include proxy/http2/module.mk
include proxy/http1/module.mk
include proxy/trace/module.mk
include proxy/log/module.mk
include proxy/http/module.mk

sbin_PROGRAMS += evenkeel
evenkeel_SOURCES = %D%/control/main.c
evenkeel_LDFLAGS = $(link_flags)
evenkeel_LDADD = $(proxy_archives) $(program_libs)
