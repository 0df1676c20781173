#include "config_fixture.h"

static void nothing_at_all_gives_the_defaults(void **state)
{
	(void)state;
	const char *const users[] = {NULL, "", "[mux]\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(users); i++) {
		g_autoptr(Config) config = merged(NULL, users[i]);
		assert_string_equal(config->mux.separator, "__");
		assert_int_equal(config->mux.max_tool_name, 48);
		assert_int_equal(config->mux.list_timeout_ms, 5000);
		assert_int_equal(config->mux.connect_timeout_ms, 10000);
		assert_int_equal(config->mux.call_timeout_ms, 300000);
		assert_int_equal(config->mux.call_limit_ms, 3600000);
		assert_int_equal(config->mux.max_message, 64 << 20);
		assert_int_equal(config->mux.max_result, 9 << 20);
		assert_int_equal(config->mux.audit, AUDIT_ON);
		assert_int_equal(config->mux.audit_arguments, AUDIT_ARGUMENTS_DIGEST);
		assert_false(config->mux.audit_syslog);
		assert_true(config->mux.builtin_tools);
		assert_int_equal(config->mux.sign_in, SIGN_IN_ELICIT);
		assert_int_equal(config->mux.pin_tools, PIN_WARN);
		assert_false(config->mux.user_connectors);
		assert_null(config->mux.ca_file);
		assert_null(config->mux.proxy);
		assert_int_equal(config->connectors->len, 0);
		assert_int_equal(config->notes->len, 0);
		assert_false(config->has_admin);
	}
	config_free(NULL);
}

static void reads_every_key_of_mux(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(NULL,
		"[mux]\nseparator = -x-\nmax_tool_name = 128\nlist_timeout = 1\n"
		"connect_timeout = 600\ncall_timeout = 86400\ncall_limit = 604800\n"
		"max_message = 1024\nmax_result = 1\naudit = required\naudit_arguments = full\n"
		"audit_syslog = on\n"
		"builtin_tools = off\nsign_in = never\npin_tools = block\nuser_connectors = on\n"
		"ca_file = /a b/ca.pem\nproxy = socks5h://[::1]:1080\n");
	assert_string_equal(config->mux.separator, "-x-");
	assert_int_equal(config->mux.max_tool_name, 128);
	assert_int_equal(config->mux.list_timeout_ms, 1000);
	assert_int_equal(config->mux.connect_timeout_ms, 600000);
	assert_int_equal(config->mux.call_timeout_ms, 86400000);
	assert_int_equal(config->mux.call_limit_ms, 604800000);
	assert_int_equal(config->mux.max_message, 1 << 30);
	assert_int_equal(config->mux.max_result, 1 << 20);
	assert_int_equal(config->mux.audit, AUDIT_REQUIRED);
	assert_int_equal(config->mux.audit_arguments, AUDIT_ARGUMENTS_FULL);
	assert_true(config->mux.audit_syslog);
	assert_false(config->mux.builtin_tools);
	assert_int_equal(config->mux.sign_in, SIGN_IN_NEVER);
	assert_int_equal(config->mux.pin_tools, PIN_BLOCK);
	assert_true(config->mux.user_connectors);
	assert_string_equal(config->mux.ca_file, "/a b/ca.pem");
	assert_string_equal(config->mux.proxy, "socks5h://[::1]:1080");
	g_autoptr(Config) other = merged(NULL,
		"[mux]\naudit = off\naudit_arguments = none\nsign_in = browser\npin_tools = off\n"
		"ca_file =\nproxy = ; none\n");
	assert_int_equal(other->mux.audit, AUDIT_OFF);
	assert_int_equal(other->mux.audit_arguments, AUDIT_ARGUMENTS_NONE);
	assert_int_equal(other->mux.sign_in, SIGN_IN_BROWSER);
	assert_int_equal(other->mux.pin_tools, PIN_OFF);
	assert_null(other->mux.ca_file);
	assert_null(other->mux.proxy);
}

static void a_connector_has_defaults(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(NULL, "[mux]\n" C "[native]\nurl = https://n/\n");
	const struct ConnectorConfig *c = find(config, "c");
	assert_string_equal(c->url, "https://c.example/mcp");
	assert_false(c->native);
	assert_false(c->by_admin);
	assert_string_equal(c->place.file, "user.ini");
	assert_int_equal(c->place.line, 2);
	assert_null(c->title);
	assert_string_equal(connector_title(c), "c");
	assert_int_equal(c->auth, AUTH_OAUTH);
	assert_string_equal(c->prefix, "c");
	assert_int_equal(c->prefix_place.line, 2);
	for (unsigned i = 0; i < ALLOW_KINDS; i++) {
		assert_false(c->allowed[i].set);
		assert_false(c->narrowed[i].set);
	}
	assert_true(c->default_all);
	assert_null(c->allowed_users);
	assert_null(c->scope);
	assert_null(c->client_id);
	assert_null(c->client_metadata_url);
	assert_string_equal(c->redirect_host, "127.0.0.1");
	assert_int_equal(c->redirect_port, 0);
	assert_true(c->resource_parameter);
	assert_string_equal(c->api_key_header, "Authorization");
	assert_string_equal(c->api_key_prefix, "Bearer ");
	assert_int_equal(c->headers->len, 0);
	assert_true(c->enabled);
	assert_null(c->enabled_place.file);
	assert_int_equal(c->toggles->len, 0);
	const struct ConnectorConfig *native = config->connectors->pdata[0];
	assert_string_equal(native->name, "native");
	assert_true(native->native);
	assert_true(native->default_all);
	assert_string_equal(native->prefix, "");
	assert_null(config_find(config, "d"));
}

static void reads_every_key_of_a_connector(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(NULL,
		"[connector:a-1]\ntitle = A One\ndescription = \"x ; y\"\n"
		"url = https://a.example:8443/mcp?x=1\n; auth says which of these count\nprefix = "
		"A_1-\n"
		"allowed_tools = search, get-*,   ; two\n  @read-only\n  @all,\n"
		"allowed_prompts = @non-destructive\nallowed_resources = file:///a?b=c*\n"
		"allowed_users = alice, @dev.elopers, CORP\\bob,\n  carol@corp\n"
		"scope = read write:x\nclient_id = id 1\n"
		"client_metadata_url = https://a.example/client.json\nredirect_host = localhost\n"
		"redirect_port = 65535\nresource_parameter = off\napi_key_header = X-Key\n"
		"api_key_prefix = \"Key \"\nheader.X-A = 1\nheader.x-b = \"a ; b\"\n"
		"enabled = off\n");
	const struct ConnectorConfig *a = find(config, "a-1");
	assert_string_equal(connector_title(a), "A One");
	assert_string_equal(a->description, "x ; y");
	assert_string_equal(a->url, "https://a.example:8443/mcp?x=1");
	assert_int_equal(a->auth, AUTH_OAUTH);
	assert_string_equal(a->prefix, "A_1-");
	assert_int_equal(a->prefix_place.line, 6);
	expect_rules(&a->allowed[ALLOW_TOOLS], "search:7 get-*:7 @read-only:8 @all:9");
	assert_int_equal(a->allowed[ALLOW_TOOLS].place.line, 7);
	expect_rules(&a->allowed[ALLOW_PROMPTS], "@non-destructive:10");
	expect_rules(&a->allowed[ALLOW_RESOURCES], "file:///a?b=c*:11");
	assert_int_equal(a->allowed_users->len, 4);
	assert_string_equal(a->allowed_users->pdata[1], "@dev.elopers");
	assert_string_equal(a->allowed_users->pdata[2], "CORP\\bob");
	assert_string_equal(a->allowed_users->pdata[3], "carol@corp");
	assert_int_equal(a->allowed_users_place.line, 12);
	assert_string_equal(a->scope, "read write:x");
	assert_string_equal(a->client_id, "id 1");
	assert_string_equal(a->client_metadata_url, "https://a.example/client.json");
	assert_string_equal(a->redirect_host, "localhost");
	assert_int_equal(a->redirect_port, 65535);
	assert_false(a->resource_parameter);
	assert_string_equal(a->api_key_header, "X-Key");
	assert_string_equal(a->api_key_prefix, "Key ");
	assert_int_equal(a->headers->len, 2);
	const struct HeaderConfig *header = a->headers->pdata[1];
	assert_string_equal(header->name, "x-b");
	assert_string_equal(header->value, "a ; b");
	assert_int_equal(header->place.line, 23);
	assert_false(a->enabled);
	assert_int_equal(a->enabled_place.line, 24);
}

static void empty_values_mean_none_where_a_key_is_optional(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged(NULL, C "title =\ndescription =\nscope = ; x\nclient_id =\n"
			       "client_metadata_url =\nredirect_port =\n"
			       "api_key_prefix =\nallowed_tools =\n");
	const struct ConnectorConfig *c = find(config, "c");
	assert_null(c->title);
	assert_null(c->scope);
	assert_null(c->client_id);
	assert_null(c->client_metadata_url);
	assert_int_equal(c->redirect_port, 0);
	assert_string_equal(c->api_key_prefix, "");
	expect_rules(&c->allowed[ALLOW_TOOLS], "");
}

static void every_kind_of_auth_is_known(void **state)
{
	(void)state;
	const char *const names[] = {
		"oauth", "api-key", "port-credentials", "client-credentials", "none"};
	const enum AuthKind kinds[] = {AUTH_OAUTH, AUTH_API_KEY, AUTH_PORT_CREDENTIALS,
		AUTH_CLIENT_CREDENTIALS, AUTH_NONE};
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *text = g_strdup_printf(C "auth = %s\n", names[i]);
		g_autoptr(Config) config = merged(NULL, text);
		assert_int_equal(find(config, "c")->auth, kinds[i]);
	}
	refuse_key("auth = OAuth", "user.ini:3: auth = OAuth: expected oauth, api-key, "
				   "port-credentials, client-credentials or none");
}

static void an_api_keys_prefix_depends_on_its_header(void **state)
{
	(void)state;
	g_autoptr(Config) lower = merged(NULL, C "api_key_header = authorization\n");
	assert_string_equal(find(lower, "c")->api_key_prefix, "Bearer ");
	g_autoptr(Config) other = merged(NULL, C "api_key_header = X-API-Key\n");
	assert_string_equal(find(other, "c")->api_key_prefix, "");
}

static void numbers_are_whole_and_in_range(void **state)
{
	(void)state;
	refuse_mux("call_timeout = soon",
		"user.ini:2: call_timeout = soon: expected a whole number "
		"of seconds from 1 to 86400");
	const char *const bad[] = {"0", "86401", "-1", "+5", "1.5", "5s", "0x10", "010", "1e3",
		"4294967297", "99999999999999999999"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *line = g_strdup_printf("call_timeout = %s", bad[i]);
		g_autofree char *message =
			g_strdup_printf("user.ini:2: call_timeout = %s: expected a whole number of "
					"seconds from 1 to 86400",
				bad[i]);
		refuse_mux(line, message);
	}
	refuse_mux("list_timeout =",
		"user.ini:2: list_timeout =: expected a whole number of seconds from 1 to 600");
	refuse_mux("max_tool_name = 15",
		"user.ini:2: max_tool_name = 15: expected a whole number from 16 to 128");
	refuse_mux("max_message = 1025",
		"user.ini:2: max_message = 1025: expected a whole number of MiB from 1 to 1024");
	refuse_key("redirect_port = 65536",
		"user.ini:3: redirect_port = 65536: expected a port from 1 to 65535, or nothing");
}

static void switches_and_choices_are_not_guessed(void **state)
{
	(void)state;
	refuse_mux("builtin_tools = yes", "user.ini:2: builtin_tools = yes: expected on or off");
	refuse_mux("builtin_tools =", "user.ini:2: builtin_tools =: expected on or off");
	refuse_mux("audit = On", "user.ini:2: audit = On: expected on, off or required");
	refuse_mux("audit = on # always", "user.ini:2: audit = on # always: expected on, off or "
					  "required (behind a value a comment begins with `;`)");
	refuse_mux("sign_in = ask", "user.ini:2: sign_in = ask: expected elicit, browser or never");
	refuse_key("redirect_host = ::1",
		"user.ini:3: redirect_host = ::1: expected 127.0.0.1 or localhost");
	refuse_key("enabled = false", "user.ini:3: enabled = false: expected on or off");
}

static void unknown_keys_get_a_suggestion_and_never_show_their_value(void **state)
{
	(void)state;
	refuse_mux("call-timeout = 3",
		"user.ini:2: call-timeout: an unknown key; expected one of [mux] (did you mean "
		"call_timeout?) (mcp-mux.ini.example shows them all)");
	refuse_mux("frobnicate = hunter2",
		"user.ini:2: frobnicate: an unknown key; expected one of "
		"[mux] (mcp-mux.ini.example shows them all)");
	refuse_mux("url = https://x",
		"user.ini:2: url: not a key of [mux]; expected it in [native] or [connector:NAME]");
	refuse_key("call_timeout = 3",
		"user.ini:3: call_timeout: not a key of [connector:c]; expected it in [mux]");
	refuse_key("client_secret = hunter2",
		"user.ini:3: client_secret: not a key; expected secrets in the keyring alone "
		"(`mcp-mux connect NAME` asks for them)");
	refuse_key("Header.X = 1", "user.ini:3: Header.X: an unknown key; expected one of "
				   "[connector:c] (mcp-mux.ini.example shows them all)");
	g_autofree char *name = g_strnfill(200, 'k');
	g_autofree char *line = g_strdup_printf("%s = 1", name);
	g_autofree char *message =
		g_strdup_printf("user.ini:2: %s: an unknown key; expected one of [mux] "
				"(mcp-mux.ini.example shows them all)",
			name);
	refuse_mux(line, message);
}

static void unknown_sections_and_names_are_refused(void **state)
{
	(void)state;
	refuse("[max]\n", "user.ini:1: [max]: an unknown section; expected [mux], [native], "
			  "[connector:NAME] or [tools:NAME] (did you mean mux?)");
	refuse("[notion]\n", "user.ini:1: [notion]: an unknown section; expected [mux], [native], "
			     "[connector:NAME] or [tools:NAME]");
	refuse("[conector:a]\n", "user.ini:1: [conector:a]: an unknown section; expected [mux], "
				 "[native], [connector:NAME] or [tools:NAME] (did you mean "
				 "connector?)");
	refuse("[tool]\n", "user.ini:1: [tool]: an unknown section; expected [mux], [native], "
			   "[connector:NAME] or [tools:NAME] (did you mean tools?)");
	const char *const bad[] = {"", "A", "1a", "-a", "a_b", "a.b", "mcp_mux", "a:b",
		"abcdefghijabcdefghijabcdefghijab"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text = g_strdup_printf("\n[connector:%s]\n", bad[i]);
		g_autofree char *message = g_strdup_printf(
			"user.ini:2: [connector:%s]: a name that no connector can have; expected 1 "
			"to 31 lower-case letters, digits or `-`, beginning with a letter",
			bad[i]);
		refuse(text, message);
	}
	refuse("[connector:native]\n", "user.ini:1: [connector:native]: a name that stands for the "
				       "native upstream; expected [native]");
	refuse("[tools:A]\n",
		"user.ini:1: [tools:A]: a name that no connector can have; expected 1 to 31 "
		"lower-case letters, digits or `-`, beginning with a letter");
	g_autoptr(Config) config = merged(NULL, "[connector:abcdefghijabcdefghijabcdefghija]\n"
						"url = https://a/\n");
	assert_int_equal(config->connectors->len, 1);
}

static void what_the_ini_layer_refuses_is_refused(void **state)
{
	(void)state;
	refuse("[mux]\naudit = on\naudit = off\n",
		"user.ini:3: audit for the second time in [mux]; expected it on line 2 alone");
	refuse_both("[mux\n", "", "admin.ini:1: a section without its `]`; expected [NAME]");
}

static void only_lists_may_continue(void **state)
{
	(void)state;
	refuse("[mux]\nca_file = /a\n\n  /b\n",
		"user.ini:4: an indented line below ca_file; expected such lines only below keys "
		"that are lists (allowed_tools, allowed_prompts, allowed_resources, "
		"allowed_users)");
	refuse_key("title = A\n  B",
		"user.ini:4: an indented line below title; expected such lines only below keys "
		"that "
		"are lists (allowed_tools, allowed_prompts, allowed_resources, allowed_users)");
	refuse_key("header.x = A\n  B",
		"user.ini:3: header.x: a value of several lines; expected it on one line");
	refuse(C "[tools:c]\na = on\n  off\n", "user.ini:4: a = on, off: expected on or off");
	refuse_key("allowed_tools = a,\n  prefix = x",
		"user.ini:4: allowed_tools: an indented line that looks like another key; expected "
		"it to begin at the margin");
}

static void lists_hold_names_between_commas(void **state)
{
	(void)state;
	refuse_key("allowed_tools = a,, b",
		"user.ini:3: allowed_tools: nothing between two commas; "
		"expected names separated by commas");
	refuse_key("allowed_tools = a\n  , b", "user.ini:4: allowed_tools: nothing between two "
					       "commas; expected names separated by "
					       "commas");
	refuse_key("allowed_tools = search fetch",
		"user.ini:3: allowed_tools = search fetch: expected a comma between two names (`?` "
		"stands for a space inside one)");
	refuse_key("allowed_tools = a,\n  @readonly",
		"user.ini:4: allowed_tools = @readonly: expected @all, @read-only or "
		"@non-destructive (did you mean @read-only?)");
	refuse_key("allowed_prompts = @x", "user.ini:3: allowed_prompts = @x: expected @all, "
					   "@read-only or @non-destructive");
	refuse_key("allowed_users = @", "user.ini:3: allowed_users = @: expected a user's name, or "
					"a group's with `@` before it, separated by commas");
	refuse_key("allowed_users = al*",
		"user.ini:3: allowed_users = al*: expected a user's name, "
		"or a group's with `@` before it, separated by commas");
	g_autofree char *name = g_strnfill(2049, 'n');
	g_autofree char *line = g_strdup_printf("allowed_tools = %s", name);
	g_autofree char *shown = g_strnfill(60, 'n');
	g_autofree char *message = g_strdup_printf(
		"user.ini:3: allowed_tools = %s…: expected at most 2048 bytes a name", shown);
	refuse_key(line, message);
}

static void urls_are_checked_and_never_shown(void **state)
{
	(void)state;
	refuse("[connector:c]\ntitle = C\n",
		"user.ini:1: [connector:c] has no url; expected url = https://…");
	refuse("[native]\n", "user.ini:1: [native] has no url; expected url = https://…");
	const struct {
		const char *url, *why;
	} bad[] = {
		{"", "it is no URL"},
		{"ftp://a/", "its scheme is neither http nor https"},
		{"https:///a", "it names no host"},
		{"https://u:hunter2@a/", "it holds user information"},
		{"https://a/#b", "it holds a fragment"},
		{"https://a/b c", "it holds a space or control character"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text = g_strdup_printf("[connector:c]\nurl = %s\n", bad[i].url);
		g_autofree char *message = g_strdup_printf(
			"user.ini:2: url: not a URL that can be used: %s; expected one such as "
			"https://mcp.example.com/mcp",
			bad[i].why);
		refuse(text, message);
	}
	g_autofree char *path = g_strnfill(2048, 'p');
	g_autofree char *longer = g_strdup_printf("[connector:c]\nurl = https://a/%s\n", path);
	refuse(longer, "user.ini:2: url: a URL of more than 2048 bytes; expected a shorter one");
}

static void plain_http_needs_this_machine_or_no_credentials(void **state)
{
	(void)state;
	const char *const good[] = {"http://localhost:8000/mcp", "http://127.0.0.1/",
		"http://[::1]:1/", "http://127.9.9.9/", "http://LOCALHOST/", "HTTPS://a/"};
	for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *text = g_strdup_printf("[connector:c]\nurl = %s\n", good[i]);
		g_autoptr(Config) config = merged(NULL, text);
		assert_string_equal(find(config, "c")->url, good[i]);
	}
	const char *const bad[] = {"http://a.example/", "http://localhost.example/",
		"http://128.0.0.1/", "http://[::2]/", "http://127.0.0.1.example/",
		"http://0.0.0.0/"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text =
			g_strdup_printf("[connector:c]\ntitle = C\nurl = %s\n", bad[i]);
		refuse(text, "user.ini:3: url: plain http would show credentials to the network; "
			     "expected https, or auth = none, or a server on this machine "
			     "(127.0.0.1, [::1], localhost)");
	}
	g_autoptr(Config) config =
		merged(NULL, "[connector:c]\nurl = http://a.example/\nauth = none\n");
	assert_int_equal(config->connectors->len, 1);
}

static void other_texts_have_their_forms(void **state)
{
	(void)state;
	refuse_mux("ca_file = ca.pem", "user.ini:2: ca_file = ca.pem: expected an absolute path, "
				       "such as /etc/ssl/our-ca.pem");
	const char *const proxies[] = {"proxy:3128", "ftp://p/", "http://", "http://p q/", "p"};
	for (unsigned i = 0; i < G_N_ELEMENTS(proxies); i++) {
		g_autofree char *line = g_strdup_printf("proxy = %s", proxies[i]);
		refuse_mux(line, "user.ini:2: proxy: not a proxy's URL; expected http, https, "
				 "socks4, socks4a, socks5 or socks5h and a host, such as "
				 "http://proxy.example.com:3128");
	}
	refuse_mux("proxy = http://u:hunter2@p:3128",
		"user.ini:2: proxy: it holds user information; "
		"expected a proxy without a password");
	refuse_key("scope = a  b",
		"user.ini:3: scope = a  b: expected scopes separated by single spaces");
	refuse_key("scope = a\\b",
		"user.ini:3: scope = a\\b: expected scopes separated by single spaces");
	refuse_key("client_id = \xc3\xa4", "user.ini:3: client_id: not a client's id; expected "
					   "visible ASCII characters, at most 2048");
	refuse_key("client_metadata_url = http://a.example/c",
		"user.ini:3: client_metadata_url: plain http; expected an https "
		"URL");
	refuse_key("client_metadata_url = x",
		"user.ini:3: client_metadata_url: not a URL that can be used: it is no URL; "
		"expected one such as https://mcp.example.com/mcp");
	refuse_key("api_key_header = X Key", "user.ini:3: api_key_header = X Key: expected the "
					     "name of a request header, such as "
					     "Authorization or X-API-Key");
	refuse_key("api_key_header = Host",
		"user.ini:3: api_key_header = Host: expected a header that mcp-mux does not set "
		"itself");
	refuse_key("api_key_prefix = \xc3\xa4",
		"user.ini:3: api_key_prefix: not a prefix of a header's value; expected ASCII text "
		"such as \"Bearer \", or nothing");
	g_autofree char *text = g_strnfill(201, 't');
	g_autofree char *line = g_strdup_printf("title = %s", text);
	g_autofree char *shown = g_strnfill(60, 't');
	g_autofree char *message = g_strdup_printf(
		"user.ini:3: title = %s…: expected at most 200 bytes of text", shown);
	refuse_key(line, message);
}

static void headers_carry_no_secret_and_none_of_our_own(void **state)
{
	(void)state;
	const char *const own[] = {"Mcp-Session-Id", "mcp-protocol-version", "MCP-Method",
		"mcp-name", "Mcp-Param-X", "Content-Type", "content-length", "Accept", "Host",
		"Connection", "Transfer-Encoding", "Last-Event-ID"};
	for (unsigned i = 0; i < G_N_ELEMENTS(own); i++) {
		g_autofree char *line = g_strdup_printf("header.%s = 1", own[i]);
		g_autofree char *message =
			g_strdup_printf("user.ini:3: header.%s: a header that mcp-mux sets itself; "
					"expected any other one",
				own[i]);
		refuse_key(line, message);
	}
	refuse_key("header.AUTHORIZATION = Bearer hunter2",
		"user.ini:3: header.AUTHORIZATION: a header that carries a secret; expected `auth "
		"= "
		"api-key` with `api_key_header = AUTHORIZATION`, and the key in the keyring "
		"(`mcp-mux connect NAME` asks for it)");
	refuse_key("header.Cookie = hunter2",
		"user.ini:3: header.Cookie: a header that carries secrets; expected a server that "
		"needs no cookies");
	refuse_key("header. = 1",
		"user.ini:3: header.: not a header's name; expected header.NAME with the letters, "
		"digits and signs that HTTP allows");
	refuse_key("header.a?b = 1",
		"user.ini:3: header.a?b: not a header's name; expected header.NAME with the "
		"letters, digits and signs that HTTP allows");
	refuse_key("header.a =",
		"user.ini:3: header.a: not a header's value; expected 1 to 8192 bytes without "
		"control characters or white space at the ends");
	refuse_key("header.a = \" x\"",
		"user.ini:3: header.a: not a header's value; expected 1 to 8192 bytes without "
		"control characters or white space at the ends");
}

static void prefixes_are_legal_and_unique(void **state)
{
	(void)state;
	const char *form = "expected 1 to 64 letters, digits, `_` or `-`, without `_` at the end";
	const char *const bad[] = {"a.b", "a_", "\xc3\xa4"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *line = g_strdup_printf("prefix = %s", bad[i]);
		g_autofree char *message =
			g_strdup_printf("user.ini:3: prefix = %s: %s", bad[i], form);
		refuse_key(line, message);
	}
	refuse_key("prefix =",
		"user.ini:3: prefix =: expected 1 to 64 letters, digits, `_` or `-`, "
		"without `_` at the end");
	refuse_key("prefix = mcp_mux",
		"user.ini:3: prefix = mcp_mux: expected another prefix: this "
		"one is of mcp-mux's own tools");
	refuse_key("prefix = a__b", "user.ini:3: the prefix a__b of the connector c holds the "
				    "separator __; expected one without it");
	refuse(C "[connector:d]\nurl = https://d/\nprefix = c\n",
		"user.ini:5: the prefix c of two connectors, c and d; expected a `prefix` of its "
		"own for each (the other is user.ini:1)");
	refuse("[native]\nurl = https://n/\nprefix = n\n",
		"user.ini:3: prefix: not a key of [native], whose tools keep their own names; "
		"expected it in [connector:NAME]");
	refuse("[mux]\nseparator = -\n[connector:a-b]\nurl = https://a/\n",
		"user.ini:3: the prefix a-b of the connector a-b holds the separator -; expected "
		"one without it (the other is user.ini:2)");
	g_autoptr(Config) config = merged(NULL,
		"[mux]\nseparator = -\n[connector:a-b]\nurl = https://a/\nprefix = a_b\n"
		"[connector:c]\nurl = https://c/\nprefix = A_b\n");
	assert_string_equal(find(config, "a-b")->prefix, "a_b");
	refuse_mux("separator = ..", "user.ini:2: separator = ..: expected 1 to 8 letters, digits, "
				     "`_` or `-`, such as __");
	refuse_mux("separator = 123456789", "user.ini:2: separator = 123456789: expected 1 to 8 "
					    "letters, digits, `_` or `-`, such as __");
	refuse_mux("separator =",
		"user.ini:2: separator =: expected 1 to 8 letters, digits, `_` or "
		"`-`, such as __");
}

static void toggles_keep_their_order_and_lines(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged(NULL, "[tools:c]\ncreate-page = off\ndelete_* = off ; all\n"
			     "get.page?x = on\n" C "[native]\nurl = https://n/\n"
			     "[tools:native]\n");
	const struct ConnectorConfig *c = find(config, "c");
	assert_int_equal(c->toggles->len, 3);
	const struct Toggle *toggle = c->toggles->pdata[1];
	assert_string_equal(toggle->pattern, "delete_*");
	assert_false(toggle->on);
	assert_string_equal(toggle->place.file, "user.ini");
	assert_int_equal(toggle->place.line, 3);
	toggle = c->toggles->pdata[2];
	assert_true(toggle->on);
	refuse(C "[tools:c]\na = true\n", "user.ini:4: a = true: expected on or off");
	refuse(C "[tools:c]\na/b = on\n",
		"user.ini:4: a key that cannot be; expected a key of letters, digits, `_`, `-`, "
		"`.`, `*` and `?`");
	refuse(C "[tools:c]\na+b = on\n",
		"user.ini:4: a+b: not a pattern of tools; expected letters, digits, `_`, `.`, `-`, "
		"`*` and `?` (which stands for any other character)");
}

static void toggles_of_nothing_are_refused_in_a_lone_file(void **state)
{
	(void)state;
	refuse("[tools:d]\na = off\n", "user.ini:1: [tools:d]: no section defines that connector; "
				       "expected [connector:d] in this file too");
	refuse("[connector:notion]\nurl = https://n/\n[tools:notoin]\n",
		"user.ini:3: [tools:notoin]: no section defines that connector; expected "
		"[connector:notoin] in this file too (did you mean notion?)");
	refuse("[tools:native]\n", "user.ini:1: [tools:native]: no section defines that connector; "
				   "expected [native] in this file too");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_at_all_gives_the_defaults),
		cmocka_unit_test(reads_every_key_of_mux),
		cmocka_unit_test(a_connector_has_defaults),
		cmocka_unit_test(reads_every_key_of_a_connector),
		cmocka_unit_test(empty_values_mean_none_where_a_key_is_optional),
		cmocka_unit_test(every_kind_of_auth_is_known),
		cmocka_unit_test(an_api_keys_prefix_depends_on_its_header),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(switches_and_choices_are_not_guessed),
		cmocka_unit_test(unknown_keys_get_a_suggestion_and_never_show_their_value),
		cmocka_unit_test(unknown_sections_and_names_are_refused),
		cmocka_unit_test(what_the_ini_layer_refuses_is_refused),
		cmocka_unit_test(only_lists_may_continue),
		cmocka_unit_test(lists_hold_names_between_commas),
		cmocka_unit_test(urls_are_checked_and_never_shown),
		cmocka_unit_test(plain_http_needs_this_machine_or_no_credentials),
		cmocka_unit_test(other_texts_have_their_forms),
		cmocka_unit_test(headers_carry_no_secret_and_none_of_our_own),
		cmocka_unit_test(prefixes_are_legal_and_unique),
		cmocka_unit_test(toggles_keep_their_order_and_lines),
		cmocka_unit_test(toggles_of_nothing_are_refused_in_a_lone_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
