# pageworks: a virtual memory system that runs as an ordinary program.
#
#   make            the command and the library, in build/           make demo     set up, build, and show a real run
#   make check      set up, build, run every test                    make bench    measure; a table beside the targets
#   make fuzz       fuzz every reader, FUZZ_SECONDS=60 each          make install  PREFIX=/usr/local, DESTDIR=
#   make clean
#
# SAN=1 builds with address and undefined-behaviour checks, in build/san.  Nothing is written outside $(BUILD) but by install.

comma   := ,
VERSION := 0.1.0
SAN     ?=
BUILD   ?= build$(if $(SAN),/san)
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))

libexecdir := $(PREFIX)/libexec/pageworks
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
OPT     := $(if $(SAN),-O1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-O2)
CFLAGS  ?= -g
ALL_CFLAGS = -std=gnu17 $(OPT) -ffp-contract=off $(WARN) -Iinclude -D_GNU_SOURCE -DPW_VERSION='"$(VERSION)"' \
             -DPW_LIBEXECDIR='"$(libexecdir)"' -DPW_DATADIR='"$(PREFIX)/share/pageworks"' -MMD -MP -pthread $(CFLAGS)
LIBS    := -lzstd -llz4 -llzma -lz -lxxhash -ljansson -luring -lsodium -lm -pthread

LIB_ROOMS := base machine segment policy store pmap kernel trace sim lab live host
SHIM_SRC  := $(sort $(wildcard src/live/shim*.c))
LIB_SRC   := $(filter-out $(SHIM_SRC),$(sort $(foreach r,$(LIB_ROOMS),$(wildcard src/$r/*.c))))
# What of the library goes into the preloaded pager: the kernel half, without machine and simulator.
PAGER_SRC := $(SHIM_SRC) src/live/board.c $(wildcard src/live/pager*.c) src/machine/cost.c src/machine/physmem.c \
             $(filter-out src/pmap/pmap_m%,$(sort $(foreach r,base policy store pmap kernel,$(wildcard src/$r/*.c))))
CLI_SRC   := $(sort $(wildcard src/cli/*.c src/web/*.c))
TEST_SRC  := $(sort $(wildcard test/*_test.c))
TEST_HELP := $(sort $(filter-out $(TEST_SRC),$(wildcard test/*.c)))
PROG_SRC  := $(sort $(wildcard test/prog/*.c))
FUZZ_SRC  := $(sort $(wildcard test/fuzz/*.c))
FUZZ_MAIN := $(sort $(wildcard test/fuzz/driver/*.c))
CANARY_SRC := $(sort $(wildcard test/canary/*.c))
BENCH_SRC := $(sort $(wildcard bench/*.c))
PLUGIN_SRC := $(sort $(wildcard src/capture/*.c))
SCENARIOS := $(sort $(wildcard scenarios/*.lab))
MAN       := $(sort $(wildcard man/*.[1-8]))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
LIB     := $(BUILD)/libpageworks.a
SHARED  := $(BUILD)/libpageworks.so.$(VERSION)
FUZZLIB := $(BUILD)/libfuzzmain.a
COMMAND := $(BUILD)/pageworks
PLUGIN  := $(BUILD)/pageworks-capture.so
SHIM    := $(BUILD)/pageworks-live.so
TESTS   := $(patsubst test/%.c,$(BUILD)/test/%,$(TEST_SRC))
PROGS   := $(patsubst test/%.c,$(BUILD)/test/%,$(PROG_SRC))
FUZZERS := $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
CANARIES := $(patsubst test/canary/%.c,$(BUILD)/canary/%,$(CANARY_SRC))
EXAMPLES := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard examples/*.c)))
BENCHES := $(patsubst bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))

# A make of our own that works in parallel, unless the caller chose how many jobs there are.
MAKE_IN_PARALLEL = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: all setup demo check tests bench fuzz fuzzers install uninstall print-flags clean tidy FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(LIB) $(SHARED) $(if $(CLI_SRC),$(COMMAND)) $(if $(PLUGIN_SRC),$(PLUGIN)) $(if $(SHIM_SRC),$(SHIM))

setup:
	@BUILD=$(BUILD) CC="$(CC)" tools/setup

demo: setup
	@$(MAKE_IN_PARALLEL) all
	@tools/demo $(BUILD)

check:
	@BUILD=$(BUILD) CC="$(CC)" tools/setup check
	@$(MAKE_IN_PARALLEL) all tests
	@BUILD=$(BUILD) SAN=$(SAN) tools/check

bench: setup
	@$(MAKE_IN_PARALLEL) all $(BENCHES)
	@BUILD=$(BUILD) bench/run

# Fuzzing always runs with the checks on.
fuzz:
	@BUILD=$(BUILD) CC="$(CC)" tools/setup
	@$(MAKE_IN_PARALLEL) SAN=1 BUILD=$(BUILD)$(if $(SAN),,/san) fuzzers
	@BUILD=$(BUILD)$(if $(SAN),,/san) tools/fuzz

tidy:
	@tools/tidy

tests: $(TESTS) $(EXAMPLES) $(PROGS) $(FUZZERS) $(CANARIES)
fuzzers: $(FUZZERS)

# Objects depend on the flags they were made with: another PREFIX or CFLAGS makes them anew.
print-flags:
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))'
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' >$@

# The library's are position independent, and show nothing but what the public header declares: one set serves both libraries.
LIB_FLAGS := -fPIC -fvisibility=hidden
$(call obj,$(LIB_SRC) $(SHIM_SRC)): private OBJ_FLAGS := $(LIB_FLAGS)
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) $(OBJ_FLAGS) -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC))
	@echo "  AR    $@"
	@rm -f $@ && ar rcs $@ $^

$(SHARED): $(call obj,$(LIB_SRC)) src/sim/pageworks.map
	@echo "  LD    $@"
	@$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,libpageworks.so.0 -Wl,--version-script=src/sim/pageworks.map \
		-o $@ $(filter %.o,$^) $(LIBS)
	@ln -sf $(@F) $(BUILD)/libpageworks.so.0

$(FUZZLIB): $(call obj,$(FUZZ_MAIN))
	@rm -f $@ && ar rcs $@ $^

$(COMMAND): $(call obj,$(CLI_SRC)) $(LIB)
	@echo "  LD    $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS) -ledit

# Programs that tests run under pageworks: nothing of ours inside, never sanitized.
$(PROGS): $(BUILD)/test/prog/%: test/prog/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) -std=gnu17 -O1 $(WARN) -D_GNU_SOURCE -pthread -o $@ $<

$(TESTS): $(BUILD)/test/%: $(BUILD)/obj/test/%.o $(call obj,$(TEST_HELP)) $(LIB)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ -lcmocka $(LIBS)

# What of the plugin can be tested without QEMU.
$(BUILD)/test/capture_plan_test: $(call obj,$(addprefix src/capture/,block.c emit.c stub.c x86.c))

# As a program of somebody else's: nothing but the public header, and the shared library.
$(EXAMPLES): $(BUILD)/examples/%: examples/%.c include/pageworks.h $(SHARED) $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) -std=c11 $(OPT) $(WARN) -Iinclude -o $@ $< $(SHARED) -Wl,-rpath,'$$ORIGIN/..'

$(CANARIES): $(BUILD)/canary/%: $(BUILD)/obj/test/canary/%.o
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -o $@ $^ -lcmocka

$(BENCHES): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/obj/test/fuzz/%.o $(LIB) $(FUZZLIB)
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -o $@ $< $(FUZZLIB) $(LIB) $(LIBS)

# The plugin is loaded into QEMU, a separate program: it links nothing of the library and is never sanitized.
$(PLUGIN): $(PLUGIN_SRC) $(wildcard src/capture/*.h src/base/*.h src/machine/access.h src/trace/event.h)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -fPIC -fvisibility=hidden -shared -pthread $(CFLAGS) -o $@ $(PLUGIN_SRC)

# The pager is loaded into programs: position independent, its symbols its own but for what it takes over, never sanitized.
SHIM_CFLAGS = -std=gnu17 -O2 -ffp-contract=off $(WARN) -D_GNU_SOURCE -DPW_VERSION='"$(VERSION)"' \
              -DPW_LIBEXECDIR='"$(libexecdir)"' -MMD -MP -pthread -fPIC -fvisibility=hidden $(CFLAGS)
$(BUILD)/shim/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  SHIM  $<"
	@$(CC) $(SHIM_CFLAGS) -c -o $@ $<

$(SHIM): $(if $(SAN),$(patsubst %.c,$(BUILD)/shim/%.o,$(PAGER_SRC)),$(call obj,$(PAGER_SRC)))
	@echo "  LD    $@"
	@$(CC) $(SHIM_CFLAGS) -shared -Wl,--as-needed -Wl,-z,now -Wl,-z,initfirst -o $@ $^ -ljemalloc $(LIBS)

# name in the build or source tree : name below PREFIX
into = $(DESTDIR)$(PREFIX)/$1
MAN_INTO = $(foreach m,$(MAN),$(call into,share/man/man$(subst .,,$(suffix $m))/$(notdir $m)))
SCENARIOS_INTO = $(foreach s,$(SCENARIOS),$(call into,share/pageworks/$s))
INSTALLED = $(call into,bin/pageworks) $(call into,lib/libpageworks.a) $(call into,include/pageworks.h) \
            $(call into,lib/pkgconfig/pageworks.pc) $(call into,libexec/pageworks/pageworks-capture.so) \
            $(call into,libexec/pageworks/pageworks-live.so) \
            $(call into,share/bash-completion/completions/pageworks) $(MAN_INTO) $(SCENARIOS_INTO) \
            $(call into,lib/libpageworks.so) $(call into,lib/libpageworks.so.0) $(call into,lib/libpageworks.so.$(VERSION))

install: all
	@install -Dm755 $(COMMAND) $(call into,bin/pageworks)
	@install -Dm644 $(LIB) $(call into,lib/libpageworks.a)
	@test ! -f include/pageworks.h || install -Dm644 include/pageworks.h $(call into,include/pageworks.h)
	@test ! -f $(PLUGIN) || install -Dm755 $(PLUGIN) $(call into,libexec/pageworks/pageworks-capture.so)
	@test ! -f $(SHIM) || install -Dm755 $(SHIM) $(call into,libexec/pageworks/pageworks-live.so)
	@install -Dm755 $(SHARED) $(call into,lib/libpageworks.so.$(VERSION))
	@ln -sf libpageworks.so.$(VERSION) $(call into,lib/libpageworks.so.0)
	@ln -sf libpageworks.so.0 $(call into,lib/libpageworks.so)
	@test ! -f completions/pageworks.bash || \
		install -Dm644 completions/pageworks.bash $(call into,share/bash-completion/completions/pageworks)
	@for m in $(MAN); do install -Dm644 $$m $(call into,share/man)/man$${m##*.}/$${m##*/} || exit 1; done
	@for s in $(SCENARIOS); do install -Dm644 $$s $(call into,share/pageworks)/$$s || exit 1; done
	@mkdir -p $(call into,lib/pkgconfig)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' tools/pageworks.pc.in \
		>$(call into,lib/pkgconfig/pageworks.pc)
	@echo "installed below $(DESTDIR)$(PREFIX)"

uninstall:
	rm -f $(INSTALLED)
	@rmdir $(call into,libexec/pageworks) 2>/dev/null || true

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/shim -name '*.d' 2>/dev/null)
