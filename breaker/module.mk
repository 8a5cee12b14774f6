noinst_LIBRARIES += libbreaker.a
libbreaker_a_SOURCES = \
	%D%/backoff.c %D%/backoff.h \
	%D%/breaker.c %D%/breaker.h \
	%D%/concurrency_limit.c %D%/concurrency_limit.h \
	%D%/evidence.c %D%/evidence.h \
	%D%/key_buckets.c %D%/key_buckets.h \
	%D%/outcome_window.c %D%/outcome_window.h \
	%D%/rate_leases.c %D%/rate_leases.h \
	%D%/retry_budget.c %D%/retry_budget.h \
	%D%/shard_map.c %D%/shard_map.h \
	%D%/strata_window.c %D%/strata_window.h \
	%D%/token_bucket.c %D%/token_bucket.h \
	%D%/usual_time.c %D%/usual_time.h \
	%D%/window.c %D%/window.h
