/* Two values for every key, which are neither its default nor at odds with another key's. */
#ifndef MCP_MUX_TESTS_CONFIG_SAMPLES_H
#define MCP_MUX_TESTS_CONFIG_SAMPLES_H

#include "format/config_parts.h"

struct Sample {
	const char *one, *two;
	bool reaches; /* a connector's key: it is part of how the server is reached */
};

static const struct Sample mux_samples[] = {
	[MUX_SEPARATOR] = {"-x-", "-y-"},
	[MUX_MAX_TOOL_NAME] = {"100", "101"},
	[MUX_LIST_TIMEOUT] = {"7", "8"},
	[MUX_CONNECT_TIMEOUT] = {"7", "8"},
	[MUX_CALL_TIMEOUT] = {"7", "8"},
	[MUX_CALL_LIMIT] = {"4000", "5000"},
	[MUX_MAX_MESSAGE] = {"70", "80"},
	[MUX_MAX_RESULT] = {"7", "8"},
	[MUX_AUDIT] = {"required", "off"},
	[MUX_AUDIT_ARGUMENTS] = {"full", "none"},
	[MUX_AUDIT_SYSLOG] = {"on", "off"},
	[MUX_BUILTIN_TOOLS] = {"off", "on"},
	[MUX_SIGN_IN] = {"never", "browser"},
	[MUX_PIN_TOOLS] = {"block", "off"},
	[MUX_USER_CONNECTORS] = {"on", "off"},
	[MUX_CA_FILE] = {"/a", "/b"},
	[MUX_PROXY] = {"http://a:1", "http://b:1"},
};
_Static_assert(G_N_ELEMENTS(mux_samples) == MUX_KEYS, "a key of [mux] has no sample");

static const struct Sample connector_samples[] = {
	[CONNECTOR_TITLE] = {"A", "B", false},
	[CONNECTOR_DESCRIPTION] = {"A", "B", false},
	[CONNECTOR_URL] = {"https://a.example/", "https://b.example/", true},
	[CONNECTOR_AUTH] = {"api-key", "none", true},
	[CONNECTOR_PREFIX] = {"a", "b", false},
	[CONNECTOR_ALLOWED_TOOLS] = {"a, @read-only", "b", false},
	[CONNECTOR_ALLOWED_PROMPTS] = {"a", "b", false},
	[CONNECTOR_ALLOWED_RESOURCES] = {"a", "b", false},
	[CONNECTOR_ALLOWED_USERS] = {"alice", "alice, @b", false},
	[CONNECTOR_SCOPE] = {"a", "b", true},
	[CONNECTOR_CLIENT_ID] = {"a", "b", true},
	[CONNECTOR_CLIENT_METADATA_URL] = {"https://a.example/c", "https://b.example/c", true},
	[CONNECTOR_REDIRECT_HOST] = {"localhost", "127.0.0.1", true},
	[CONNECTOR_REDIRECT_PORT] = {"1", "2", true},
	[CONNECTOR_RESOURCE_PARAMETER] = {"off", "on", true},
	[CONNECTOR_API_KEY_HEADER] = {"X-A", "X-B", true},
	[CONNECTOR_API_KEY_PREFIX] = {"A", "B", true},
	[CONNECTOR_ENABLED] = {"off", "on", false},
};
_Static_assert(G_N_ELEMENTS(connector_samples) == CONNECTOR_KEYS,
	"a key of [connector:NAME] has no sample");

#endif
