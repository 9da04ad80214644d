# Kukeon: one binary under two names. `make help` lists the targets.
#
# V selects the variant: debug (default), release, asan (address and undefined), tsan, cov, fuzz. Everything
# that is made lands in build/$(V). Source lists are in */module.mk.

V ?= debug
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
VERSION := 0.1.0

CC_fuzz := clang
CC := $(or $(CC_$(V)),gcc)
B := build/$(V)

# Only what is shipped can't be made to fail on purpose (include/kukeon/fault.h).
CPPFLAGS_FAULTS := $(if $(filter release,$(V)),,-DKK_WITH_FAULTS)
CFLAGS_debug := -O1 -g
# Where it is built leaves no trace in it.
CFLAGS_release := -O2 -g -ffile-prefix-map=$(CURDIR)=.
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_cov := -O0 -g --coverage
# clang asks for literal formats even where the caller's attribute has checked them.
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined -Wno-format-nonliteral
LDFLAGS_debug :=
LDFLAGS_release :=
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_cov := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
ifeq ($(CFLAGS_$(V)),)
$(error V=$(V) is none of: debug release asan tsan cov fuzz)
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla -Wformat=2 -Wno-missing-field-initializers
CPPFLAGS := -Iinclude -I$(B)/gen -isystem /usr/include/libnl3 -D_GNU_SOURCE $(CPPFLAGS_FAULTS) -DKK_VERSION='"$(VERSION)"' \
	-DKUKETTY='"$(B)/kuketty"'
CFLAGS := -std=gnu17 $(WARNINGS) $(CFLAGS_$(V)) -fstack-protector-strong -ffunction-sections -fdata-sections
LDFLAGS := $(LDFLAGS_$(V)) -Wl,--gc-sections -Wl,-z,relro,-z,now \
	-Wl,--dynamic-list=supervisor/symbols.list

# Small libraries and gRPC are linked into the binary: loading them as shared objects would cost every
# start 11 ms. What is large and rare (libnftables, libsystemd) is loaded by the worker that needs it.
GRPC_LIBS := $(shell pkg-config --static --libs-only-l grpc_unsecure 2>/dev/null | tr ' ' '\n' | grep -vxE -e '-l(m|dl|pthread|rt|c)?' | tr '\n' ' ')
STATIC_LIBS := -lprotobuf-c $(GRPC_LIBS) -lz -lcares -lre2 -laddress_sorting -lupb -lstdc++ \
	-levent_core -lmsgpackc -lyaml -ljansson -lcgroup -lnl-route-3 -lnl-3 -larchive -lacl -lcrypto -lseccomp -lcap-ng
LIBS := -Wl,-Bstatic -Wl,--start-group $(STATIC_LIBS) -Wl,--end-group -static-libgcc -Wl,-Bdynamic -lm -ldl -lpthread -lresolv

MODULES := ipc/base ipc/wire ipc/chan ipc/model supervisor workers/common workers/cgroup workers/network \
	workers/containerd workers/reconciler workers/kuketty client
include $(patsubst %,%/module.mk,$(MODULES))
include tests/module.mk

# $(1): module. Its objects go into one static library, lib/<module with dashes>.a.
lib = $(B)/lib/$(subst /,-,$(1)).a
objects = $(patsubst %.c,$(B)/%.o,$($(subst /,_,$(1))_SRC))
define module_rules
$(call lib,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

MODULE_LIBS := $(foreach m,$(MODULES),$(call lib,$(m)))
IPC_LIBS := $(foreach m,ipc/model ipc/chan ipc/wire ipc/base,$(call lib,$(m)))
ALL_SRC := $(foreach m,$(MODULES),$($(subst /,_,$(m))_SRC))

.DEFAULT_GOAL := all
.PHONY: all always help deps deb install uninstall-files lint fmt api check check-unit check-integration check-e2e \
	check-chaos soak check-fuzz fuzz bench torture up down clean check-layers check-headers check-format \
	check-tidy check-cppcheck check-banned check-shipped tests

all: $(B)/kuke $(B)/kukeond ## build kuke and kukeond

help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | \
		awk -F '\t' '{printf "  %-18s %s\n", $$1, $$2}'
	@echo "  V=$(V) (debug release asan tsan cov fuzz)"

$(B)/kukeond: $(call objects,supervisor) $(MODULE_LIBS)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(B)/supervisor/entry.o -Wl,--start-group $(MODULE_LIBS) -Wl,--end-group $(LIBS)

$(B)/kuke: $(B)/kukeond
	@ln -f $< $@

$(B)/%.o: %.c | $(B)/gen/containerd.pb-c.h
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# What tells the version is compiled again when that is another one.
$(B)/gen/version: always
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
$(patsubst %.c,$(B)/%.o,$(shell grep -l KK_VERSION $(ALL_SRC))): $(B)/gen/version

# Messages of containerd's API.
$(B)/gen/containerd.pb-c.h: workers/containerd/containerd.proto
	@mkdir -p $(@D)
	@protoc-c --proto_path=workers/containerd --c_out=$(@D) containerd.proto
$(B)/gen/containerd.pb-c.c: $(B)/gen/containerd.pb-c.h
$(B)/gen/containerd.pb-c.o: $(B)/gen/containerd.pb-c.c
	@$(CC) -I$(B)/gen $(CFLAGS_$(V)) -ffunction-sections -fdata-sections -c -o $@ $<
$(call lib,workers/containerd): $(B)/gen/containerd.pb-c.o

# It runs beside any container, in whatever memory that leaves: static and small. No sanitizer can be linked to it; what it
# is made of is tested with them.
KUKETTY_OBJ := $(patsubst %.c,$(B)/musl/%.o,$(workers_kuketty_SRC) $(KUKETTY_BASE_SRC))
$(B)/musl/%.o: %.c
	@mkdir -p $(@D)
	@musl-gcc -Iinclude -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -Os -ffunction-sections -fdata-sections -MMD -MP -c -o $@ $<
$(B)/kuketty: $(KUKETTY_OBJ)
	@echo "  LINK  $@"
	@musl-gcc -static -s -Wl,--gc-sections -o $@ $^
$(B)/workers/containerd/kuketty.o: $(B)/kuketty

-include $(patsubst %.c,$(B)/%.d,$(ALL_SRC) $(TEST_SRC)) $(KUKETTY_OBJ:.o=.d)

# Debian's packages. A machine that has them all is not asked for a package list.
DEPS_BUILD := gcc make pkg-config libgrpc-dev libevent-dev libmsgpack-dev libyaml-dev libnl-3-dev \
	libnl-route-3-dev libcgroup-dev libjansson-dev libarchive-dev libssl-dev libseccomp-dev \
	libcap-ng-dev libc-ares-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libacl1-dev musl-tools
DEPS_RUN := containerd runc libnftables1 busybox-static
DEPS_TEST := check libcap2-bin iproute2 nftables iptables iputils-ping procps clang clang-tidy clang-format cppcheck \
	libclang-rt-14-dev valgrind socat python3 openssh-server openssh-client
DEPS := $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)
# What one target alone is there for: `make deb`, tests/e2e/install.sh.
DEPS_DEB := binutils dpkg-dev
DEPS_INSTALL := $(DEPS_DEB) bash-completion fish lintian man-db mandoc shellcheck zsh

deps: ## install what is needed from Debian's packages
	@missing=$$(for p in $(DEPS); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$missing" ] || { echo "installing: $$missing"; apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; }

# What is made bears the date of the source.
epoch = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)}

install: all ## install binaries, manual, completions and unit below $(PREFIX), kukeond.yaml in $(SYSCONFDIR)
	@$(epoch) DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' etc/install put $(B)

uninstall-files: ## remove what install put in place, but a kukeond.yaml that was edited
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' etc/install remove

deb: ## make Debian's package of the release build, in build/deb
	@$(MAKE) --no-print-directory deps DEPS='$(DEPS_BUILD) $(DEPS_DEB)'
	@$(MAKE) --no-print-directory V=release
	@$(epoch) etc/debian/build $(VERSION) build/release build/deb $(STATIC_LIBS:-l%=lib%.a) \
		/usr/lib/$$(gcc -print-multiarch | sed s/gnu/musl/)/libc.a

# An ssh server is for the tests alone: Debian starts it.
up: ## install all, start containerd and kukeond, apply etc/examples/hello.yaml, show the cell
	@$(MAKE) --no-print-directory deps DEPS='$(DEPS_BUILD) $(DEPS_RUN)'
	@$(MAKE) --no-print-directory install V=release
	@etc/demo up $(PREFIX)/bin

down: ## remove every trace of `make up`
	@etc/demo down $(PREFIX)/bin
	@$(MAKE) --no-print-directory uninstall-files

clean: ## remove all that was built
	@rm -rf build

# --- tests ---

# $(1): program. Objects that take calls over, and the flags that hand them the calls.
wrap_objects = $(patsubst %.c,$(B)/%.o,$(filter $(TEST_WRAP_SRC),$(WRAPS_$(notdir $(1)))))
wrap_flags = $(shell grep -ohE '__wrap_[a-z0-9_]+' $(WRAPS_$(notdir $(1))) /dev/null | sort -u | \
	sed 's/__wrap_/-Wl,--wrap=/')

define check_program
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) $(call wrap_flags,$@) -o $@ $< $(call wrap_objects,$@) $(TEST_SUPPORT_OBJ) \
		-Wl,--start-group $(MODULE_LIBS) -Wl,--end-group -Wl,-Bstatic -lcheck -lsubunit -Wl,-Bdynamic $(LIBS) -lrt
endef
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_SUPPORT_OBJ) $(TEST_WRAP_OBJ) $(MODULE_LIBS)
	$(check_program)
$(B)/tests/torture/%: $(B)/tests/torture/%.o $(TEST_SUPPORT_OBJ) $(TEST_WRAP_OBJ) $(MODULE_LIBS)
	$(check_program)
$(B)/tests/integration/%: $(B)/tests/integration/%.o $(TEST_SUPPORT_OBJ) $(MODULE_LIBS)
	$(check_program)

define helper_program
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(MODULE_LIBS) -Wl,--end-group $(LIBS)
endef
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(MODULE_LIBS)
	$(helper_program)
$(B)/tests/chaos/%: $(B)/tests/chaos/%.o $(MODULE_LIBS)
	$(helper_program)
$(B)/tests/e2e/%: $(B)/tests/e2e/%.o $(MODULE_LIBS)
	$(helper_program)

$(FUZZ_PROGRAMS): $(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(MODULE_LIBS)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(MODULE_LIBS) -Wl,--end-group $(LIBS)

$(B)/tests/fuzz/seed: $(B)/tests/fuzz/seed.o $(MODULE_LIBS)
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(MODULE_LIBS) -Wl,--end-group $(LIBS)

# The floor of a start carries nothing at all.
$(B)/tests/bench/empty: $(B)/tests/bench/empty.o
	@$(CC) -o $@ $<

tests: $(UNIT_TESTS) $(TORTURE_TESTS) $(INTEGRATION_TESTS) $(E2E_PROGRAMS)

check: ## all tests; installs what is missing
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all tests
	@KUKE_BIN=$(CURDIR)/$(B) tests/support/run $$($(MAKE) -s print-tests)

check-unit: $(UNIT_TESTS) ## unit tests alone
	@tests/support/run $(UNIT_TESTS)

torture: $(TORTURE_TESTS) ## fail each allocation in turn, in ipc/, in the supervisor and in the reconciler's store
	@TORTURE_ALL=1 tests/support/run $(TORTURE_TESTS)

check-integration: all $(INTEGRATION_TESTS) ## integration tests alone: one worker each, on the real kernel and containerd, as root
	@KUKE_BIN=$(CURDIR)/$(B) tests/support/run $(INTEGRATION_TESTS)

check-e2e: all $(E2E_PROGRAMS) ## end-to-end tests alone, on real containerd, as root
	@KUKE_BIN=$(CURDIR)/$(B) tests/support/run $(E2E_TESTS)

check-chaos: all $(CHAOS_PROGRAMS) ## every verb, every step, every way to die there, and two at once; VERBS, FAULTS, PAIRS narrow it down
	@KUKE_BIN=$(CURDIR)/$(B) tests/support/run tests/chaos/matrix.sh

soak: all $(CHAOS_PROGRAMS) ## 20 clients under random faults for SOAK_SECONDS (3600), then MODEL_STEPS (20000) random verbs beside a model; each reply checked, nothing left
	@KUKE_BIN=$(CURDIR)/$(B) bash tests/chaos/soak.sh
	@KUKE_BIN=$(CURDIR)/$(B) MODEL_STEPS=$${MODEL_STEPS:-20000} bash tests/e2e/model.sh

bench: ## measure the release build beside the floors; SAVE=FILE keeps a new baseline
	@$(MAKE) --no-print-directory V=release bench-programs
	@KUKE_BIN=$(CURDIR)/build/release bash tests/bench/run.sh

bench-programs: all $(BENCH_PROGRAMS)
.PHONY: bench-programs

fuzz: fuzz-programs ## fuzz each decoder for FUZZ_SECONDS (60), or ONLY=frame; findings go below build/fuzz/found
	@tests/fuzz/run $(FUZZ_ENTRIES)

check-fuzz: fuzz-programs ## every seed of the fuzz targets through every target, once
	@tests/support/run tests/fuzz/seeds.sh

# The programs are clang's, the seeds come out of the build that is shipped.
fuzz-programs:
	@$(MAKE) -s --no-print-directory V=debug build/debug/tests/fuzz/seed
	@$(MAKE) -s --no-print-directory V=fuzz fuzz-targets
	@rm -rf build/fuzz/seed
	@build/debug/tests/fuzz/seed build/fuzz/seed

fuzz-targets: $(FUZZ_PROGRAMS)
.PHONY: fuzz-programs fuzz-targets

print-tests:
	@echo $(UNIT_TESTS) $(TORTURE_TESTS) $(INTEGRATION_TESTS) $(E2E_TESTS)
.PHONY: print-tests

# --- lint ---

ALL_HEADERS := $(sort $(shell find include ipc supervisor workers client -name '*.h'))
C_FILES := $(ALL_SRC) $(TEST_SRC) $(ALL_HEADERS) $(sort $(wildcard tests/*/*.h))

lint: check-format check-banned check-layers check-headers check-api check-shipped check-cppcheck check-tidy ## all static checks
	@echo "lint is clean"

fmt: ## format all sources
	@clang-format -i $(C_FILES)

check-format:
	@clang-format --dry-run -Werror $(C_FILES)

# Calls that a stranger must not find here; kk_xalloc and kk_alloc are the way to memory.
check-banned:
	@! grep -nE '(^|[^a-z_])(strcpy|strcat|sprintf|strtok|atoi|alloca|system|popen|malloc|gets)\(' \
		$(filter-out ipc/base/mem.c,$(ALL_SRC)) || { echo "banned function"; exit 1; }

# Who may include whom: a library's header in its one folder, our folders downwards only.
check-layers:
	@tests/support/check-layers

# Each header compiles alone.
check-headers: $(B)/gen/containerd.pb-c.h
	@for h in $(filter-out include/kukeon/undef.h,$(ALL_HEADERS)); do \
		$(CC) $(CPPFLAGS) -std=gnu17 -Wall -Werror -fsyntax-only -x c -include $$h /dev/null || \
			{ echo "$$h does not compile alone"; exit 1; }; done

# The page of our own methods says what its table says, and leaves none out.
check-api:
	@tests/support/api-page --check

api: ## make etc/api.md anew
	@tests/support/api-page >$(B)/api.md && mv $(B)/api.md etc/api.md

# What is shipped has no faults built in: its sources must compile without them too.
check-shipped: $(B)/gen/containerd.pb-c.h
	@printf '%s\n' $(ALL_SRC) | xargs -P 2 -n 12 $(CC) $(filter-out -DKK_WITH_FAULTS,$(CPPFLAGS)) -std=gnu17 $(WARNINGS) -fsyntax-only

check-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=internalAstError \
		--suppress=preprocessorErrorDirective --suppress=varFuncNullUB --suppress=legacyUninitvar -Iinclude -j2 $(ALL_SRC)

check-tidy: $(B)/gen/containerd.pb-c.h
	@printf '%s\n' $(ALL_SRC) | xargs -P 2 -n 6 tests/support/tidy $(CPPFLAGS) --
