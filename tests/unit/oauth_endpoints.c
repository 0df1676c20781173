/* What the endpoints of the scripted OAuth server say, and what they refuse. */
#include "oauth_server.h"

#include "oauth_server_internal.h"

#include "format/json.h"

static void client_free(void *data)
{
	struct OauthClient *client = data;
	g_free(client->id);
	g_free(client->secret);
	g_free(client->method);
	g_free(client->redirect_uri);
	g_free(client);
}

static void code_free(void *data)
{
	struct OauthCode *code = data;
	g_free(code->client_id);
	g_free(code->redirect_uri);
	g_free(code->challenge);
	g_free(code->resource);
	g_free(code);
}

void oauth_endpoints_init(struct OauthServer *server)
{
	server->clients = g_ptr_array_new_with_free_func(client_free);
	server->valid = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	server->refresh = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	server->codes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, code_free);
}

void oauth_endpoints_release(struct OauthServer *server)
{
	g_ptr_array_unref(server->clients);
	g_hash_table_unref(server->valid);
	g_hash_table_unref(server->refresh);
	g_hash_table_unref(server->codes);
}

static const char *issuer_of(const struct OauthServer *server)
{
	return server->issuer ? server->issuer : server->origin;
}

static char *decode(const char *text)
{
	g_autofree char *spaced = g_strdelimit(g_strdup(text), "+", ' ');
	return g_uri_unescape_string(spaced, NULL);
}

char *oauth_param(const char *form, const char *name)
{
	char *found = NULL;
	g_auto(GStrv) parts = g_strsplit(form, "&", -1);
	for (char **part = parts; *part; part++) {
		char *equals = strchr(*part, '=');
		if (equals)
			*equals = '\0';
		g_autofree char *key = decode(*part);
		if (g_strcmp0(key, name) != 0)
			continue;
		if (found)
			fail_msg("%s comes twice in a form", name);
		found = decode(equals ? equals + 1 : "");
	}
	return found;
}

static void add_json(GString *out, const char *name, const char *json)
{
	if (json)
		g_string_append_printf(out, ",\"%s\":%s", name, json);
}

/* ---- metadata ---- */

static void serve_resource(struct OauthHit *hit)
{
	const struct OauthServer *server = hit->server;
	g_autofree char *authorization = oauth_hit_header(hit, "Authorization");
	if (authorization && g_str_has_prefix(authorization, "Bearer ") &&
		g_hash_table_contains(server->valid, authorization + strlen("Bearer "))) {
		oauth_hit_answer(hit, 200, "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
		return;
	}
	g_autofree char *usual = g_strdup_printf("Bearer resource_metadata=\"%s"
						 "/.well-known/oauth-protected-resource/mcp\"",
		server->origin);
	const char *challenge = server->challenge ? server->challenge : usual;
	if (!server->challenge && !server->resource_metadata)
		challenge = "Bearer";
	g_autofree char *header = challenge[0]
					  ? g_strdup_printf("WWW-Authenticate: %s\r\n", challenge)
					  : g_strdup("");
	oauth_hit_answer(hit, 401, header, "");
}

static void serve_resource_metadata(struct OauthHit *hit)
{
	const struct OauthServer *server = hit->server;
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, "{\"resource\":\"%s\",\"authorization_servers\":",
		server->resource ? server->resource : server->url);
	if (server->servers)
		g_string_append(out, server->servers);
	else
		g_string_append_printf(out, "[\"%s\"]", issuer_of(server));
	add_json(out, "scopes_supported", server->resource_scopes);
	g_string_append_c(out, '}');
	oauth_hit_answer(hit, 200, "", out->str);
	g_string_free(out, TRUE);
}

static void add_endpoint(GString *out, const struct OauthServer *server, const char *name)
{
	const char *path = strcmp(name, "authorization") == 0  ? "authorize"
			   : strcmp(name, "registration") == 0 ? "register"
			   : strcmp(name, "revocation") == 0   ? "revoke"
							       : name;
	g_string_append_printf(out, ",\"%s_endpoint\":\"%s/%s\"", name, server->origin, path);
}

static void serve_server_metadata(struct OauthHit *hit)
{
	const struct OauthServer *server = hit->server;
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, "{\"issuer\":\"%s\"", issuer_of(server));
	add_endpoint(out, server, "authorization");
	add_endpoint(out, server, "token");
	if (server->registers)
		add_endpoint(out, server, "registration");
	if (server->revokes)
		add_endpoint(out, server, "revocation");
	add_json(out, "response_types_supported", "[\"code\"]");
	add_json(out, "scopes_supported", server->server_scopes);
	add_json(out, "code_challenge_methods_supported", server->challenge_methods);
	add_json(out, "token_endpoint_auth_methods_supported", server->auth_methods);
	if (server->iss_advertised)
		add_json(out, "authorization_response_iss_parameter_supported", "true");
	if (server->client_documents)
		add_json(out, "client_id_metadata_document_supported", "true");
	g_string_append(out, server->metadata_more ? server->metadata_more : "");
	g_string_append_c(out, '}');
	oauth_hit_answer(hit, 200, "", out->str);
	g_string_free(out, TRUE);
}

/* ---- clients ---- */

static void refuse(struct OauthHit *hit, int status, const char *error, const char *description)
{
	g_autofree char *body = g_strdup_printf(
		"{\"error\":\"%s\",\"error_description\":\"%s\"}", error, description);
	oauth_hit_answer(hit, status, "", body);
}

static struct OauthClient *find_client(struct OauthServer *server, const char *id)
{
	for (guint i = 0; id && i < server->clients->len; i++) {
		struct OauthClient *client = server->clients->pdata[i];
		if (strcmp(client->id, id) == 0)
			return client;
	}
	if (!id || !server->document_clients || !g_str_has_prefix(id, "https://"))
		return NULL;
	oauth_server_add_client(server, id, NULL, "none");
	return find_client(server, id);
}

void oauth_server_add_client(
	struct OauthServer *server, const char *id, const char *secret, const char *method)
{
	struct OauthClient *client = g_new0(struct OauthClient, 1);
	client->id = g_strdup(id);
	client->secret = g_strdup(secret);
	client->method = g_strdup(method);
	client->any_redirect = true;
	g_ptr_array_add(server->clients, client);
}

void oauth_server_forget_clients(struct OauthServer *server)
{
	g_ptr_array_set_size(server->clients, 0);
	server->document_clients = false;
}

static void serve_register(struct OauthHit *hit)
{
	struct OauthServer *server = hit->server;
	struct Slice body = slice_of(hit->body);
	g_autofree char *type = oauth_hit_header(hit, "Content-Type");
	if (!json_validate(body, NULL) || !type || !g_str_has_prefix(type, "application/json")) {
		refuse(hit, 400, "invalid_client_metadata", "no JSON");
		return;
	}
	struct JsonMember uri = {0};
	struct JsonIter uris = json_iter(json_get(body, "redirect_uris").raw);
	if (!json_next(&uris, &uri)) {
		refuse(hit, 400, "invalid_redirect_uri", "no redirect_uris");
		return;
	}
	struct OauthClient *client = g_new0(struct OauthClient, 1);
	client->id = g_strdup_printf("client-%u", ++server->clients_made);
	client->secret = g_strdup(server->client_secret);
	client->redirect_uri = json_string_dup(uri.value);
	client->method = g_strdup(server->granted_method  ? server->granted_method
				  : server->client_secret ? "client_secret_basic"
							  : "none");
	g_ptr_array_add(server->clients, client);
	GString *out = g_string_new(NULL);
	g_string_append_printf(out,
		"{\"client_id\":\"%s\",\"token_endpoint_auth_method\":\"%s\","
		"\"redirect_uris\":[\"%s\"]",
		client->id, client->method, client->redirect_uri);
	if (client->secret)
		g_string_append_printf(out,
			",\"client_secret\":\"%s\",\"client_secret_expires_at\":0", client->secret);
	g_string_append_c(out, '}');
	oauth_hit_answer(hit, 201, "", out->str);
	g_string_free(out, TRUE);
}

/* ---- authorization ---- */

/* Whether A and B are the same but for the port of a loopback address. */
static bool same_but_port(const char *a, const char *b)
{
	g_autoptr(GUri) uri_a = g_uri_parse(a, G_URI_FLAGS_NONE, NULL);
	g_autoptr(GUri) uri_b = g_uri_parse(b, G_URI_FLAGS_NONE, NULL);
	return uri_a && uri_b && strcmp(g_uri_get_scheme(uri_a), "http") == 0 &&
	       strcmp(g_uri_get_scheme(uri_b), "http") == 0 &&
	       strcmp(g_uri_get_host(uri_a), "127.0.0.1") == 0 &&
	       strcmp(g_uri_get_host(uri_b), "127.0.0.1") == 0 &&
	       strcmp(g_uri_get_path(uri_a), g_uri_get_path(uri_b)) == 0;
}

static bool redirect_is_known(
	const struct OauthServer *server, const struct OauthClient *client, const char *uri)
{
	if (client->any_redirect || g_strcmp0(client->redirect_uri, uri) == 0)
		return true;
	return !server->exact_redirect && same_but_port(client->redirect_uri, uri);
}

/* Why the server would refuse QUERY without going back to the client; NULL: it would not. */
static const char *authorization_fault(struct OauthServer *server, const char *query)
{
	g_autofree char *client_id = oauth_param(query, "client_id");
	g_autofree char *redirect_uri = oauth_param(query, "redirect_uri");
	struct OauthClient *client = find_client(server, client_id);
	if (!client)
		return "invalid_client";
	return redirect_uri && redirect_is_known(server, client, redirect_uri)
		       ? NULL
		       : "invalid redirect_uri";
}

static void add_param(GString *url, const char *name, const char *value)
{
	g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
	char before = strchr(url->str, '?') ? '&' : '?';
	g_string_append_printf(url, "%c%s=%s", before, name, escaped);
}

/* The redirect URI of QUERY with its state and the issuer. */
static GString *answer_url(const struct OauthServer *server, const char *query)
{
	g_autofree char *redirect_uri = oauth_param(query, "redirect_uri");
	g_autofree char *state = oauth_param(query, "state");
	GString *url = g_string_new(redirect_uri);
	if (state)
		add_param(url, "state", state);
	if (server->iss_sent)
		add_param(url, "iss", server->iss ? server->iss : issuer_of(server));
	return url;
}

/* The place to go back to with a fresh code, or with an error where QUERY lacks something. */
static char *consent(struct OauthServer *server, const char *query)
{
	g_autofree char *type = oauth_param(query, "response_type");
	g_autofree char *challenge = oauth_param(query, "code_challenge");
	g_autofree char *method = oauth_param(query, "code_challenge_method");
	GString *url = answer_url(server, query);
	if (g_strcmp0(type, "code") != 0) {
		add_param(url, "error", "unsupported_response_type");
		return g_string_free(url, FALSE);
	}
	if (!challenge || strlen(challenge) != 43 || g_strcmp0(method, "S256") != 0) {
		add_param(url, "error", "invalid_request");
		return g_string_free(url, FALSE);
	}
	struct OauthCode *code = g_new0(struct OauthCode, 1);
	code->client_id = oauth_param(query, "client_id");
	code->redirect_uri = oauth_param(query, "redirect_uri");
	code->resource = oauth_param(query, "resource");
	code->challenge = g_steal_pointer(&challenge);
	char *text = g_strdup_printf("code-%u", ++server->codes_made);
	add_param(url, "code", text);
	g_hash_table_insert(server->codes, text, code);
	return g_string_free(url, FALSE);
}

static void serve_authorize(struct OauthHit *hit)
{
	const char *fault = authorization_fault(hit->server, hit->query);
	if (fault) {
		oauth_hit_answer(hit, 400, "Content-Type: text/plain\r\n", fault);
		return;
	}
	g_autofree char *url = consent(hit->server, hit->query);
	g_autofree char *header = g_strdup_printf("Location: %s\r\n", url);
	oauth_hit_answer(hit, 302, header, "");
}

/* The query of an authorization URL of SERVER; anything else fails the test. */
static const char *checked_query(struct OauthServer *server, const char *url)
{
	g_autofree char *start = g_strconcat(server->origin, "/authorize?", NULL);
	if (!g_str_has_prefix(url, start))
		fail_msg("%s is no authorization URL of %s", url, server->origin);
	const char *query = url + strlen(start);
	const char *fault = authorization_fault(server, query);
	if (fault)
		fail_msg("%s: %s", url, fault);
	return query;
}

char *oauth_server_consent(struct OauthServer *server, const char *url)
{
	char *back = consent(server, checked_query(server, url));
	if (strstr(back, "error="))
		fail_msg("%s leads to %s", url, back);
	return back;
}

char *oauth_server_refuse(
	struct OauthServer *server, const char *url, const char *error, const char *description)
{
	GString *back = answer_url(server, checked_query(server, url));
	add_param(back, "error", error);
	if (description)
		add_param(back, "error_description", description);
	return g_string_free(back, FALSE);
}

/* ---- tokens ---- */

/* Who asks, by Basic or by the body; NULL and refused if that is nobody, or not in their way. */
static struct OauthClient *authenticate(struct OauthHit *hit)
{
	g_autofree char *id = oauth_hit_param(hit, "client_id");
	g_autofree char *secret = oauth_hit_param(hit, "client_secret");
	g_autofree char *assertion = oauth_hit_param(hit, "client_assertion");
	g_autofree char *authorization = oauth_hit_header(hit, "Authorization");
	const char *method = assertion ? "private_key_jwt" : secret ? "client_secret_post" : "none";
	if (authorization && g_str_has_prefix(authorization, "Basic ")) {
		gsize len;
		g_autofree char *pair = (char *)g_base64_decode(authorization + 6, &len);
		g_autofree char *text = g_strndup(pair, len);
		char *colon = strchr(text, ':');
		assert_non_null(colon);
		*colon = '\0';
		g_free(id);
		g_free(secret);
		id = decode(text);
		secret = decode(colon + 1);
		method = "client_secret_basic";
	}
	struct OauthClient *client = find_client(hit->server, id);
	if (!client)
		refuse(hit, 401, "invalid_client", "unknown client");
	else if (strcmp(client->method, method) != 0)
		refuse(hit, 401, "invalid_client", "wrong authentication method");
	else if (!assertion && g_strcmp0(client->secret, secret) != 0)
		refuse(hit, 401, "invalid_client", "wrong secret");
	else
		return client;
	return NULL;
}

static void grant(struct OauthHit *hit, const struct OauthClient *client, bool with_refresh)
{
	struct OauthServer *server = hit->server;
	g_autofree char *made = g_strdup_printf("access-%u", ++server->issued);
	const char *access = server->access_token ? server->access_token : made;
	g_hash_table_add(server->valid, g_strdup(access));
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\"", access);
	if (server->expires_in >= 0)
		g_string_append_printf(out, ",\"expires_in\":%d", server->expires_in);
	if (server->granted_scope)
		g_string_append_printf(out, ",\"scope\":\"%s\"", server->granted_scope);
	if (with_refresh) {
		char *refresh = g_strdup_printf("refresh-%u", ++server->refreshes_made);
		g_string_append_printf(out, ",\"refresh_token\":\"%s\"", refresh);
		g_hash_table_insert(server->refresh, refresh, g_strdup(client->id));
	}
	g_string_append(out, server->token_more ? server->token_more : "");
	g_string_append_c(out, '}');
	oauth_hit_answer(hit, 200, "Cache-Control: no-store\r\n", out->str);
	g_string_free(out, TRUE);
}

static bool verifier_fits(const char *verifier, const char *challenge)
{
	if (!verifier || strlen(verifier) < 43 || strlen(verifier) > 128)
		return false;
	guint8 digest[32];
	gsize len = sizeof(digest);
	GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(checksum, (const guchar *)verifier, -1);
	g_checksum_get_digest(checksum, digest, &len);
	g_checksum_free(checksum);
	g_autofree char *text = g_base64_encode(digest, len);
	g_strdelimit(text, "+", '-');
	g_strdelimit(text, "/", '_');
	*strchr(text, '=') = '\0';
	return strcmp(text, challenge) == 0;
}

static void redeem_code(struct OauthHit *hit, const struct OauthClient *client)
{
	g_autofree char *text = oauth_hit_param(hit, "code");
	g_autofree char *redirect_uri = oauth_hit_param(hit, "redirect_uri");
	g_autofree char *verifier = oauth_hit_param(hit, "code_verifier");
	g_autofree char *resource = oauth_hit_param(hit, "resource");
	char *key = NULL;
	struct OauthCode *code = NULL;
	if (!text || !g_hash_table_steal_extended(
			     hit->server->codes, text, (gpointer *)&key, (gpointer *)&code)) {
		refuse(hit, 400, "invalid_grant", "unknown or used code");
		return;
	}
	if (strcmp(code->client_id, client->id) != 0)
		refuse(hit, 400, "invalid_grant", "the code is another client's");
	else if (g_strcmp0(code->redirect_uri, redirect_uri) != 0)
		refuse(hit, 400, "invalid_grant", "redirect_uri differs");
	else if (!verifier_fits(verifier, code->challenge))
		refuse(hit, 400, "invalid_grant", "the verifier does not fit");
	else if (g_strcmp0(code->resource, resource) != 0)
		refuse(hit, 400, "invalid_target", "resource differs");
	else
		grant(hit, client, hit->server->refresh_tokens);
	g_free(key);
	code_free(code);
}

static void redeem_refresh(struct OauthHit *hit, const struct OauthClient *client)
{
	g_autofree char *text = oauth_hit_param(hit, "refresh_token");
	const char *owner = text ? g_hash_table_lookup(hit->server->refresh, text) : NULL;
	if (!owner || strcmp(owner, client->id) != 0) {
		refuse(hit, 400, "invalid_grant", "unknown or used refresh token");
		return;
	}
	if (hit->server->rotates)
		g_hash_table_remove(hit->server->refresh, text);
	grant(hit, client, hit->server->rotates);
}

static void serve_token(struct OauthHit *hit)
{
	g_autofree char *content_type = oauth_hit_header(hit, "Content-Type");
	g_autofree char *type = oauth_hit_param(hit, "grant_type");
	if (g_strcmp0(content_type, "application/x-www-form-urlencoded") != 0 || !type) {
		refuse(hit, 400, "invalid_request", "no form with a grant_type");
		return;
	}
	struct OauthClient *client = authenticate(hit);
	if (!client)
		return;
	if (strcmp(type, "authorization_code") == 0)
		redeem_code(hit, client);
	else if (strcmp(type, "refresh_token") == 0)
		redeem_refresh(hit, client);
	else if (strcmp(type, "client_credentials") == 0)
		grant(hit, client, false);
	else
		refuse(hit, 400, "unsupported_grant_type", "no such grant");
}

static void serve_port_token(struct OauthHit *hit)
{
	struct Slice body = slice_of(hit->body);
	bool good = json_validate(body, NULL);
	g_autofree char *id = good ? json_string_dup(json_get(body, "clientId")) : NULL;
	g_autofree char *secret = good ? json_string_dup(json_get(body, "clientSecret")) : NULL;
	struct OauthClient *client = find_client(hit->server, id);
	if (!client || g_strcmp0(client->secret, secret) != 0) {
		oauth_hit_answer(hit, 401, "", "{\"ok\":false,\"error\":\"invalid_credentials\"}");
		return;
	}
	g_autofree char *access = g_strdup_printf("access-%u", ++hit->server->issued);
	g_autofree char *text = g_strdup_printf("{\"ok\":true,\"accessToken\":\"%s\","
						"\"expiresIn\":%d,\"tokenType\":\"Bearer\"}",
		access, hit->server->expires_in);
	g_hash_table_add(hit->server->valid, g_steal_pointer(&access));
	oauth_hit_answer(hit, 200, "", text);
}

static void serve_revoke(struct OauthHit *hit)
{
	if (!authenticate(hit))
		return;
	g_autofree char *token = oauth_hit_param(hit, "token");
	if (!token) {
		refuse(hit, 400, "invalid_request", "no token");
		return;
	}
	g_hash_table_remove(hit->server->valid, token);
	g_hash_table_remove(hit->server->refresh, token);
	oauth_hit_answer(hit, 200, "", "");
}

void oauth_server_add_tokens(
	struct OauthServer *server, const char *access, const char *refresh, const char *client_id)
{
	g_hash_table_add(server->valid, g_strdup(access));
	if (refresh)
		g_hash_table_insert(server->refresh, g_strdup(refresh), g_strdup(client_id));
}

/* ---- which ---- */

void oauth_hit_serve(struct OauthHit *hit)
{
	const struct OauthServer *server = hit->server;
	const struct {
		const char *method, *path;
		bool there;
		void (*serve)(struct OauthHit *);
	} endpoints[] = {
		{NULL, "/mcp", true, serve_resource},
		{"GET", "/.well-known/oauth-protected-resource/mcp", server->resource_metadata,
			serve_resource_metadata},
		{"GET", "/.well-known/oauth-authorization-server", server->metadata,
			serve_server_metadata},
		{"GET", "/.well-known/openid-configuration", server->oidc, serve_server_metadata},
		{"POST", "/register", server->registers, serve_register},
		{"GET", "/authorize", true, serve_authorize},
		{"POST", "/token", true, serve_token},
		{"POST", "/revoke", server->revokes, serve_revoke},
		{"POST", "/v1/auth/access_token", true, serve_port_token},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++) {
		if (!endpoints[i].there || strcmp(endpoints[i].path, hit->path) != 0)
			continue;
		if (endpoints[i].method && strcmp(endpoints[i].method, hit->method) != 0)
			break;
		endpoints[i].serve(hit);
		return;
	}
	oauth_hit_answer(hit, 404, "Content-Type: text/plain\r\n", "not here");
}
