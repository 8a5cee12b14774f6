# Fuzz targets: a C file with LLVMFuzzerTestOneInput and its corpus in tests/fuzz/corpus/<name of the file>/. One
# line per target. Ordinary builds link them with replay.c and replay the corpus in `make check`; --enable-fuzzing links
# them with the fuzzer's engine instead.

fuzz_targets = \
	%D%/fuzz_conf \
	%D%/fuzz_dns_answer \
	%D%/fuzz_fleet \
	%D%/fuzz_h1_body \
	%D%/fuzz_h1_request \
	%D%/fuzz_h1_response \
	%D%/fuzz_h2_client \
	%D%/fuzz_h2_memo \
	%D%/fuzz_h2_server \
	%D%/fuzz_hop_fields \
	%D%/fuzz_proxy_header \
	%D%/fuzz_tls_handshake \
	%D%/fuzz_warm_state

fuzz_corpora = \
	%D%/corpus/fuzz_conf \
	%D%/corpus/fuzz_dns_answer \
	%D%/corpus/fuzz_fleet \
	%D%/corpus/fuzz_h1_body \
	%D%/corpus/fuzz_h1_request \
	%D%/corpus/fuzz_h1_response \
	%D%/corpus/fuzz_h2_client \
	%D%/corpus/fuzz_h2_memo \
	%D%/corpus/fuzz_h2_server \
	%D%/corpus/fuzz_hop_fields \
	%D%/corpus/fuzz_proxy_header \
	%D%/corpus/fuzz_tls_handshake \
	%D%/corpus/fuzz_warm_state

check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += %D%/run %D%/h1_oracle.h %D%/h2_oracle.h
EXTRA_DIST += $(fuzz_corpora)

if ENABLE_FUZZING
fuzz_engine = $(FUZZ_LDFLAGS)
else
fuzz_engine = %D%/libreplay.a
TESTS += $(fuzz_targets)
endif
EXTRA_LIBRARIES = %D%/libreplay.a
%C%_libreplay_a_SOURCES = %D%/replay.c
CLEANFILES += %D%/libreplay.a

$(fuzz_targets): %D%/libreplay.a $(proxy_archives)
$(fuzz_targets): LDADD = $(fuzz_engine) $(proxy_archives) $(program_libs)

# FUZZ_SECONDS for each target. A build without --enable-fuzzing makes one that has it, with clang, in fuzz-build/.
fuzz: $(fuzz_targets)
if ENABLE_FUZZING
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(top_srcdir)/tests/fuzz/run $(fuzz_targets)
else
	$(MKDIR_P) fuzz-build
	test -f fuzz-build/Makefile || (cd fuzz-build && \
	  $(abs_top_srcdir)/configure CC=$(FUZZ_CC) --enable-fuzzing --enable-sanitizers=address,undefined)
	$(MAKE) -C fuzz-build fuzz
endif
FUZZ_CC = clang
.PHONY: fuzz
