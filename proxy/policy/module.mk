libproxy_a_SOURCES += \
	%D%/admission.c %D%/admission.h \
	%D%/balance_key.c %D%/balance_key.h \
	%D%/split.c %D%/split.h \
	%D%/call_strata.c %D%/call_strata.h \
	%D%/gate.c %D%/gate.h \
	%D%/maintenance.c %D%/maintenance.h \
	%D%/operator_book.c %D%/operator_book.h \
	%D%/operator_word.c %D%/operator_word.h \
	%D%/policy.c %D%/policy.h \
	%D%/policy_memory.c %D%/policy_memory.h \
	%D%/retry.c %D%/retry.h \
	%D%/service_time.h \
	%D%/shards.c %D%/shards.h \
	%D%/slow_clients.c %D%/slow_clients.h
