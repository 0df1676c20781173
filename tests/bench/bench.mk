# make bench: measures mcp-mux beside a bare libcurl program and prints the figures that the design asks
# for, in some two minutes; build/bench.json has them too. ROUNDS=N interleaved rounds (5), BENCH="calls tls" for some groups.

ROUNDS ?= 5
BENCH ?=
BENCH_BIN = $(BUILD)/bench
BENCH_CC = $(CC) -std=gnu11 -D_GNU_SOURCE -Iinclude -include base/banned.h $(WARN) -O2 -g
BENCH_DRIVE = drive child ide report fixture front figures_calls figures_start figures_idle wire
BENCH_HEADERS = $(wildcard tests/bench/*.h)

.PHONY: bench bench-now bench-programs
bench:
	@tests/install-packages $(DEPS_BUILD) openssl:openssl \
		'nginx-light|nginx-core|nginx-full|nginx-extras' valgrind:valgrind
	@+$(MAKE) --no-print-directory bench-now

bench-now: $(BUILD)/mcp-mux bench-programs
	@rm -rf $(BENCH_BIN)/work && mkdir -p $(BENCH_BIN)/work
	@$(BENCH_BIN)/drive --mux $(BUILD)/mcp-mux --bin $(BENCH_BIN) --work $(BENCH_BIN)/work \
		--json $(BUILD)/bench.json --rounds $(ROUNDS) $(BENCH)

bench-programs: $(addprefix $(BENCH_BIN)/,drive floor fake-upstream memory-server base)

$(BENCH_BIN)/drive: $(BENCH_DRIVE:%=tests/bench/%.c) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) $(shell pkg-config --cflags glib-2.0) -o $@ $(filter %.c,$^) $(shell pkg-config --libs glib-2.0)

$(BENCH_BIN)/floor: tests/bench/floor.c tests/bench/wire.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) $(shell pkg-config --cflags libcurl) -o $@ $(filter %.c,$^) $(shell pkg-config --libs libcurl)

$(BENCH_BIN)/fake-upstream: tests/bench/fake-upstream.c tests/bench/timers.c tests/bench/wire.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $(filter %.c,$^)

$(BENCH_BIN)/memory-server: tests/bench/memory-server.c tests/bench/wire.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $(filter %.c,$^)

# Linked with the libraries that mcp-mux itself was linked with, though it needs none.
$(BENCH_BIN)/base: tests/bench/base.c $(BUILD)/mcp-mux
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $< -Wl,--no-as-needed \
		$$(readelf -d $(BUILD)/mcp-mux | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/-l:\1/p')
