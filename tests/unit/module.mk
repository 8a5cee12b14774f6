# Units: one cmocka program a file, linked with the archives its layer may use and no others. One line per test,
# in the list of its layer; headers and other files the tests need go to EXTRA_DIST.

EXTRA_DIST += %D%/breaker_play.h %D%/breaker_rig.h %D%/conf_rig.h %D%/drift_play.h %D%/echo_origin.h %D%/h2_frames.h %D%/h2_rig.h %D%/h2_talk.h \
	%D%/json_line.h %D%/pool_rig.h %D%/pool_storm.h %D%/session_bench.h %D%/session_rig.h %D%/shares_rig.h %D%/strata_stage.h \
	%D%/tls_rig.h %D%/unit.h \
	%D%/waitlist_house.h
EXTRA_DIST += tests/corpus/h1/cases.py tests/corpus/h1/requests.cases tests/corpus/h1/responses.cases

steady_tests = \
	%D%/test_address \
	%D%/test_bound \
	%D%/test_budget \
	%D%/test_buf \
	%D%/test_check \
	%D%/test_deadline \
	%D%/test_drift \
	%D%/test_drift_load \
	%D%/test_enum_names \
	%D%/test_episode \
	%D%/test_fair_bound \
	%D%/test_fds \
	%D%/test_little \
	%D%/test_pressure \
	%D%/test_loop \
	%D%/test_hash \
	%D%/test_histogram \
	%D%/test_loop_clock \
	%D%/test_lru \
	%D%/test_mailbox \
	%D%/test_pack \
	%D%/test_rng \
	%D%/test_slab \
	%D%/test_strata \
	%D%/test_task_pool \
	%D%/test_text_index \
	%D%/test_top_users \
	%D%/test_waitlist \
	%D%/test_waitlist_orders \
	%D%/test_wheel

conf_tests = \
	%D%/test_conf_files \
	%D%/test_conf_load \
	%D%/test_conf_source

breaker_tests = \
	%D%/test_backoff \
	%D%/test_breaker \
	%D%/test_breaker_life \
	%D%/test_breaker_operators \
	%D%/test_breaker_transcripts \
	%D%/test_concurrency_limit \
	%D%/test_key_buckets \
	%D%/test_outcome_window \
	%D%/test_retry_budget \
	%D%/test_shard_map \
	%D%/test_breaker_strata \
	%D%/test_breaker_strata_probes \
	%D%/test_breaker_strata_slow \
	%D%/test_strata_window \
	%D%/test_rate_leases \
	%D%/test_token_bucket \
	%D%/test_window

tls_tests = \
	%D%/test_session_cache \
	%D%/test_session_sharing \
	%D%/test_session_memory \
	%D%/test_seal \
	%D%/test_stream \
	%D%/test_tls_client \
	%D%/test_stream_tls \
	%D%/test_ticket_terms \
	%D%/test_token \
	%D%/test_tickets

pool_tests = \
	%D%/test_codel \
	%D%/test_dns_answer \
	%D%/test_hosts \
	%D%/test_latency \
	%D%/test_maglev \
	%D%/test_name_state \
	%D%/test_names \
	%D%/test_pool_balance \
	%D%/test_pool_descriptor \
	%D%/test_pool_dial \
	%D%/test_pool_handover \
	%D%/test_pool_handshake \
	%D%/test_pool_health \
	%D%/test_pool_lease \
	%D%/test_pool_idle_limit \
	%D%/test_pool_line \
	%D%/test_pool_loss \
	%D%/test_pool_probe \
	%D%/test_pool_queue \
	%D%/test_pool_redial_cap \
	%D%/test_pool_shares \
	%D%/test_pool_shares_chance \
	%D%/test_pool_shares_ends \
	%D%/test_pool_upkeep \
	%D%/test_pool_companions \
	%D%/test_pool_upstream \
	%D%/test_pool_warmth \
	%D%/test_pool_weights \
	%D%/test_pool_workers \
	%D%/test_resolver \
	%D%/test_proxy_header \
	%D%/test_health_status \
	%D%/test_warm_file

proxy_tests = \
	%D%/test_access_log \
	%D%/test_accept_encoding \
	%D%/test_admission \
	%D%/test_balance_key \
	%D%/test_call_strata \
	%D%/test_drain \
	%D%/test_encoder \
	%D%/test_drift_book \
	%D%/test_event_book \
	%D%/test_fleet_rates \
	%D%/test_gate \
	%D%/test_h1_body \
	%D%/test_h1_corpus \
	%D%/test_h1_glimpse \
	%D%/test_h1_lenient \
	%D%/test_h1_parse \
	%D%/test_h1_scan \
	%D%/test_h1_write \
	%D%/test_blame \
	%D%/test_grpc_health \
	%D%/test_grpc_words \
	%D%/test_h2_abuse \
	%D%/test_h2_encode \
	%D%/test_h2_flow \
	%D%/test_h2_head \
	%D%/test_h2_memo \
	%D%/test_h2_memo_any \
	%D%/test_h2_priority \
	%D%/test_h2_session \
	%D%/test_pool_h2 \
	%D%/test_h2_watch \
	%D%/test_file_answer \
	%D%/test_file_pace \
	%D%/test_file_search \
	%D%/test_hop_fields \
	%D%/test_user_agent \
	%D%/test_http_head \
	%D%/test_json \
	%D%/test_log \
	%D%/test_operator_book \
	%D%/test_payload \
	%D%/test_admin_guard \
	%D%/test_admin_token \
	%D%/test_page \
	%D%/test_rate_lease \
	%D%/test_readiness \
	%D%/test_respond \
	%D%/test_metrics \
	%D%/test_span \
	%D%/test_store_reply \
	%D%/test_retry \
	%D%/test_route \
	%D%/test_split \
	%D%/test_slow_clients \
	%D%/test_target_path

unit_tests = $(steady_tests) $(conf_tests) $(breaker_tests) $(tls_tests) $(pool_tests) $(proxy_tests)
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

# What our parser and others make of the same messages.
check_PROGRAMS += %D%/h1_print
TESTS += %D%/h1_differential.py
%C%_h1_print_LDADD = libproxy.a libsteady.a
EXTRA_DIST += %D%/h1_differential.py %D%/h1_llhttp.js

$(steady_tests): $(steady_archives)
$(steady_tests): LDADD = $(steady_archives) $(CMOCKA_LIBS)
$(conf_tests): $(conf_archives)
$(conf_tests): LDADD = $(conf_archives) $(LIBCONFIG_LIBS) $(LIBPCRE2_LIBS) $(CMOCKA_LIBS)
$(breaker_tests): $(breaker_archives)
$(breaker_tests): LDADD = $(breaker_archives) $(LIBCONFIG_LIBS) $(LIBPCRE2_LIBS) $(CMOCKA_LIBS)
$(tls_tests): $(tls_archives)
$(tls_tests): LDADD = $(tls_archives) $(OPENSSL_LIBS) $(LIBCONFIG_LIBS) $(LIBPCRE2_LIBS) $(CMOCKA_LIBS)
$(pool_tests): $(pool_archives)
$(pool_tests): LDADD = $(pool_archives) $(program_libs) $(CMOCKA_LIBS)
$(proxy_tests): $(proxy_archives)
$(proxy_tests): LDADD = $(proxy_archives) $(program_libs) $(CMOCKA_LIBS)
