# Scenarios: a running proxy and real programs around it, in Python. One line per scenario in scenario_tests;
# the modules they share go to EXTRA_DIST.

scenario_tests =

TESTS += $(scenario_tests)
EXTRA_DIST += $(scenario_tests)
