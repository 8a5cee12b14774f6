# Everything at once. `make check` runs it for seconds; SOAK_SECONDS is how long `make soak` does.
SOAK_SECONDS = 3600

soak: all
	$(AM_TESTS_ENVIRONMENT) EVENKEEL_SOAK_SECONDS=$(SOAK_SECONDS) $(PYTHON3) $(top_srcdir)/%D%/soak.py
.PHONY: soak

TESTS += %D%/soak.py
EXTRA_DIST += \
	%D%/asks.py \
	%D%/changes.py \
	%D%/clients.py \
	%D%/h2_clients.py \
	%D%/h2_end.py \
	%D%/h2_origins.py \
	%D%/ill_clients.py \
	%D%/message.py \
	%D%/origins.py \
	%D%/soak.py
