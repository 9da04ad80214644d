UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
INTEGRATION_SRC := $(sort $(wildcard tests/integration/test_*.c))
INTEGRATION_TESTS := $(patsubst %.c,$(B)/%,$(INTEGRATION_SRC))
TORTURE_SRC := $(sort $(wildcard tests/torture/torture_*.c))
TORTURE_TESTS := $(patsubst %.c,$(B)/%,$(TORTURE_SRC))
E2E_TESTS := $(sort $(wildcard tests/e2e/*.sh))
E2E_SRC := $(sort $(wildcard tests/e2e/*.c))
E2E_PROGRAMS := $(patsubst %.c,$(B)/%,$(E2E_SRC))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
BENCH_PROGRAMS := $(patsubst %.c,$(B)/%,$(BENCH_SRC))
CHAOS_SRC := $(sort $(wildcard tests/chaos/*.c))
CHAOS_PROGRAMS := $(patsubst %.c,$(B)/%,$(CHAOS_SRC))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_ENTRIES := $(patsubst tests/fuzz/fuzz_%.c,%,$(filter tests/fuzz/fuzz_%,$(FUZZ_SRC)))
FUZZ_PROGRAMS := $(patsubst %,$(B)/tests/fuzz/fuzz_%,$(FUZZ_ENTRIES))
TEST_SUPPORT_SRC := $(sort $(wildcard tests/support/*.c))
TEST_SUPPORT_OBJ := $(patsubst %.c,$(B)/%.o,$(TEST_SUPPORT_SRC))
TEST_WRAP_SRC := $(sort $(wildcard tests/support/wrap/*.c))
TEST_WRAP_OBJ := $(patsubst %.c,$(B)/%.o,$(TEST_WRAP_SRC))
TEST_SRC := $(UNIT_SRC) $(TORTURE_SRC) $(INTEGRATION_SRC) $(E2E_SRC) $(BENCH_SRC) $(CHAOS_SRC) $(FUZZ_SRC) \
	$(TEST_SUPPORT_SRC) $(TEST_WRAP_SRC)

# Programs that have calls taken over, and the files that do it: whoever defines __wrap_f is called instead of
# f, and reaches the real one as __real_f.
WRAPS_test_errno := tests/support/wrap/disk.c tests/support/wrap/power.c tests/support/wrap/operation.c
WRAPS_test_power := $(WRAPS_test_errno)
WRAPS_test_spawn := tests/unit/test_spawn.c
WRAPS_torture_ipc := tests/support/wrap/memory.c
WRAPS_torture_worker := $(WRAPS_torture_ipc) $(WRAPS_test_errno)
WRAPS_torture_supervisor := $(WRAPS_torture_ipc)

# Objects that only a pattern asks for would be removed behind the link.
.SECONDARY: $(patsubst %.c,$(B)/%.o,$(TEST_SRC))
