# Dependencies, tests, checks and the demo. Included by the top Makefile; `make help` lists the targets.

DEPS_BUILD = gcc make pkg-config:pkg-config 'libcurl4-openssl-dev|libcurl4-gnutls-dev' libsecret-1-dev \
	libinih-dev libmicrohttpd-dev libssl-dev libglib2.0-dev
DEPS_DEMO = $(DEPS_BUILD) dbus gnome-keyring
DEPS_FUZZ = $(DEPS_BUILD) libjansson-dev clang 'libclang-rt-dev|libclang-rt-14-dev'
DEPS_CHECK = $(DEPS_DEMO) $(DEPS_FUZZ) libcmocka-dev nodejs:node npm:npm openssl:openssl \
	'nginx-light|nginx-core|nginx-full|nginx-extras' iproute2 valgrind chromium libsecret-tools \
	libglib2.0-bin $(DEPS_DEB) ansible-core:ansible-playbook
DEPS_LINT = $(DEPS_CHECK) clang-format clang-tidy cppcheck

.PHONY: deps deps-build deps-demo deps-fuzz deps-check deps-lint
deps: deps-lint deps-check
deps-build:
	@tests/install-packages $(DEPS_BUILD)
deps-demo:
	@tests/install-packages $(DEPS_DEMO)
deps-fuzz:
	@tests/install-packages $(DEPS_FUZZ)
deps-lint:
	@tests/install-packages $(DEPS_LINT)
deps-check:
	@tests/install-packages $(DEPS_CHECK)
	@tests/install-node-modules

# Targets below come in pairs: NAME installs what is missing, then runs NAME-now in a new make, whose
# pkg-config finds what was installed.
SUBMAKE = @+$(MAKE) --no-print-directory

# As many jobs as processors, unless the user said how many.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# --- unit tests: tests/unit/test_*.c, one program each; other .c files there are helpers of them all ---

TEST_CFLAGS = $(ALL_CFLAGS) -Itests $(shell pkg-config --cflags cmocka jansson)
TEST_LIBS = $(shell pkg-config --libs cmocka jansson) $(PKG_LIBS)
UNIT_SRC = $(sort $(wildcard tests/unit/test_*.c))
UNIT_HELP_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)))
UNIT = $(UNIT_SRC:%.c=$(BUILD)/%)

$(BUILD)/tests/unit/%.o: tests/unit/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT): $(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(UNIT_HELP_OBJ) $(LIB)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS)

# --- demo upstreams: tests/demo/demo-*.c with the helpers beside them, on libmicrohttpd ---

DEMO_SRC = $(sort $(wildcard tests/demo/demo-*.c))
DEMO_HELP_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(DEMO_SRC),$(wildcard tests/demo/*.c)))
DEMO = $(DEMO_SRC:%.c=$(BUILD)/%)

$(BUILD)/tests/demo/%.o: tests/demo/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -c -o $@ $<

$(DEMO): $(BUILD)/tests/demo/%: $(BUILD)/tests/demo/%.o $(DEMO_HELP_OBJ) $(LIB)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: demo demo-now
demo: deps-demo
	@echo Building
	$(SUBMAKE) -s $(PARALLEL) demo-now
demo-now: $(BUILD)/mcp-mux $(DEMO)
	@tests/demo/run-demo $(BUILD)

# --- fuzz targets: tests/fuzz/fuzz_*.c over base/ and format/, compiled by clang into a tree of their own ---

FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_BUILD = build/fuzz
FUZZ_FLAGS = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Iinclude -Itests -include base/banned.h \
	-DMCP_MUX_VERSION='"$(VERSION)"' $(WARN) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link \
	$(shell pkg-config --cflags glib-2.0 inih libcrypto jansson)
FUZZ_SRC = $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIB_OBJ = $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(sort $(wildcard src/base/*.c src/format/*.c)) \
	$(filter-out $(FUZZ_SRC),$(wildcard tests/fuzz/*.c)))
FUZZ = $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_BUILD)/%)

$(FUZZ_BUILD)/%.o: %.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ): $(FUZZ_BUILD)/%: $(FUZZ_BUILD)/tests/fuzz/%.o $(FUZZ_LIB_OBJ)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(shell pkg-config --libs gio-2.0 glib-2.0 inih libcrypto jansson)

.PHONY: fuzz fuzz-now
fuzz: deps-fuzz
	$(SUBMAKE) $(PARALLEL) fuzz-now
fuzz-now: $(FUZZ)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run $(FUZZ_BUILD) $(FUZZ:%=fuzz:%)

# --- check: everything above but for the demo's transcript, and the integration tests ---

# CHECK selects: words of layers unit fuzz integration; ONLY=NAME… runs the programs of these names alone.
CHECK ?= layers unit integration $(if $(SANITIZE),,fuzz)
CHECK_FUZZ_SECONDS = 5
INTEGRATION_SRC = $(sort $(wildcard tests/integration/test_*.mjs tests/conformance/test_*.mjs))
CHECK_RUN = $(if $(filter layers,$(CHECK)),layers:tests/check-layers) \
	$(if $(filter integration,$(CHECK)),$(INTEGRATION_SRC:%=integration:%)) \
	$(if $(filter unit,$(CHECK)),$(UNIT:%=unit:%)) \
	$(if $(filter fuzz,$(CHECK)),$(FUZZ:%=fuzz:%))

.PHONY: check check-now
check: deps-check
	@echo Building $(if $(SANITIZE),with -fsanitize=$(SANITIZE))
	$(SUBMAKE) -s $(PARALLEL) WERROR=1 check-now
check-now: check-programs
	@FUZZ_SECONDS=$(CHECK_FUZZ_SECONDS) SANITIZE=$(SANITIZE) tests/run $(BUILD) $(CHECK_RUN)
.PHONY: check-programs
check-programs: $(if $(filter unit,$(CHECK)),$(UNIT)) $(if $(filter fuzz,$(CHECK)),$(FUZZ)) \
	$(if $(filter integration,$(CHECK)),$(BUILD)/mcp-mux $(DEMO))

# --- lint ---

LINT_C = $(sort $(wildcard src/*/*.c tests/*/*.c))
LINT_ALL = $(LINT_C) $(sort $(wildcard include/*/*.h tests/*/*.h))
LINT = lint-layers lint-format lint-cppcheck lint-tidy

.PHONY: lint $(LINT)
lint: deps-lint
	$(SUBMAKE) -k $(LINT)
lint-layers:
	tests/check-layers
lint-format:
	@echo clang-format
	@clang-format --dry-run -Werror $(LINT_ALL)
lint-cppcheck:
	@echo cppcheck
	@cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=tests/cppcheck.supp --std=c11 -Iinclude -j2 \
		-D'MUX_AUTOPTR(a,b)=' -D'G_GNUC_PRINTF(a,b)=' --library=posix,gtk src
lint-tidy:
	@echo clang-tidy
	@printf '%s\n' $(LINT_C) | xargs -P2 -n4 sh -c 'clang-tidy --quiet "$$@" -- \
		$(subst -I/usr,-isystem /usr,$(subst ','\'',$(TEST_CFLAGS) $(shell pkg-config --cflags libmicrohttpd))) 2>&1 | \
		sed "/warnings\? generated\|Suppressed .* warnings\|^Use -header-filter/d" | \
		awk "{ print; n = 1 } END { exit n }"' clang-tidy

-include $(wildcard $(BUILD)/tests/*/*.d $(FUZZ_BUILD)/*/*/*.d)

.PHONY: help
help:
	@echo 'make                     build build/mcp-mux'
	@echo 'make install             install it (PREFIX=/usr/local, DESTDIR=)'
	@echo 'make deb                 build a Debian package, build/mcp-mux_VERSION_ARCH.deb'
	@echo 'make demo                demo upstreams, an IDE and mcp-mux between them: a transcript'
	@echo 'make check               all tests; CHECK="unit" or ONLY="test_json" for some, V=1 for their output'
	@echo 'make SANITIZE=address,undefined check   the same with sanitizers'
	@echo 'make lint                formatting, clang-tidy, cppcheck, layers'
	@echo 'make fuzz                every fuzz target for FUZZ_SECONDS=60'
	@echo 'make bench               the figures of the design, beside a bare libcurl program'
	@echo 'make deps                install what all of these need (they do so by themselves)'
	@echo 'make clean               remove what was built'
