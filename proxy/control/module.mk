libproxy_a_SOURCES += \
	%D%/ask.c %D%/ask.h \
	%D%/bound_words.h \
	%D%/control.c %D%/control.h \
	%D%/control_state.h \
	%D%/demo.c %D%/demo.h \
	%D%/drain.c %D%/drain.h \
	%D%/generation_build.c %D%/generation_build.h \
	%D%/heartbeat.c %D%/heartbeat.h \
	%D%/maintenance_watch.c %D%/maintenance_watch.h \
	%D%/names.c %D%/names.h \
	%D%/notify.c %D%/notify.h \
	%D%/pid_file.c %D%/pid_file.h \
	%D%/prewarm.c %D%/prewarm.h \
	%D%/readiness_watch.c %D%/readiness_watch.h \
	%D%/reload.c %D%/reload.h \
	%D%/signals.c %D%/signals.h \
	%D%/start_check.c %D%/start_check.h \
	%D%/sticky_key.c %D%/sticky_key.h \
	%D%/takeover.c %D%/takeover.h \
	%D%/tls_watch.c %D%/tls_watch.h \
	%D%/trouble.c %D%/trouble.h \
	%D%/upgrade.c %D%/upgrade.h \
	%D%/upgrade_wire.c %D%/upgrade_wire.h \
	%D%/upstream_tls.c %D%/upstream_tls.h \
	%D%/user.c %D%/user.h \
	%D%/warm.c %D%/warm.h \
	%D%/watched_files.c %D%/watched_files.h \
	%D%/worker_thread.c %D%/worker_thread.h
