# pageworks: make demo | check | bench | fuzz | install | clean.   SAN=1 builds with address and undefined-behaviour checks.

comma   := ,
VERSION := 0.1.0
SAN     ?=
BUILD   ?= build$(if $(SAN),/san)
PREFIX  ?= /usr/local
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))

libexecdir := $(PREFIX)/libexec/pageworks
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
OPT     := $(if $(SAN),-O1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-O2)
CFLAGS  ?= -g
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARN) -Iinclude -D_GNU_SOURCE -DPW_VERSION='"$(VERSION)"' \
             -DPW_LIBEXECDIR='"$(libexecdir)"' -MMD -MP -pthread $(CFLAGS)
LIBS    := -lzstd -llzma -lz -lxxhash -ljansson -lm -pthread

LIB_ROOMS := base machine policy store pmap kernel trace sim
LIB_SRC   := $(sort $(foreach r,$(LIB_ROOMS),$(wildcard src/$r/*.c)))
CLI_SRC   := $(sort $(wildcard src/cli/*.c))
TEST_SRC  := $(sort $(wildcard test/*_test.c))
TEST_HELP := $(sort $(filter-out $(TEST_SRC),$(wildcard test/*.c)))
FUZZ_SRC  := $(sort $(wildcard test/fuzz/*.c))
BENCH_SRC := $(sort $(wildcard bench/*.c))
PLUGIN_SRC := $(sort $(wildcard src/capture/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
LIB     := $(BUILD)/libpageworks.a
COMMAND := $(BUILD)/pageworks
PLUGIN  := $(BUILD)/pageworks-capture.so
TESTS   := $(patsubst test/%.c,$(BUILD)/test/%,$(TEST_SRC))
BENCHES := $(patsubst bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))
FUZZERS := $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

.PHONY: all setup demo check test bench fuzz install uninstall clean tidy
.SECONDARY:
.DELETE_ON_ERROR:

all: $(LIB) $(if $(CLI_SRC),$(COMMAND)) $(if $(PLUGIN_SRC),$(PLUGIN))

setup:
	@tools/setup

demo: setup
	@$(MAKE) --no-print-directory all
	@tools/demo $(BUILD)

check: setup
	@$(MAKE) --no-print-directory all tests
	@BUILD=$(BUILD) SAN=$(SAN) tools/check

bench: setup
	@$(MAKE) --no-print-directory all $(BENCHES)
	@BUILD=$(BUILD) bench/run

fuzz: setup
	@BUILD=$(BUILD)/fuzz tools/fuzz

tests: $(TESTS) $(FUZZERS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/obj/src/capture/%.o: ALL_CFLAGS += -fPIC -fvisibility=hidden

$(LIB): $(call obj,$(LIB_SRC))
	@echo "  AR    $@"
	@rm -f $@ && ar rcs $@ $^

$(COMMAND): $(call obj,$(CLI_SRC)) $(LIB)
	@echo "  LD    $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/test/%: $(BUILD)/obj/test/%.o $(call obj,$(TEST_HELP)) $(LIB)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/fuzz/%: $(BUILD)/obj/test/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

# The plugin is loaded into QEMU, a separate program: it links nothing of the library and is never sanitized.
$(PLUGIN): $(PLUGIN_SRC) $(wildcard src/capture/*.h)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -fPIC -fvisibility=hidden -shared -pthread $(CFLAGS) -o $@ $(PLUGIN_SRC)

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
