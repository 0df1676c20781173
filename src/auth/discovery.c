/* Three stages, each a list of places that are asked in order: the connector itself (unless a challenge was
 * given), the metadata of the resource, the metadata of the authorization server. One request is under way
 * at a time; one timer bounds it all.
 *
 * What a place's answer means (the RFCs define success alone: 200 and the document):
 *   a document    it is used, or, where anything in it is wrong, the discovery ends: a wrong `resource` or `issuer`
 *                 is what an attack looks like, and must not be got round by looking elsewhere
 *   nothing       4xx, 501, a page for people (also behind a redirect to another host): the next place is asked.
 *                 Servers without metadata answer so to any path, 401 and 200 included
 *   no telling    408, 425, 429, 5xx: the next place is asked, whose documents are checked just as well; but
 *                 if nothing is found, that is an error, since an outage is no reason to fall back to what an
 *                 older revision would do
 *   no answer     the discovery ends
 * A place that the challenge named must answer with a document or 4xx. After 4xx the well-known places are asked
 * (they are the connector's own), but never the fallbacks of 2025-03-26, whose servers name nothing.
 *
 * The fallbacks: without metadata of the resource, or with one that lists no authorization server, the
 * connector's origin is the issuer. Its document must then be one whose issuer makes this very place: the
 * origin, with or without a slash after it. Without that document, and without any metadata of the resource, the
 * endpoints of 2025-03-26 are assumed.
 *
 * Trusts nothing that it reads. A server decides which hosts are asked, so (MCP, "Security Best Practices",
 * server-side request forgery; RFC 9728, 7.7) only GETs without credentials are sent, over https, where
 * a certificate for the name is needed before a byte is sent, so that neither plain services of the local network
 * nor names that change their address can be reached; redirects stay within their origin; and only a connector
 * that is on the loopback itself may lead to the loopback, be it a document or an endpoint. Private addresses are
 * not refused otherwise: an organisation's own servers have them. Bodies never get into messages.
 *
 * Metadata of the resource may lie at another origin than the connector's, as may the endpoints of an
 * authorization server: what binds them is `resource` and `issuer`. */
#include "auth/discovery.h"

#include "auth/fetch.h"
#include "base/error.h"
#include "base/text.h"
#include "format/json.h"
#include "format/url.h"

enum {
	SHOWN_BYTES = 300, /* of a peer's URL in a message */
	ASK_BYTES = 64 * 1024,
};

#define OAUTH_SERVER "oauth-authorization-server"
#define OPENID "openid-configuration"
#define OAUTH_RESOURCE "oauth-protected-resource"

#define INITIALIZE                                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"                     \
	"\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"                                  \
	"\"clientInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION "\"}}}"

/* Servers that let anybody open a session want a credential for what comes after it. */
#define LIST_LEGACY "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}"
#define LIST_MODERN                                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{\"_meta\":{"          \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                              \
	"\"io.modelcontextprotocol/"                                                               \
	"clientInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION                        \
	"\"},\"io.modelcontextprotocol/clientCapabilities\":{}}}}"

enum Stage { STAGE_ASK, STAGE_RESOURCE, STAGE_SERVER };

struct Discovery {
	const struct AuthShared *shared;
	char *url; /* the connector's */
	bool resource_parameter;
	struct HttpHeaders *headers; /* that its configuration adds */
	char *stored_issuer;
	DiscoveryDone *done;
	void *user;
	struct Discovered found;
	enum Stage stage;
	GPtrArray *places; /* char *: of this stage */
	guint place; /* the one that is asked */
	bool named; /* the first place of STAGE_RESOURCE came with the challenge */
	bool has_resource; /* its metadata was found */
	char *resource; /* what it says, as it stands */
	char *issuer; /* that the places of STAGE_SERVER were made of; NULL: the connector's origin */
	GString *tried; /* places of this stage and what they said */
	GError *doubt; /* of the first place that could not tell */
	struct Fetch *fetch; /* NULL: none is under way */
	struct LoopTimer begin, limit;
	bool ended; /* DONE is being called */
};

void discovered_release(struct Discovered *discovered)
{
	server_metadata_release(&discovered->server);
	g_free(discovered->resource);
	g_free(discovered->resource_scopes);
	challenge_free(discovered->challenge);
	*discovered = (struct Discovered){0};
}

static void discovery_free(struct Discovery *discovery)
{
	fetch_cancel(discovery->fetch);
	loop_timer_stop(&discovery->begin);
	loop_timer_stop(&discovery->limit);
	http_headers_unref(discovery->headers);
	discovered_release(&discovery->found);
	g_ptr_array_unref(discovery->places);
	g_string_free(discovery->tried, TRUE);
	g_clear_error(&discovery->doubt);
	g_free(discovery->url);
	g_free(discovery->stored_issuer);
	g_free(discovery->resource);
	g_free(discovery->issuer);
	g_free(discovery);
}

/* ---- the end ---- */

static void finish(struct Discovery *discovery, const GError *error)
{
	discovery->ended = true;
	discovery->done(error ? NULL : &discovery->found, error, discovery->user);
	discovery_free(discovery);
}

/* Takes ERROR over. */
static void fail(struct Discovery *discovery, GError *error)
{
	finish(discovery, error);
	g_error_free(error);
}

static void succeed(struct Discovery *discovery)
{
	struct Discovered *found = &discovery->found;
	if (discovery->resource_parameter)
		found->resource = discovery->resource ? g_strdup(discovery->resource)
						      : url_canonical(discovery->url);
	finish(discovery, NULL);
}

/* ---- places ---- */

static const char *current_place(const struct Discovery *discovery)
{
	return discovery->places->pdata[discovery->place];
}

static bool is_named(const struct Discovery *discovery)
{
	return discovery->stage == STAGE_RESOURCE && discovery->named && discovery->place == 0;
}

/* A peer's URL for a message, without its query, which may be somebody's secret. */
static char *show(const char *url)
{
	return text_printable((struct Slice){url, strcspn(url, "?#")}, SHOWN_BYTES);
}

static const char *document_name(const struct Discovery *discovery)
{
	return discovery->stage == STAGE_RESOURCE ? "the resource's metadata"
						  : "the authorization server's metadata";
}

/* Ends with what a parser said of the document, which it names itself. Takes ERROR over. */
static void fail_document(struct Discovery *discovery, GError *error)
{
	g_autofree char *place = show(current_place(discovery));
	g_prefix_error(&error, "%s: ", place);
	fail(discovery, error);
}

/* Puts before ERROR's message what was asked for and where. */
static GError *about_place(const struct Discovery *discovery, GError *error)
{
	g_autofree char *place = show(current_place(discovery));
	g_prefix_error(&error, "%s at %s: ", document_name(discovery), place);
	return error;
}

G_GNUC_PRINTF(2, 3)
static void refuse(struct Discovery *discovery, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	GError *error = g_error_new_valist(MUX_ERROR, MUX_ERROR_UPSTREAM, format, args);
	va_end(args);
	fail(discovery, about_place(discovery, error));
}

static void begin_stage(struct Discovery *discovery, enum Stage stage)
{
	discovery->stage = stage;
	discovery->place = 0;
	g_ptr_array_set_size(discovery->places, 0);
	g_string_truncate(discovery->tried, 0);
	g_clear_error(&discovery->doubt);
}

/* Takes URL over; a place that is there already is not asked twice. */
static void add_place(struct Discovery *discovery, char *url)
{
	if (g_ptr_array_find_with_equal_func(discovery->places, url, g_str_equal, NULL))
		g_free(url);
	else
		g_ptr_array_add(discovery->places, url);
}

static bool may_lead_to(const struct Discovery *discovery, const char *url)
{
	return !url || !url_is_loopback(url) || url_is_loopback(discovery->url);
}

static void on_document(const struct FetchResult *result, void *user);
static void on_exhausted(struct Discovery *discovery);

/* MCP 2025-03-26, "Server Metadata Discovery Headers". */
static struct HttpHeaders *fallback_headers(void)
{
	struct HttpHeaders *headers = http_headers_new();
	g_autoptr(GError) error = NULL;
	if (!http_headers_add(headers, "MCP-Protocol-Version", "2025-03-26", &error))
		g_warn_if_reached();
	return headers;
}

static void ask_place(struct Discovery *discovery)
{
	if (discovery->place == discovery->places->len) {
		on_exhausted(discovery);
		return;
	}
	const char *url = current_place(discovery);
	if (!may_lead_to(discovery, url)) {
		refuse(discovery, "a server on the network must not lead to this machine");
		return;
	}
	bool fallback = discovery->stage == STAGE_SERVER && !discovery->issuer;
	struct HttpHeaders *headers = fallback ? fallback_headers() : NULL;
	const struct FetchSpec spec = {
		.method = HTTP_GET,
		.url = url,
		.headers = headers,
		.max_body = FETCH_DOCUMENT_BYTES,
	};
	discovery->fetch = fetch_start(discovery->shared, &spec, on_document, discovery);
	http_headers_unref(headers);
}

/* ---- the authorization server ---- */

static void seek_server(struct Discovery *discovery, const char *issuer)
{
	begin_stage(discovery, STAGE_SERVER);
	discovery->issuer = g_strdup(issuer);
	g_autofree char *base = issuer ? g_strdup(issuer) : url_origin(discovery->url);
	add_place(discovery, url_well_known(base, OAUTH_SERVER, WELL_KNOWN_INSERTED));
	add_place(discovery, url_well_known(base, OPENID, WELL_KNOWN_INSERTED));
	/* The same as the second where the issuer has no path. */
	add_place(discovery, url_well_known(base, OPENID, WELL_KNOWN_APPENDED));
	ask_place(discovery);
}

/* Whether ISSUER is the connector's origin and nothing more. */
static bool is_origin(const struct Discovery *discovery, const char *issuer)
{
	g_autofree char *origin = url_origin(discovery->url);
	return url_covers(issuer, origin);
}

/* The first endpoint of SERVER that a server on the network must not name; NULL: none. */
static const char *find_forbidden(
	const struct Discovery *discovery, const struct ServerMetadata *server)
{
	const char *const endpoints[] = {server->authorization_endpoint, server->token_endpoint,
		server->registration_endpoint, server->revocation_endpoint};
	for (unsigned i = 0; i < G_N_ELEMENTS(endpoints); i++) {
		if (!may_lead_to(discovery, endpoints[i]))
			return endpoints[i];
	}
	return NULL;
}

static void read_server(struct Discovery *discovery, struct Slice json)
{
	struct ServerMetadata *server = &discovery->found.server;
	GError *error = NULL;
	if (!server_metadata_parse(json, discovery->issuer, server, &error)) {
		fail_document(discovery, error);
		return;
	}
	const char *forbidden = find_forbidden(discovery, server);
	if (!discovery->issuer && !is_origin(discovery, server->issuer)) {
		g_autofree char *shown = show(server->issuer);
		refuse(discovery,
			"its issuer is %s, which is another one than the place is made for", shown);
	} else if (forbidden) {
		g_autofree char *shown = show(forbidden);
		refuse(discovery,
			"an endpoint is %s, but a server on the network must not lead to this "
			"machine",
			shown);
	} else {
		succeed(discovery);
	}
}

static void on_no_server(struct Discovery *discovery)
{
	if (!discovery->has_resource && !discovery->issuer) {
		server_metadata_assume(discovery->url, &discovery->found.server);
		succeed(discovery);
		return;
	}
	g_autofree char *issuer = discovery->issuer ? show(discovery->issuer) : NULL;
	fail(discovery, g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
				"the server names %s%s, and no metadata of it was found: %s",
				issuer ? "the authorization server " : "no authorization server",
				issuer ? issuer : "", discovery->tried->str));
}

/* ---- the resource ---- */

static void seek_resource(struct Discovery *discovery)
{
	const struct Challenge *challenge = discovery->found.challenge;
	begin_stage(discovery, STAGE_RESOURCE);
	discovery->named = challenge && challenge->resource_metadata;
	if (discovery->named)
		add_place(discovery, g_strdup(challenge->resource_metadata));
	add_place(discovery, url_well_known(discovery->url, OAUTH_RESOURCE, WELL_KNOWN_INSERTED));
	/* The same where the connector has no path. */
	add_place(discovery, url_well_known(discovery->url, OAUTH_RESOURCE, WELL_KNOWN_ROOT));
	ask_place(discovery);
}

/* NULL: none is listed. */
static const char *choose_issuer(
	const struct Discovery *discovery, const struct ResourceMetadata *metadata)
{
	const GPtrArray *servers = metadata->servers;
	for (guint i = 0; discovery->stored_issuer && i < servers->len; i++) {
		if (strcmp(servers->pdata[i], discovery->stored_issuer) == 0)
			return servers->pdata[i];
	}
	return servers->len > 0 ? servers->pdata[0] : NULL;
}

static void read_resource(struct Discovery *discovery, struct Slice json)
{
	struct ResourceMetadata metadata = {0};
	GError *error = NULL;
	if (!resource_metadata_parse(json, &metadata, &error)) {
		fail_document(discovery, error);
		return;
	}
	if (url_covers(metadata.resource, discovery->url)) {
		discovery->has_resource = true;
		discovery->resource = g_steal_pointer(&metadata.resource);
		discovery->found.resource_scopes = g_steal_pointer(&metadata.scopes);
		seek_server(discovery, choose_issuer(discovery, &metadata));
	} else {
		g_autofree char *shown = show(metadata.resource);
		g_autofree char *own = show(discovery->url);
		refuse(discovery, "it is about %s, not about %s", shown, own);
	}
	resource_metadata_release(&metadata);
}

static void on_no_resource(struct Discovery *discovery)
{
	if (!discovery->named) {
		seek_server(discovery, NULL);
		return;
	}
	fail(discovery, g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
				"the server says where its metadata is, but none was found: %s",
				discovery->tried->str));
}

/* ---- what a place answers ---- */

static void on_exhausted(struct Discovery *discovery)
{
	if (discovery->doubt)
		fail(discovery, g_steal_pointer(&discovery->doubt));
	else if (discovery->stage == STAGE_RESOURCE)
		on_no_resource(discovery);
	else
		on_no_server(discovery);
}

static void ask_next(struct Discovery *discovery, const char *why)
{
	g_autofree char *place = show(current_place(discovery));
	g_string_append_printf(
		discovery->tried, "%s%s (%s)", discovery->tried->len > 0 ? ", " : "", place, why);
	discovery->place++;
	ask_place(discovery);
}

static bool is_no_telling(int status)
{
	return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

/* Whether JSON is meant to be a document of this stage, be it a good one or not: something else answers paths
 * that a server does not know. */
static bool is_document(const struct Discovery *discovery, struct Slice json)
{
	static const char *const resource[] = {"resource", "authorization_servers", NULL};
	static const char *const server[] = {
		"issuer", "authorization_endpoint", "token_endpoint", NULL};
	if (!json_validate(json, NULL))
		return false;
	const char *const *names = discovery->stage == STAGE_RESOURCE ? resource : server;
	for (; *names; names++) {
		if (json_get(json_root(json).raw, *names).type != JSON_NONE)
			return true;
	}
	return false;
}

static void on_status(struct Discovery *discovery, int status)
{
	bool busy = status == 429 || status == 503;
	g_autofree char *why = g_strdup_printf("HTTP %d", status);
	g_autoptr(GError) error = about_place(discovery,
		g_error_new_literal(MUX_ERROR, busy ? MUX_ERROR_BUSY : MUX_ERROR_UPSTREAM, why));
	bool absent = !is_no_telling(status);
	if (is_named(discovery) && (!absent || status / 100 != 4)) {
		fail(discovery, g_steal_pointer(&error));
		return;
	}
	if (!absent && !discovery->doubt)
		discovery->doubt = g_steal_pointer(&error);
	ask_next(discovery, why);
}

static void on_no_document(struct Discovery *discovery)
{
	if (is_named(discovery))
		refuse(discovery, "it is no such document");
	else
		ask_next(discovery, "no such document");
}

static void on_error(struct Discovery *discovery, const GError *error)
{
	bool redirected = g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM);
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE))
		on_no_document(discovery);
	else if (redirected && !is_named(discovery))
		ask_next(discovery, error->message);
	else
		fail(discovery, about_place(discovery, g_error_copy(error)));
}

static void on_document(const struct FetchResult *result, void *user)
{
	struct Discovery *discovery = user;
	discovery->fetch = NULL;
	if (result->error)
		on_error(discovery, result->error);
	else if (result->status != 200)
		on_status(discovery, result->status);
	else if (!is_document(discovery, result->body))
		on_no_document(discovery);
	else if (discovery->stage == STAGE_RESOURCE)
		read_resource(discovery, result->body);
	else
		read_server(discovery, result->body);
}

/* ---- the connector ---- */

static void ask_connector(struct Discovery *discovery, struct Slice question,
	struct HttpHeaders *headers, FetchDone *done)
{
	g_autoptr(Secret) body = secret_new(question);
	const struct FetchSpec spec = {
		.method = HTTP_POST,
		.url = discovery->url,
		.headers = headers,
		.accept = "application/json, text/event-stream",
		.content_type = "application/json",
		.body = body,
		.head_only = true, /* the rest may be a stream without an end */
		.max_body = ASK_BYTES,
	};
	discovery->fetch = fetch_start(discovery->shared, &spec, done, discovery);
}

/* Whatever it said: without a challenge the well-known places are asked. */
static void on_asked_again(const struct FetchResult *result, void *user)
{
	struct Discovery *discovery = user;
	discovery->fetch = NULL;
	discovery->found.challenge = challenge_parse(result->challenge);
	seek_resource(discovery);
}

/* An initialize that succeeds without a credential, or is not known, proves nothing of what comes after. */
static void ask_again(struct Discovery *discovery, const struct FetchResult *result)
{
	bool legacy = result->status >= 200 && result->status <= 299;
	struct HttpHeaders *headers = http_headers_copy(discovery->headers);
	g_autoptr(GError) error = NULL;
	bool good = http_headers_add(headers, "MCP-Protocol-Version",
			    legacy ? "2025-11-25" : "2026-07-28", &error) &&
		    (legacy || http_headers_add(headers, "Mcp-Method", "tools/list", &error)) &&
		    (!result->session ||
			    http_headers_add(headers, "Mcp-Session-Id", result->session, &error));
	if (good)
		ask_connector(discovery, legacy ? SLICE(LIST_LEGACY) : SLICE(LIST_MODERN), headers,
			on_asked_again);
	else
		seek_resource(discovery); /* a session id that no header can carry */
	http_headers_unref(headers);
}

static void on_asked(const struct FetchResult *result, void *user)
{
	struct Discovery *discovery = user;
	discovery->fetch = NULL;
	if (result->error) {
		finish(discovery, result->error);
		return;
	}
	discovery->found.challenge = challenge_parse(result->challenge);
	if (discovery->found.challenge || result->status == 401 || result->status == 403)
		seek_resource(discovery);
	else
		ask_again(discovery, result);
}

static void on_begin(void *user)
{
	struct Discovery *discovery = user;
	if (!url_is_secure(discovery->url))
		fail(discovery, g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM,
					"tokens are sent over https alone, and its url is http"));
	else if (discovery->found.challenge)
		seek_resource(discovery);
	else
		ask_connector(discovery, SLICE(INITIALIZE), discovery->headers, on_asked);
}

static void on_limit(void *user)
{
	struct Discovery *discovery = user;
	GError *error = g_error_new(MUX_ERROR, MUX_ERROR_TIMEOUT,
		"the way to its authorization server was not found within %d s",
		DISCOVERY_LIMIT_MS / 1000);
	if (discovery->stage != STAGE_ASK)
		error = about_place(discovery, error);
	fail(discovery, error);
}

static struct HttpHeaders *configured_headers(const struct ConnectorConfig *connector)
{
	struct HttpHeaders *headers = http_headers_new();
	for (guint i = 0; i < connector->headers->len; i++) {
		const struct HeaderConfig *header = connector->headers->pdata[i];
		g_autoptr(GError) error = NULL;
		if (!http_headers_add(headers, header->name, header->value, &error))
			g_warn_if_reached(); /* the configuration was checked */
	}
	return headers;
}

struct Discovery *discovery_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const struct Challenge *challenge,
	const char *stored_issuer, DiscoveryDone *done, void *user)
{
	struct Discovery *discovery = g_new0(struct Discovery, 1);
	discovery->shared = shared;
	discovery->url = g_strdup(connector->url);
	discovery->resource_parameter = connector->resource_parameter;
	discovery->headers = configured_headers(connector);
	discovery->stored_issuer = g_strdup(stored_issuer);
	discovery->done = done;
	discovery->user = user;
	discovery->found.challenge = challenge_copy(challenge);
	discovery->places = g_ptr_array_new_with_free_func(g_free);
	discovery->tried = g_string_new(NULL);
	loop_timer_start(shared->loop, &discovery->begin, 0, on_begin, discovery);
	loop_timer_start(shared->loop, &discovery->limit, DISCOVERY_LIMIT_MS, on_limit, discovery);
	return discovery;
}

void discovery_cancel(struct Discovery *discovery)
{
	if (discovery && !discovery->ended)
		discovery_free(discovery);
}
