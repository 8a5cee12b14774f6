# The program broken once in each way of the table: tests/mutation/run. MUTATION_FLAGS are its options.
mutations:
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(top_srcdir)/%D%/run $(MUTATION_FLAGS)
.PHONY: mutations

EXTRA_DIST += %D%/run %D%/row.py \
	%D%/rows/__init__.py \
	%D%/rows/admin.py \
	%D%/rows/client.py \
	%D%/rows/control.py \
	%D%/rows/edge.py \
	%D%/rows/exchange.py \
	%D%/rows/fleet.py \
	%D%/rows/http1.py \
	%D%/rows/http2.py \
	%D%/rows/policy.py \
	%D%/rows/pool.py \
	%D%/rows/telling.py \
	%D%/rows/tls.py
