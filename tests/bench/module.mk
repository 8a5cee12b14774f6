# Proxies side by side on this machine; tests/bench/run says what it measures. BENCH_FLAGS are its options.
bench: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/run $(BENCH_FLAGS)
.PHONY: bench

TESTS += %D%/selfcheck.py
CLEANFILES += bench.json

EXTRA_DIST += \
	%D%/callgrind.py \
	%D%/figures.py \
	%D%/load.py \
	%D%/machine.py \
	%D%/measure.py \
	%D%/proxies.py \
	%D%/report.py \
	%D%/rows.py \
	%D%/run \
	%D%/selfcheck.py \
	%D%/stage.py \
	%D%/wrk.lua
