EXTRA_DIST +=

# Proxies side by side on this machine; tests/bench/run says what it measures.
bench: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/tests/bench/run
.PHONY: bench
