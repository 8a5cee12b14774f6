# Tests speak TAP. Adding one is one line in the list of its kind.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .py
# A test that does not end is ended, and what it has started with it; a scenario keeps its own time.
TEST_SECONDS = 600
watchdog = timeout --kill-after=10
LOG_COMPILER = $(watchdog) $(TEST_SECONDS)
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON3)
# What every test may use: the program, both trees, the tools configure chose, and servers that live in sbin.
AM_TESTS_ENVIRONMENT = \
	PATH="$$PATH:/usr/sbin:/sbin"; export PATH; \
	EVENKEEL='$(abs_top_builddir)/evenkeel'; export EVENKEEL; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	instrumented='$(INSTRUMENTED)'; export instrumented; \
	PYTHON3='$(PYTHON3)'; export PYTHON3; \
	watchdog='$(watchdog)'; export watchdog; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;

dist_check_SCRIPTS = %D%/check-bounds %D%/check-deadlines %D%/check-docs %D%/check-layers \
	%D%/check-listed %D%/check-mutations %D%/check-shape %D%/check-sleeps
TESTS += $(dist_check_SCRIPTS)
EXTRA_DIST += %D%/containers
EXTRA_DIST += %D%/fresh %D%/lint %D%/.clang-tidy

# What tests are made of, without running them.
check-programs: all $(check_PROGRAMS)
.PHONY: check-programs

include %D%/unit/module.mk
include %D%/fuzz/module.mk
include %D%/scenario/module.mk
include %D%/bench/module.mk
include %D%/soak/module.mk
include %D%/mutation/module.mk
