noinst_LIBRARIES += libsteady.a
libsteady_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/bound.c %D%/bound.h \
	%D%/budget.c %D%/budget.h \
	%D%/buf.c %D%/buf.h \
	%D%/check.c %D%/check.h \
	%D%/counter.h \
	%D%/deadline.h \
	%D%/descriptor.h \
	%D%/drift.c %D%/drift.h \
	%D%/enum_names.h \
	%D%/episode.c %D%/episode.h \
	%D%/fair_bound.c %D%/fair_bound.h \
	%D%/fault.c %D%/fault.h \
	%D%/fds.c %D%/fds.h \
	%D%/file_replace.c %D%/file_replace.h \
	%D%/follow.c %D%/follow.h \
	%D%/container_of.h \
	%D%/loop.c %D%/loop.h \
	%D%/little.c %D%/little.h \
	%D%/hash.c %D%/hash.h \
	%D%/leak.h \
	%D%/histogram.c %D%/histogram.h \
	%D%/loop_clock.c %D%/loop_clock.h \
	%D%/lru.c %D%/lru.h \
	%D%/mailbox.c %D%/mailbox.h \
	%D%/pack.c %D%/pack.h \
	%D%/pressure.c %D%/pressure.h \
	%D%/rng.c %D%/rng.h \
	%D%/sanitize.h \
	%D%/history.c %D%/history.h \
	%D%/slab.c %D%/slab.h \
	%D%/strata.c %D%/strata.h \
	%D%/task_pool.c %D%/task_pool.h \
	%D%/timed_wait.h \
	%D%/text_index.c %D%/text_index.h \
	%D%/top_users.c %D%/top_users.h \
	%D%/trend.c %D%/trend.h \
	%D%/waitlist.c %D%/waitlist.h \
	%D%/wheel.c %D%/wheel.h
if LEAKS
libsteady_a_SOURCES += %D%/leak.c
endif
