UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
E2E_TESTS := $(sort $(wildcard tests/e2e/*.sh))
TEST_SRC := $(UNIT_SRC)
