# The core without Python: a static library, the C test programs and the fuzz targets.
#   make -f ci/core.mk SAN=none|strict|bench|portable|address|undefined|thread|fuzz  lib|test|fuzz|replay|bench
SAN   ?= none
DIR   := build/core-$(SAN)
LIBS  := libcrypto opus libavcodec libavutil libswresample libswscale
comma := ,
OPTIONAL := $(foreach l,$(filter-out $(subst $(comma), ,$(ARCRTC_WITHOUT)),vpx aom dav1d),$(shell pkg-config --exists $(l) && echo $(l)))
PKG   := $(LIBS) $(OPTIONAL)
# ipsec-mb has no pkg-config file.
IPSECMB := $(if $(filter IPSec_MB,$(subst $(comma), ,$(ARCRTC_WITHOUT))),,$(shell \
           printf '%s\n' '#include <intel-ipsec-mb.h>' | cc -E - >/dev/null 2>&1 && echo -lIPSec_MB))
INFO  := $(foreach l,$(PKG),$(l)=$(shell pkg-config --modversion $(l));)
CPPFLAGS := -Icsrc $(foreach l,$(OPTIONAL),-DARC_HAVE_$(shell echo $(l) | tr a-z A-Z)=1) \
            $(if $(IPSECMB),-DARC_HAVE_IPSEC_MB=1) -DARC_BUILD_INFO='"$(subst ; ,;,$(INFO))"'
CFLAGS := -std=c99 -O1 -g -Wall -Wextra -Wno-unused-parameter -fno-strict-aliasing $(shell pkg-config --cflags $(PKG))
LDLIBS := $(shell pkg-config --libs $(PKG)) $(IPSECMB) -lm -lpthread
CC    := cc

ifeq ($(SAN),strict)
CFLAGS += -O2 -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
endif
# Sockets as they are used on systems other than Linux (csrc/io/udpsys.h).
ifeq ($(SAN),portable)
CPPFLAGS += -DARC_UDP_PORTABLE=1
endif
ifneq ($(filter $(SAN),address undefined thread),)
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ifeq ($(SAN),fuzz)
ifeq ($(shell command -v clang),)
$(error fuzzing needs clang: sudo apt-get install clang)
endif
CC     := clang
CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

ifeq ($(SAN),bench)
CFLAGS += -O2
endif

# TSan needs address space without randomisation on newer kernels.
RUN := $(if $(filter thread,$(SAN)),setarch -R)
FUZZ_SECONDS ?= 60

SOURCES := $(wildcard csrc/*/*.c)
OBJECTS := $(SOURCES:csrc/%.c=$(DIR)/%.o)
TESTS   := $(patsubst tests/c/%.c,$(DIR)/%,$(wildcard tests/c/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(DIR)/%,$(wildcard tests/fuzz/fuzz_*.c))

BENCHES := $(patsubst bench/%.c,$(DIR)/%,$(wildcard bench/bench_*.c))

.PHONY: lib test fuzz replay bench FORCE
lib: $(DIR)/libarc.a

$(DIR)/libarc.a: $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(DIR)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(DIR)/test_%: tests/c/test_%.c $(wildcard tests/c/*.h) $(DIR)/libarc.a
	$(CC) $(CPPFLAGS) $(CFLAGS) -Itests/c $< -o $@ $(DIR)/libarc.a $(LDLIBS)

# Its encoder fails when it says so.
$(DIR)/test_replace: LDLIBS += -Wl,--wrap=arc_venc_encode

test: $(TESTS)
	@set -e; for t in $(TESTS); do $(RUN) $$t; done

# Objects depend on the flags they were compiled with (another set of libraries, say).
$(OBJECTS): $(DIR)/flags
$(DIR)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','"'"',$(CC) $(CPPFLAGS) $(CFLAGS))' | cmp -s - $@ || \
	  echo '$(subst ','"'"',$(CC) $(CPPFLAGS) $(CFLAGS))' > $@
FORCE:

# libFuzzer for fuzz-smoke; with any other SAN the targets get main.c, which replays files.
ifeq ($(SAN),fuzz)
$(DIR)/fuzz_%: tests/fuzz/fuzz_%.c $(DIR)/libarc.a
	$(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer $< -o $@ $(DIR)/libarc.a $(LDLIBS)
else
$(DIR)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/main.c $(DIR)/libarc.a
	$(CC) $(CPPFLAGS) $(CFLAGS) $< tests/fuzz/main.c -o $@ $(DIR)/libarc.a $(LDLIBS)
endif

# New inputs stay in build/; those worth keeping are copied to tests/fuzz/corpus by hand.
fuzz: $(FUZZERS)
	@set -e; for f in $(FUZZERS); do n=$${f##*/fuzz_}; \
	  mkdir -p $(DIR)/corpus/$$n tests/fuzz/corpus/$$n tests/fuzz/crashes; \
	  echo "== $$n, $(FUZZ_SECONDS) s"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=0 -verbosity=0 \
	    -artifact_prefix=tests/fuzz/crashes/$$n- $(DIR)/corpus/$$n tests/fuzz/corpus/$$n; done; \
	  echo "fuzz: $(words $(FUZZERS)) targets, no finding"

# Every kept input through every target, without libFuzzer.
replay: $(FUZZERS)
	@set -e; for f in $(FUZZERS); do n=$${f##*/fuzz_}; \
	  $$f $$(find tests/fuzz/corpus/$$n -type f 2>/dev/null) \
	      $$(find tests/fuzz/crashes -name "$$n-*" -type f 2>/dev/null); done

# Programs that measure the core without Python; each prints when it is run.
$(DIR)/bench_%: bench/bench_%.c $(DIR)/libarc.a
	$(CC) $(CPPFLAGS) $(CFLAGS) $< -o $@ $(DIR)/libarc.a $(LDLIBS)

bench: $(BENCHES)

-include $(OBJECTS:.o=.d)
