/* The authorization server of the demo. One lock is held while a request to it is answered; nothing in it blocks.
 *
 *   client   made by POST /register; may be sent back to the exact redirect URIs that it named
 *   visit    a person at the consent page (GET /authorize), known by an unguessable handle in its form; the form
 *            (POST /consent) ends it with a code, or with access_denied
 *   code     good once, for a minute, for the client that has the PKCE verifier. A second use ends the
 *            grant that the first one began
 *   grant    one access token and one refresh token, both replaced by each renewal; an old refresh token that comes
 *            back ends the grant, as does a revocation
 *
 * Everything stays in memory until the process ends. */
#include "login.h"

#include <sys/random.h>

#define SCOPES "issues:read issues:write"
#define ACCOUNT "Ada at Example"

enum { CODE_SECONDS = 60, RANDOM_BYTES = 24 };

struct Client {
	char *id, *name;
	char **redirect_uris;
};

struct Grant {
	const struct Client *client;
	char *scope;
	char *access_token, *refresh_token; /* the newest; NULL: ended */
	gint64 access_ends; /* monotonic microseconds */
};

/* What /authorize asked for, first as a visit, then as a code. */
struct Visit {
	const struct Client *client;
	char *redirect_uri, *state, *challenge, *scope;
	bool decided; /* by the person */
	gint64 ends; /* of the code */
	struct Grant *grant; /* what the code was exchanged for; NULL: nothing yet */
};

static GMutex lock;
static unsigned token_lifetime;
static GHashTable *clients; /* id → struct Client */
static GHashTable *visits; /* handle → struct Visit */
static GHashTable *codes; /* code → struct Visit */
static GHashTable *access_tokens; /* every one that was ever given → struct Grant */
static GHashTable *refresh_tokens;

G_GNUC_PRINTF(1, 2) static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *line = g_strescape(text, NULL); /* a peer's words stay on their line */
	fprintf(stderr, "%s\n", line);
}

/* PREFIX and an unguessable text. */
static char *random_text(const char *prefix)
{
	unsigned char bytes[RANDOM_BYTES];
	GString *text = g_string_new(prefix);

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	for (size_t i = 0; i < sizeof(bytes); i++)
		g_string_append_printf(text, "%02x", bytes[i]);
	return g_string_free(text, FALSE);
}

static const char *endpoint(void)
{
	static char url[64];

	if (!*url)
		snprintf(url, sizeof(url), "%s/mcp", demo_origin());
	return url;
}

void login_start(unsigned token_seconds)
{
	token_lifetime = token_seconds;
	clients = g_hash_table_new(g_str_hash, g_str_equal);
	visits = g_hash_table_new(g_str_hash, g_str_equal);
	codes = g_hash_table_new(g_str_hash, g_str_equal);
	access_tokens = g_hash_table_new(g_str_hash, g_str_equal);
	refresh_tokens = g_hash_table_new(g_str_hash, g_str_equal);
}

/* --- answers --- */

static void member_url(struct JsonWriter *w, const char *key, const char *path)
{
	g_autofree char *url = g_strconcat(demo_origin(), path, NULL);
	json_member_string(w, key, url);
}

static GString *begin_json(struct JsonWriter *w)
{
	GString *json = g_string_new(NULL);

	json_writer_init(w, json);
	json_begin_object(w);
	return json;
}

/* What holds or concerns a secret. */
static enum MHD_Result answer_private(
	const struct DemoRequest *request, unsigned status, GString *json)
{
	return demo_answer(request, status, "application/json", json, "Cache-Control", "no-store");
}

/* RFC 6749, 5.2; RFC 7591, 3.2.2. */
static enum MHD_Result answer_error(
	const struct DemoRequest *request, const char *error, const char *description)
{
	struct JsonWriter w;
	GString *json = begin_json(&w);

	json_member_string(&w, "error", error);
	json_member_string(&w, "error_description", description);
	json_end_object(&w);
	note("refused: %s (%s)", error, description);
	return answer_private(request, MHD_HTTP_BAD_REQUEST, json);
}

static enum MHD_Result answer_page(
	const struct DemoRequest *request, unsigned status, const char *title, const char *body)
{
	GString *html = g_string_new(NULL);

	g_string_append_printf(html,
		"<!doctype html>\n<html lang=\"en\"><head><meta "
		"charset=\"utf-8\"><title>%s</title></head>\n"
		"<body><h1>%s</h1>\n%s\n</body></html>\n",
		title, title, body);
	return demo_answer(
		request, status, "text/html; charset=utf-8", html, "X-Frame-Options", "DENY");
}

/* Sends the browser back to the client: NAME=VALUE, the state and who says so (RFC 9207). */
static enum MHD_Result answer_redirect(const struct DemoRequest *request, const char *redirect_uri,
	const char *state, const char *name, const char *value)
{
	g_autoptr(GString) url = g_string_new(redirect_uri);
	const char *const parameters[][2] = {
		{name, value}, {"state", state}, {"iss", demo_origin()}};

	for (size_t i = 0; i < G_N_ELEMENTS(parameters); i++) {
		if (!parameters[i][1])
			continue;
		g_string_append_printf(
			url, "%c%s=", strchr(url->str, '?') ? '&' : '?', parameters[i][0]);
		g_string_append_uri_escaped(url, parameters[i][1], NULL, FALSE);
	}
	return demo_answer(request, MHD_HTTP_SEE_OTHER, NULL, NULL, "Location", url->str);
}

/* --- metadata --- */

/* RFC 9728 */
static enum MHD_Result answer_resource(const struct DemoRequest *request)
{
	struct JsonWriter w;
	GString *json = begin_json(&w);

	json_member_string(&w, "resource", endpoint());
	json_key(&w, "authorization_servers");
	json_begin_array(&w);
	json_cstring(&w, demo_origin());
	json_end_array(&w);
	json_member_raw(&w, "scopes_supported", SLICE("[\"issues:read\",\"issues:write\"]"));
	json_member_raw(&w, "bearer_methods_supported", SLICE("[\"header\"]"));
	json_end_object(&w);
	return demo_json(request, MHD_HTTP_OK, json);
}

/* RFC 8414 */
static enum MHD_Result answer_metadata(const struct DemoRequest *request)
{
	struct JsonWriter w;
	GString *json = begin_json(&w);

	json_member_string(&w, "issuer", demo_origin());
	member_url(&w, "authorization_endpoint", "/authorize");
	member_url(&w, "token_endpoint", "/token");
	member_url(&w, "registration_endpoint", "/register");
	member_url(&w, "revocation_endpoint", "/revoke");
	json_member_raw(&w, "scopes_supported", SLICE("[\"issues:read\",\"issues:write\"]"));
	json_member_raw(&w, "response_types_supported", SLICE("[\"code\"]"));
	json_member_raw(
		&w, "grant_types_supported", SLICE("[\"authorization_code\",\"refresh_token\"]"));
	json_member_raw(&w, "token_endpoint_auth_methods_supported", SLICE("[\"none\"]"));
	json_member_raw(&w, "revocation_endpoint_auth_methods_supported", SLICE("[\"none\"]"));
	json_member_raw(&w, "code_challenge_methods_supported", SLICE("[\"S256\"]"));
	json_member_bool(&w, "authorization_response_iss_parameter_supported", true);
	json_end_object(&w);
	return demo_json(request, MHD_HTTP_OK, json);
}

/* --- registration (RFC 7591) --- */

/* The strings of a JSON array, for g_strfreev. */
static char **strings_of(struct JsonValue array)
{
	GPtrArray *strings = g_ptr_array_new();
	struct JsonMember item;

	JSON_FOR_EACH_MEMBER (item, array.raw) {
		char *text = json_string_dup(item.value);
		if (text)
			g_ptr_array_add(strings, text);
	}
	g_ptr_array_add(strings, NULL);
	return (char **)g_ptr_array_free(strings, FALSE);
}

static enum MHD_Result answer_register(const struct DemoRequest *request)
{
	struct JsonWriter w;

	if (!json_validate(request->body, NULL))
		return answer_error(request, "invalid_client_metadata", "This is no JSON");
	g_auto(GStrv) redirect_uris = strings_of(json_get(request->body, "redirect_uris"));
	g_autofree char *name = json_string_dup(json_get(request->body, "client_name"));
	g_autofree char *method =
		json_string_dup(json_get(request->body, "token_endpoint_auth_method"));
	if (!redirect_uris[0])
		return answer_error(request, "invalid_redirect_uri", "redirect_uris is missing");
	for (char **uri = redirect_uris; *uri; uri++)
		if (!g_str_has_prefix(*uri, "http://127.0.0.1:") &&
			!g_str_has_prefix(*uri, "http://localhost:"))
			return answer_error(request, "invalid_redirect_uri",
				"Only programs on the person's own machine may register");
	if (g_strcmp0(method, "none") != 0)
		return answer_error(request, "invalid_client_metadata",
			"token_endpoint_auth_method must be none");

	struct Client *client = g_new0(struct Client, 1);
	client->id = random_text("client-");
	client->name = g_strdup(name ? name : "A program without a name");
	client->redirect_uris = g_strdupv(redirect_uris);
	g_hash_table_insert(clients, client->id, client);
	note("registered %s", client->name);

	GString *json = begin_json(&w);
	json_member_string(&w, "client_id", client->id);
	json_member_string(&w, "client_name", client->name);
	json_member_raw(&w, "redirect_uris", json_get(request->body, "redirect_uris").raw);
	json_member_string(&w, "token_endpoint_auth_method", "none");
	json_member_raw(&w, "grant_types", SLICE("[\"authorization_code\",\"refresh_token\"]"));
	json_member_raw(&w, "response_types", SLICE("[\"code\"]"));
	json_end_object(&w);
	return answer_private(request, MHD_HTTP_CREATED, json);
}

/* --- consent --- */

static bool scopes_are_known(const char *scope)
{
	g_auto(GStrv) known = g_strsplit(SCOPES, " ", -1);
	g_auto(GStrv) asked = g_strsplit(scope, " ", -1);

	for (char **one = asked; *one; one++)
		if (!g_strv_contains((const char *const *)known, *one))
			return false;
	return true;
}

/* The error code that an authorization request deserves, NULL if it is right. */
static const char *check_authorize(const struct DemoRequest *request)
{
	const char *challenge = demo_parameter(request, "code_challenge");
	const char *scope = demo_parameter(request, "scope");
	const char *resource = demo_parameter(request, "resource");

	if (g_strcmp0(demo_parameter(request, "response_type"), "code") != 0)
		return "unsupported_response_type";
	if (!challenge || g_strcmp0(demo_parameter(request, "code_challenge_method"), "S256") != 0)
		return "invalid_request";
	if (scope && !scopes_are_known(scope))
		return "invalid_scope";
	if (g_strcmp0(resource, endpoint()) != 0)
		return "invalid_target";
	return NULL;
}

static enum MHD_Result answer_consent_page(
	const struct DemoRequest *request, const char *handle, const struct Visit *visit)
{
	g_autofree char *body =
		g_markup_printf_escaped("<p>%s on this machine (%s) asks for: %s</p>\n"
					"<form method=\"post\" action=\"/consent\">\n"
					"<input type=\"hidden\" name=\"visit\" value=\"%s\">\n"
					"<p>You are %s.</p>\n"
					"<button name=\"decision\" value=\"allow\">Allow</button>\n"
					"<button name=\"decision\" value=\"deny\">Deny</button>\n"
					"</form>",
			visit->client->name, visit->redirect_uri, visit->scope, handle, ACCOUNT);

	return answer_page(request, MHD_HTTP_OK, "Demo tracker: sign in", body);
}

static enum MHD_Result answer_authorize(const struct DemoRequest *request)
{
	const char *id = demo_parameter(request, "client_id");
	const char *redirect_uri = demo_parameter(request, "redirect_uri");
	const char *state = demo_parameter(request, "state");
	const char *scope = demo_parameter(request, "scope");
	const struct Client *client = id ? g_hash_table_lookup(clients, id) : NULL;

	if (!client || !redirect_uri ||
		!g_strv_contains((const char *const *)client->redirect_uris, redirect_uri))
		return answer_page(request, MHD_HTTP_BAD_REQUEST, "Demo tracker",
			"<p>This program is not registered here, or not with this way back.</p>");
	const char *error = check_authorize(request);
	if (error)
		return answer_redirect(request, redirect_uri, state, "error", error);

	struct Visit *visit = g_new0(struct Visit, 1);
	visit->client = client;
	visit->redirect_uri = g_strdup(redirect_uri);
	visit->state = g_strdup(state);
	visit->challenge = g_strdup(demo_parameter(request, "code_challenge"));
	visit->scope = g_strdup(scope && *scope ? scope : SCOPES);
	char *handle = random_text("");
	g_hash_table_insert(visits, handle, visit);
	note("asked whether %s may have %s", client->name, visit->scope);
	return answer_consent_page(request, handle, visit);
}

static enum MHD_Result answer_consent(const struct DemoRequest *request, GHashTable *form)
{
	const char *handle = g_hash_table_lookup(form, "visit");
	struct Visit *visit = handle ? g_hash_table_lookup(visits, handle) : NULL;

	if (!visit || visit->decided)
		return answer_page(request, MHD_HTTP_BAD_REQUEST, "Demo tracker",
			"<p>This sign-in is over. Start it again where you came from.</p>");
	visit->decided = true;
	if (g_strcmp0(g_hash_table_lookup(form, "decision"), "allow") != 0) {
		note("%s said no", ACCOUNT);
		return answer_redirect(
			request, visit->redirect_uri, visit->state, "error", "access_denied");
	}
	char *code = random_text("demo_code_");
	visit->ends = g_get_monotonic_time() + CODE_SECONDS * G_TIME_SPAN_SECOND;
	g_hash_table_insert(codes, code, visit);
	note("%s said yes", ACCOUNT);
	return answer_redirect(request, visit->redirect_uri, visit->state, "code", code);
}

/* --- tokens --- */

static void end_grant(struct Grant *grant)
{
	if (grant)
		grant->access_token = grant->refresh_token = NULL; /* the tables own the texts */
}

/* Gives GRANT new tokens in place of those it has. */
static enum MHD_Result answer_tokens(const struct DemoRequest *request, struct Grant *grant)
{
	struct JsonWriter w;

	grant->access_token = random_text("demo_access_");
	grant->refresh_token = random_text("demo_refresh_");
	grant->access_ends = g_get_monotonic_time() + token_lifetime * G_TIME_SPAN_SECOND;
	g_hash_table_insert(access_tokens, grant->access_token, grant);
	g_hash_table_insert(refresh_tokens, grant->refresh_token, grant);

	GString *json = begin_json(&w);
	json_member_string(&w, "access_token", grant->access_token);
	json_member_string(&w, "token_type", "Bearer");
	json_member_int(&w, "expires_in", token_lifetime);
	json_member_string(&w, "refresh_token", grant->refresh_token);
	json_member_string(&w, "scope", grant->scope);
	json_member_string(&w, "workspace_name", ACCOUNT);
	json_end_object(&w);
	return answer_private(request, MHD_HTTP_OK, json);
}

/* RFC 7636, 4.6 */
static bool verifier_is_right(const char *verifier, const char *challenge)
{
	g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
	unsigned char digest[32];
	size_t len = sizeof(digest);

	g_checksum_update(checksum, (const unsigned char *)verifier, -1);
	g_checksum_get_digest(checksum, digest, &len);
	g_autofree char *text = g_base64_encode(digest, len);
	g_strdelimit(text, "+", '-');
	g_strdelimit(text, "/", '_');
	*strchrnul(text, '=') = '\0';
	return strcmp(text, challenge) == 0;
}

static enum MHD_Result answer_code(const struct DemoRequest *request, GHashTable *form)
{
	const char *code = g_hash_table_lookup(form, "code");
	const char *verifier = g_hash_table_lookup(form, "code_verifier");
	struct Visit *visit = code ? g_hash_table_lookup(codes, code) : NULL;

	if (!visit || visit->ends < g_get_monotonic_time())
		return answer_error(request, "invalid_grant", "There is no such code");
	if (visit->grant) {
		end_grant(visit->grant);
		return answer_error(request, "invalid_grant", "The code was used before");
	}
	if (g_strcmp0(g_hash_table_lookup(form, "client_id"), visit->client->id) != 0 ||
		g_strcmp0(g_hash_table_lookup(form, "redirect_uri"), visit->redirect_uri) != 0)
		return answer_error(request, "invalid_grant", "The code was given to another");
	if (!verifier || !verifier_is_right(verifier, visit->challenge))
		return answer_error(request, "invalid_grant", "The code verifier is wrong");
	visit->grant = g_new0(struct Grant, 1);
	visit->grant->client = visit->client;
	visit->grant->scope = g_strdup(visit->scope);
	note("gave %s a token for %u seconds", visit->client->name, token_lifetime);
	return answer_tokens(request, visit->grant);
}

static enum MHD_Result answer_renewal(const struct DemoRequest *request, GHashTable *form)
{
	const char *token = g_hash_table_lookup(form, "refresh_token");
	struct Grant *grant = token ? g_hash_table_lookup(refresh_tokens, token) : NULL;

	if (!grant || !grant->refresh_token ||
		g_strcmp0(g_hash_table_lookup(form, "client_id"), grant->client->id) != 0)
		return answer_error(request, "invalid_grant", "There is no such login");
	if (strcmp(grant->refresh_token, token) != 0) {
		end_grant(grant);
		return answer_error(request, "invalid_grant", "This refresh token was used before");
	}
	note("renewed the token of %s", grant->client->name);
	return answer_tokens(request, grant);
}

static enum MHD_Result answer_token(const struct DemoRequest *request, GHashTable *form)
{
	const char *type = g_hash_table_lookup(form, "grant_type");
	const char *resource = g_hash_table_lookup(form, "resource");

	if (g_strcmp0(resource, endpoint()) != 0)
		return answer_error(request, "invalid_target", "No tokens for that resource here");
	if (g_strcmp0(type, "authorization_code") == 0)
		return answer_code(request, form);
	if (g_strcmp0(type, "refresh_token") == 0)
		return answer_renewal(request, form);
	return answer_error(request, "unsupported_grant_type", "Only codes and refresh tokens");
}

/* RFC 7009: a token that is not known is as good as revoked. */
static enum MHD_Result answer_revoke(const struct DemoRequest *request, GHashTable *form)
{
	const char *token = g_hash_table_lookup(form, "token");
	struct Grant *grant = token ? g_hash_table_lookup(refresh_tokens, token) : NULL;

	if (!grant && token)
		grant = g_hash_table_lookup(access_tokens, token);
	if (grant && g_strcmp0(g_hash_table_lookup(form, "client_id"), grant->client->id) != 0)
		return answer_error(request, "invalid_client", "This is another's token");
	if (grant && grant->refresh_token)
		note("took back the tokens of %s", grant->client->name);
	end_grant(grant);
	return answer_private(request, MHD_HTTP_OK, NULL);
}

/* --- the way in --- */

static enum MHD_Result answer_form(const struct DemoRequest *request)
{
	g_autoptr(GHashTable) form = g_uri_parse_params(
		request->body.data, (gssize)request->body.len, "&", G_URI_PARAMS_WWW_FORM, NULL);

	if (!form)
		return answer_error(request, "invalid_request", "This is no form");
	if (strcmp(request->path, "/consent") == 0)
		return answer_consent(request, form);
	if (strcmp(request->path, "/token") == 0)
		return answer_token(request, form);
	return answer_revoke(request, form);
}

enum MHD_Result login_answer(const struct DemoRequest *request)
{
	static const struct {
		const char *method, *path;
		DemoHandler *answer;
	} routes[] = {
		{"GET", "/.well-known/oauth-protected-resource/mcp", answer_resource},
		{"GET", "/.well-known/oauth-authorization-server", answer_metadata},
		{"POST", "/register", answer_register},
		{"GET", "/authorize", answer_authorize},
		{"POST", "/consent", answer_form},
		{"POST", "/token", answer_form},
		{"POST", "/revoke", answer_form},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (strcmp(routes[i].path, request->path) != 0)
			continue;
		if (strcmp(routes[i].method, request->method) != 0)
			return demo_answer(request, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, NULL,
				"Allow", routes[i].method);
		g_mutex_lock(&lock);
		enum MHD_Result queued = routes[i].answer(request);
		g_mutex_unlock(&lock);
		return queued;
	}
	return demo_answer(request, MHD_HTTP_NOT_FOUND, NULL, NULL, NULL, NULL);
}

/* The grant of the access token that REQUEST bears, good or not; NULL if it has none that is known. */
static const struct Grant *find_grant(const struct DemoRequest *request, const char **token)
{
	const char *value = demo_header(request, "Authorization");

	if (!value || g_ascii_strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	*token = value + 7;
	return g_hash_table_lookup(access_tokens, *token);
}

bool login_admits(const struct DemoRequest *request)
{
	const char *token = NULL;

	g_mutex_lock(&lock);
	const struct Grant *grant = find_grant(request, &token);
	bool good = grant && g_strcmp0(grant->access_token, token) == 0 &&
		    grant->access_ends > g_get_monotonic_time();
	g_mutex_unlock(&lock);
	return good;
}

/* RFC 6750, 3; RFC 9728, 5.1 */
enum MHD_Result login_refuse(const struct DemoRequest *request)
{
	bool has_token = demo_header(request, "Authorization") != NULL;
	g_autofree char *challenge = g_strdup_printf(
		"Bearer %sresource_metadata=\"%s/.well-known/oauth-protected-resource/mcp\", "
		"scope=\"" SCOPES "\"",
		has_token ? "error=\"invalid_token\", " : "", demo_origin());

	note(has_token ? "401: the token is no longer good" : "401: no token");
	return demo_answer(
		request, MHD_HTTP_UNAUTHORIZED, NULL, NULL, "WWW-Authenticate", challenge);
}

void login_expire_all(void)
{
	GHashTableIter iter;
	void *grant = NULL;

	g_mutex_lock(&lock);
	g_hash_table_iter_init(&iter, access_tokens);
	while (g_hash_table_iter_next(&iter, NULL, &grant))
		((struct Grant *)grant)->access_ends = 0;
	note("forgot all access tokens");
	g_mutex_unlock(&lock);
}
