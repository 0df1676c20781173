/* Metadata of resources and of authorization servers. Both are documents of somebody else's that say where a person's
 * credentials will be sent: places that others on the way can read are refused, whatever else the document says. */
#include "format/oauth.h"

#include "base/error.h"
#include "base/text.h"
#include "format/oauth_parts.h"
#include "format/url.h"

enum { SERVERS_MAX = 16 };

static bool refuse(GError **error, const char *what, const char *member, const char *why)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s of %s %s", member, what, why);
	return false;
}

/* *OUT gets the texts in VALUE, or stays NULL where VALUE is no array; items that are no text do not count. */
static bool read_list(struct JsonValue value, const char *what, const char *member, GPtrArray **out,
	GError **error)
{
	if (value.type != JSON_ARRAY)
		return true;
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
	size_t left = OAUTH_LIST_BYTES;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, value.raw) {
		g_autofree char *text = oauth_text(item.value, OAUTH_TEXT_BYTES);
		if (!text)
			continue;
		size_t len = strlen(text);
		if (len > left)
			return refuse(error, what, member, "is too long");
		left -= len;
		g_ptr_array_add(list, g_steal_pointer(&text));
	}
	*out = g_steal_pointer(&list);
	return true;
}

/* The same as a vector that ends with NULL. */
static bool read_vector(
	struct JsonValue value, const char *what, const char *member, char ***out, GError **error)
{
	g_autoptr(GPtrArray) list = NULL;
	if (!read_list(value, what, member, &list, error))
		return false;
	if (!list)
		return true;
	g_ptr_array_add(list, NULL);
	*out = (char **)g_ptr_array_steal(list, NULL);
	return true;
}

/* The same as one text; NULL for an empty list. */
static bool read_scopes(struct JsonValue value, const char *what, char **out, GError **error)
{
	g_auto(GStrv) scopes = NULL;
	if (!read_vector(value, what, "scopes_supported", &scopes, error))
		return false;
	if (scopes && *scopes)
		*out = g_strjoinv(" ", scopes);
	return true;
}

/* --- resources --- */

enum { RESOURCE, SERVERS, RESOURCE_SCOPES, RESOURCE_MEMBERS };
static const char *const resource_members[RESOURCE_MEMBERS] = {
	"resource", "authorization_servers", "scopes_supported"};
static const char resource_name[] = "the resource's metadata";

/* Keeps the servers that credentials can be sent to. One that cannot be used does not spoil the others, but if it
 * leaves none, nobody is to believe that the resource named none. */
static bool choose_servers(GPtrArray *servers, GError **error)
{
	const char *member = resource_members[SERVERS];
	bool named = servers->len > 0;
	for (unsigned i = 0; i < servers->len;) {
		if (url_is_secure(servers->pdata[i]))
			i++;
		else
			g_ptr_array_remove_index(servers, i);
	}
	if (named && servers->len == 0)
		return refuse(error, resource_name, member, "has no https URL");
	if (servers->len > SERVERS_MAX)
		return refuse(error, resource_name, member, "is too long");
	return true;
}

static bool read_resource(
	const struct JsonValue *values, struct ResourceMetadata *read, GError **error)
{
	read->resource = oauth_text(values[RESOURCE], OAUTH_TEXT_BYTES);
	if (!read->resource) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s has no %s", resource_name,
			resource_members[RESOURCE]);
		return false;
	}
	if (!read_list(values[SERVERS], resource_name, resource_members[SERVERS], &read->servers,
		    error))
		return false;
	if (!read->servers)
		read->servers = g_ptr_array_new_with_free_func(g_free);
	return choose_servers(read->servers, error) &&
	       read_scopes(values[RESOURCE_SCOPES], resource_name, &read->scopes, error);
}

bool resource_metadata_parse(struct Slice json, struct ResourceMetadata *out, GError **error)
{
	struct JsonValue values[RESOURCE_MEMBERS];
	if (!oauth_read_document(
		    json, resource_name, resource_members, RESOURCE_MEMBERS, values, error))
		return false;
	struct ResourceMetadata read = {0};
	if (!read_resource(values, &read, error)) {
		resource_metadata_release(&read);
		return false;
	}
	*out = read;
	return true;
}

void resource_metadata_release(struct ResourceMetadata *metadata)
{
	g_free(metadata->resource);
	g_clear_pointer(&metadata->servers, g_ptr_array_unref);
	g_free(metadata->scopes);
	*metadata = (struct ResourceMetadata){0};
}

/* --- authorization servers --- */

enum {
	ISSUER,
	AUTHORIZATION,
	TOKEN,
	REGISTRATION,
	REVOCATION,
	SERVER_SCOPES,
	AUTH_METHODS,
	CHALLENGE_METHODS,
	GRANT_TYPES,
	ISS_PARAMETER,
	CLIENT_DOCUMENTS,
	SERVER_MEMBERS
};
static const char *const server_members[SERVER_MEMBERS] = {
	[ISSUER] = "issuer",
	[AUTHORIZATION] = "authorization_endpoint",
	[TOKEN] = "token_endpoint",
	[REGISTRATION] = "registration_endpoint",
	[REVOCATION] = "revocation_endpoint",
	[SERVER_SCOPES] = "scopes_supported",
	[AUTH_METHODS] = "token_endpoint_auth_methods_supported",
	[CHALLENGE_METHODS] = "code_challenge_methods_supported",
	[GRANT_TYPES] = "grant_types_supported",
	[ISS_PARAMETER] = "authorization_response_iss_parameter_supported",
	[CLIENT_DOCUMENTS] = "client_id_metadata_document_supported",
};
static const char server_name[] = "the authorization server's metadata";

static bool check_issuer(const char *issuer, const char *expected, GError **error)
{
	if (!issuer) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s has no issuer", server_name);
		return false;
	}
	if (expected && strcmp(issuer, expected) != 0) {
		g_autofree char *shown = text_printable(slice_of(issuer), 200);
		g_autofree char *wanted = text_printable(slice_of(expected), 200);
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"%s is that of the issuer %s, and not of %s", server_name, shown, wanted);
		return false;
	}
	if (!url_is_secure(issuer))
		return refuse(error, server_name, server_members[ISSUER], "is no https URL");
	return true;
}

/* Some servers write an empty text for an endpoint that they do not have. */
static bool read_endpoint(struct JsonValue value, unsigned member, char **out, GError **error)
{
	if (value.type != JSON_STRING || slice_is(value.raw, "\"\""))
		return true;
	g_autofree char *url = oauth_text(value, OAUTH_TEXT_BYTES);
	if (!url || !url_is_secure(url))
		return refuse(error, server_name, server_members[member], "is no https URL");
	*out = g_steal_pointer(&url);
	return true;
}

static bool read_server(const struct JsonValue *values, const char *issuer,
	struct ServerMetadata *read, GError **error)
{
	read->issuer = oauth_text(values[ISSUER], OAUTH_TEXT_BYTES);
	if (!check_issuer(read->issuer, issuer, error))
		return false;
	char **endpoints[] = {&read->authorization_endpoint, &read->token_endpoint,
		&read->registration_endpoint, &read->revocation_endpoint};
	for (unsigned i = 0; i < G_N_ELEMENTS(endpoints); i++) {
		unsigned member = AUTHORIZATION + i;
		if (!read_endpoint(values[member], member, endpoints[i], error))
			return false;
	}
	char ***lists[] = {&read->auth_methods, &read->challenge_methods, &read->grant_types};
	for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
		unsigned member = AUTH_METHODS + i;
		if (!read_vector(
			    values[member], server_name, server_members[member], lists[i], error))
			return false;
	}
	read->iss_parameter = values[ISS_PARAMETER].type == JSON_TRUE;
	read->client_documents = values[CLIENT_DOCUMENTS].type == JSON_TRUE;
	return read_scopes(values[SERVER_SCOPES], server_name, &read->scopes, error);
}

bool server_metadata_parse(
	struct Slice json, const char *issuer, struct ServerMetadata *out, GError **error)
{
	struct JsonValue values[SERVER_MEMBERS];
	if (!oauth_read_document(json, server_name, server_members, SERVER_MEMBERS, values, error))
		return false;
	struct ServerMetadata read = {0};
	if (!read_server(values, issuer, &read, error)) {
		server_metadata_release(&read);
		return false;
	}
	*out = read;
	return true;
}

void server_metadata_assume(const char *url, struct ServerMetadata *out)
{
	g_autofree char *origin = url_origin(url);
	g_assert(origin); /* the configuration takes no other */
	*out = (struct ServerMetadata){
		.authorization_endpoint = g_strconcat(origin, "/authorize", NULL),
		.token_endpoint = g_strconcat(origin, "/token", NULL),
		.registration_endpoint = g_strconcat(origin, "/register", NULL),
		.assumed = true,
	};
	out->issuer = g_steal_pointer(&origin);
}

void server_metadata_copy(const struct ServerMetadata *from, struct ServerMetadata *to)
{
	*to = (struct ServerMetadata){
		.issuer = g_strdup(from->issuer),
		.authorization_endpoint = g_strdup(from->authorization_endpoint),
		.token_endpoint = g_strdup(from->token_endpoint),
		.registration_endpoint = g_strdup(from->registration_endpoint),
		.revocation_endpoint = g_strdup(from->revocation_endpoint),
		.scopes = g_strdup(from->scopes),
		.auth_methods = g_strdupv(from->auth_methods),
		.challenge_methods = g_strdupv(from->challenge_methods),
		.grant_types = g_strdupv(from->grant_types),
		.iss_parameter = from->iss_parameter,
		.client_documents = from->client_documents,
		.assumed = from->assumed,
	};
}

void server_metadata_release(struct ServerMetadata *metadata)
{
	g_free(metadata->issuer);
	g_free(metadata->authorization_endpoint);
	g_free(metadata->token_endpoint);
	g_free(metadata->registration_endpoint);
	g_free(metadata->revocation_endpoint);
	g_free(metadata->scopes);
	g_strfreev(metadata->auth_methods);
	g_strfreev(metadata->challenge_methods);
	g_strfreev(metadata->grant_types);
	*metadata = (struct ServerMetadata){0};
}
