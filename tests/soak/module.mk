# Everything at once. `make check` runs it for seconds; SOAK_SECONDS is how long `make soak` does.
SOAK_SECONDS = 3600

soak: all
	$(AM_TESTS_ENVIRONMENT) EVENKEEL_SOAK_SECONDS=$(SOAK_SECONDS) $(PYTHON3) $(top_srcdir)/%D%/soak.py

# Half an hour with drift: a program configured with --enable-leaks has to tell of every leak, any other of none.
drift-soak: all
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(top_srcdir)/%D%/drift.py

.PHONY: soak drift-soak

TESTS += %D%/soak.py
EXTRA_DIST += \
	%D%/asks.py \
	%D%/changes.py \
	%D%/clients.py \
	%D%/drift.py \
	%D%/h2_clients.py \
	%D%/h2_end.py \
	%D%/h2_origins.py \
	%D%/ill_clients.py \
	%D%/message.py \
	%D%/origins.py \
	%D%/patience.py \
	%D%/soak.py
