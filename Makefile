# mcp-mux. `make` builds build/mcp-mux; `make help` lists what else there is. Written for GNU make.
#
# Variables: CC, CFLAGS, LDFLAGS, PREFIX, DESTDIR; SANITIZE=address,undefined builds into a folder of its
# own; WERROR=1 turns warnings into errors (tests and CI do).

VERSION = 0.1.0

PREFIX ?= /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/mcp-mux

CC ?= cc
CFLAGS ?= -O2 -g
SANITIZE ?=
comma = ,
BUILD ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

PKGS = libcurl libsecret-1 inih libmicrohttpd libcrypto gio-unix-2.0 glib-2.0
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS))

WARN = -Wall -Wextra -Wshadow -Wswitch-enum -Wvla -Wformat=2 -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wwrite-strings $(if $(WERROR),-Werror)
HARDEN = -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Iinclude -include base/banned.h \
	-DMCP_MUX_VERSION='"$(VERSION)"' $(WARN) $(HARDEN) $(PKG_CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

LIB_SRC = $(filter-out src/cli/main.c,$(sort $(wildcard src/*/*.c)))
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB = $(BUILD)/libmcpmux.a

.DEFAULT_GOAL = all
.PHONY: all
all: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/mcp-mux

$(BUILD)/mcp-mux: $(BUILD)/src/cli/main.o $(LIB)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# Flags that change rebuild everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(ALL_LDFLAGS)) $(sort $(LIB_SRC))' | cmp -s - $@ || \
		echo '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(ALL_LDFLAGS)) $(sort $(LIB_SRC))' >$@
.PHONY: FORCE
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(LIB_OBJ:.o=.d) $(BUILD)/src/cli/main.d

include tests/tests.mk
include packaging/packaging.mk

.PHONY: clean
clean:
	rm -rf build build-*

-include tests/bench/bench.mk
