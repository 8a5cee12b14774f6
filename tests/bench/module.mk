# Proxies side by side on this machine; tests/bench/run says what it measures. BENCH_FLAGS are its options.
bench: all %D%/relay
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/run $(BENCH_FLAGS)
.PHONY: bench

# What an outage, and what too much load, become behind each of them. STORM_FLAGS and OVERLOAD_FLAGS are their options.
storm: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/storm $(STORM_FLAGS)
overload: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/overload $(OVERLOAD_FLAGS)
.PHONY: storm overload

# What a route's keys cost, and what passwords do to other requests. EDGE_FLAGS and PASSWORDS_FLAGS are their options.
bench-edge: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/edge $(EDGE_FLAGS)
bench-passwords: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/passwords $(PASSWORDS_FLAGS)
.PHONY: bench-edge bench-passwords

# Rates over a thousand replicas, simulated, with one real store. FLEET_FLAGS are its options.
bench-fleet: %D%/fleet_sim
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/fleet $(FLEET_FLAGS)
# What a store that hangs costs requests. FLEET_AWAY_FLAGS are its options.
bench-fleet-away: all
	$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/%D%/fleet_away $(FLEET_AWAY_FLAGS)
.PHONY: bench-fleet bench-fleet-away

EXTRA_PROGRAMS = %D%/relay
CLEANFILES += %D%/relay
TESTS += %D%/selfcheck.py
CLEANFILES += bench.json edge.json fleet.json fleet_away.json overload.json passwords.json storm.json

EXTRA_DIST += \
	%D%/callgrind.py \
	%D%/edge \
	%D%/fleet \
	%D%/fleet_away \
	%D%/figures.py \
	%D%/hops.py \
	%D%/load.py \
	%D%/load_h2.py \
	%D%/machine.py \
	%D%/measure.py \
	%D%/overload \
	%D%/passwords \
	%D%/proxies.py \
	%D%/report.py \
	%D%/rows.py \
	%D%/run \
	%D%/selfcheck.py \
	%D%/stage.py \
	%D%/storm \
	%D%/wrk.lua

# The program in pgo/, compiled with a profile of the benchmark's load. Its options are those of this build.
pgo:
	$(AM_TESTS_ENVIRONMENT) MAKE='$(MAKE)' CC='$(CC)' CFLAGS='$(CFLAGS)' $(SHELL) $(top_srcdir)/%D%/pgo.sh
.PHONY: pgo
EXTRA_DIST += %D%/pgo.sh

# The HTTP/1.x codec alone, in instructions per call.
bench-h1: %D%/h1_cost
	$(SHELL) $(top_srcdir)/%D%/h1_cost.sh %D%/h1_cost
.PHONY: bench-h1

check_PROGRAMS += %D%/fleet_sim
%C%_fleet_sim_LDADD = $(proxy_archives) $(program_libs)

check_PROGRAMS += %D%/h1_cost
%C%_h1_cost_LDADD = libproxy.a libsteady.a
EXTRA_DIST += %D%/h1_cost.sh
