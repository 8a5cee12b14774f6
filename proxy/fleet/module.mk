libproxy_a_SOURCES += \
	%D%/fleet.c %D%/fleet.h %D%/fleet_state.h \
	%D%/members.c %D%/members.h \
	%D%/rate_lease.c %D%/rate_lease.h \
	%D%/rate_script.c %D%/rate_script.h \
	%D%/rates.c %D%/rates.h \
	%D%/sealed.c %D%/sealed.h \
	%D%/store.c %D%/store.h \
	%D%/store_access.c %D%/store_access.h \
	%D%/store_link.c %D%/store_link.h \
	%D%/store_reply.c %D%/store_reply.h \
	%D%/store_words.c %D%/store_words.h \
	%D%/ticket_keys.c %D%/ticket_keys.h \
	%D%/warm_values.c %D%/warm_values.h \
	%D%/words.c %D%/words.h
