# Installing: `make install [DESTDIR=] [PREFIX=/usr/local]` and `make uninstall` with the same values. A Debian package:
# `make deb`.

LIBDIR = $(PREFIX)/lib/mcp-mux
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
MAN1 = packaging/man/mcp-mux.1
MAN5 = packaging/man/mcp-mux.ini.5
DOCS = README.md LICENSE mcp-mux.ini.example
ROLLOUT = packaging/README.md packaging/org-config packaging/ansible

.PHONY: install install-files
install: all
	@$(MAKE) --no-print-directory install-files

# Of what is built already. The entries for IDEs get the path of this program.
install-files:
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man5' \
		'$(DESTDIR)$(COMPLETIONDIR)' '$(DESTDIR)$(DOCDIR)/contrib' '$(DESTDIR)$(DOCDIR)/packaging'
	install -m 755 $(BUILD)/mcp-mux '$(DESTDIR)$(BINDIR)/mcp-mux'
	install -m 755 packaging/check-config '$(DESTDIR)$(LIBDIR)/check-config'
	install -m 644 $(MAN1) '$(DESTDIR)$(MANDIR)/man1/'
	install -m 644 $(MAN5) '$(DESTDIR)$(MANDIR)/man5/'
	install -m 644 packaging/completion/mcp-mux.bash '$(DESTDIR)$(COMPLETIONDIR)/mcp-mux'
	install -m 644 $(DOCS) '$(DESTDIR)$(DOCDIR)/'
	cp -R contrib/. '$(DESTDIR)$(DOCDIR)/contrib/'
	cp -R $(ROLLOUT) '$(DESTDIR)$(DOCDIR)/packaging/'
	find '$(DESTDIR)$(DOCDIR)' -name '*.json' -exec sed -i 's,/usr/local/bin/,$(BINDIR)/,' {} +
	chmod -R u=rwX,go=rX '$(DESTDIR)$(DOCDIR)'

.PHONY: uninstall
uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/mcp-mux' '$(DESTDIR)$(MANDIR)/man1/mcp-mux.1' \
		'$(DESTDIR)$(MANDIR)/man5/mcp-mux.ini.5' '$(DESTDIR)$(COMPLETIONDIR)/mcp-mux'
	rm -rf '$(DESTDIR)$(DOCDIR)' '$(DESTDIR)$(LIBDIR)'

DEPS_DEB = $(DEPS_BUILD) build-essential debhelper

.PHONY: deb deps-deb
deps-deb:
	@tests/install-packages $(DEPS_DEB)
deb: deps-deb
	@packaging/build-deb $(BUILD) $(VERSION)
