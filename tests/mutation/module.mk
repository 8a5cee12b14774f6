# The program broken once in each way of the table: tests/mutation/run. MUTATION_FLAGS are its options.
mutations:
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(top_srcdir)/%D%/run $(MUTATION_FLAGS)
.PHONY: mutations

EXTRA_DIST += %D%/run %D%/table.py
