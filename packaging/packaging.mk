# Installing: `make install [DESTDIR=] [PREFIX=/usr/local]` and `make uninstall` with the same values.

COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
MAN1 = packaging/man/mcp-mux.1
MAN5 = packaging/man/mcp-mux.ini.5
DOCS = README.md LICENSE mcp-mux.ini.example

.PHONY: install
install: all
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man5' \
		'$(DESTDIR)$(COMPLETIONDIR)' '$(DESTDIR)$(DOCDIR)/contrib'
	install -m 755 $(BUILD)/mcp-mux '$(DESTDIR)$(BINDIR)/mcp-mux'
	install -m 644 $(MAN1) '$(DESTDIR)$(MANDIR)/man1/'
	install -m 644 $(MAN5) '$(DESTDIR)$(MANDIR)/man5/'
	install -m 644 packaging/completion/mcp-mux.bash '$(DESTDIR)$(COMPLETIONDIR)/mcp-mux'
	install -m 644 $(DOCS) '$(DESTDIR)$(DOCDIR)/'
	cp -R contrib/. '$(DESTDIR)$(DOCDIR)/contrib/'
	find '$(DESTDIR)$(DOCDIR)/contrib' -type d -exec chmod 755 {} +
	find '$(DESTDIR)$(DOCDIR)/contrib' -type f -exec chmod 644 {} +

.PHONY: uninstall
uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/mcp-mux' '$(DESTDIR)$(MANDIR)/man1/mcp-mux.1' \
		'$(DESTDIR)$(MANDIR)/man5/mcp-mux.ini.5' '$(DESTDIR)$(COMPLETIONDIR)/mcp-mux'
	rm -rf '$(DESTDIR)$(DOCDIR)'
