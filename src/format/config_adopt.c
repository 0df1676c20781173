/* A configuration that takes another's place while a program runs on it. Running upstreams hold their ConnectorConfig
 * and some of its strings; so a connector that is reached as before stays where it is, and gets everything but those
 * strings from the fresh one. Whatever is not named here as a way to reach a server is taken over. */
#include "format/config_parts.h"

static const struct HeaderConfig *find_header(
	const GPtrArray *headers, const struct HeaderConfig *wanted, guint from, guint *index)
{
	for (guint i = from; i < headers->len; i++) {
		const struct HeaderConfig *header = headers->pdata[i];
		if (strcmp(header->name, wanted->name) != 0)
			continue;
		*index = i;
		return header;
	}
	return NULL;
}

/* The same headers with the same values, in whatever order. No name stands twice in either. */
static bool headers_are_same(const GPtrArray *a, const GPtrArray *b)
{
	for (guint i = 0; a->len == b->len && i < a->len; i++) {
		const struct HeaderConfig *header = a->pdata[i];
		guint index = 0;
		const struct HeaderConfig *other = find_header(b, header, 0, &index);
		if (!other || strcmp(header->value, other->value) != 0)
			return false;
	}
	return a->len == b->len;
}

bool connector_is_same(const struct ConnectorConfig *a, const struct ConnectorConfig *b)
{
	return strcmp(a->name, b->name) == 0 && g_strcmp0(a->url, b->url) == 0 &&
	       a->auth == b->auth && g_strcmp0(a->scope, b->scope) == 0 &&
	       g_strcmp0(a->client_id, b->client_id) == 0 &&
	       g_strcmp0(a->client_metadata_url, b->client_metadata_url) == 0 &&
	       g_strcmp0(a->redirect_host, b->redirect_host) == 0 &&
	       a->redirect_port == b->redirect_port &&
	       a->resource_parameter == b->resource_parameter &&
	       g_strcmp0(a->api_key_header, b->api_key_header) == 0 &&
	       g_strcmp0(a->api_key_prefix, b->api_key_prefix) == 0 &&
	       headers_are_same(a->headers, b->headers);
}

/* Puts HEADERS into the order of FRESH, with its places; the headers themselves stay. */
static void adopt_headers(GPtrArray *headers, const GPtrArray *fresh)
{
	for (guint i = 0; i < fresh->len; i++) {
		const struct HeaderConfig *wanted = fresh->pdata[i];
		guint index = i;
		find_header(headers, wanted, i, &index);
		struct HeaderConfig *header = headers->pdata[index];
		headers->pdata[index] = headers->pdata[i];
		headers->pdata[i] = header;
		header->place = wanted->place;
	}
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swapped = (a);                                                       \
		(a) = (b);                                                                         \
		(b) = swapped;                                                                     \
	} while (0)

/* CURRENT says what FRESH says, which is freed. */
static void adopt_connector(struct ConnectorConfig *current, struct ConnectorConfig *fresh)
{
	SWAP(*current, *fresh);
	SWAP(current->name, fresh->name);
	SWAP(current->url, fresh->url);
	SWAP(current->scope, fresh->scope);
	SWAP(current->client_id, fresh->client_id);
	SWAP(current->client_metadata_url, fresh->client_metadata_url);
	SWAP(current->redirect_host, fresh->redirect_host);
	SWAP(current->api_key_header, fresh->api_key_header);
	SWAP(current->api_key_prefix, fresh->api_key_prefix);
	SWAP(current->headers, fresh->headers);
	adopt_headers(current->headers, fresh->headers);
	connector_config_free(fresh);
}

/* Takes the connector that is reached as FRESH is out of CONNECTORS; NULL if there is none. */
static struct ConnectorConfig *take_same(GPtrArray *connectors, const struct ConnectorConfig *fresh)
{
	for (guint i = 0; i < connectors->len; i++) {
		if (connector_is_same(connectors->pdata[i], fresh))
			return g_ptr_array_steal_index(connectors, i);
	}
	return NULL;
}

void config_adopt(struct Config *current, struct Config *fresh, GPtrArray **gone)
{
	GPtrArray *order = g_ptr_array_new_with_free_func(connector_config_free);
	for (guint i = 0; i < fresh->connectors->len; i++) {
		struct ConnectorConfig *connector = fresh->connectors->pdata[i];
		struct ConnectorConfig *kept = take_same(current->connectors, connector);
		if (kept)
			adopt_connector(kept, connector);
		g_ptr_array_add(order, kept ? kept : connector);
	}
	/* They are in ORDER now, or freed. */
	g_free(g_ptr_array_steal(fresh->connectors, NULL));
	*gone = current->connectors;
	current->connectors = order;
	SWAP(current->mux, fresh->mux);
	SWAP(current->notes, fresh->notes);
	SWAP(current->files, fresh->files);
	current->has_admin = fresh->has_admin;
	config_free(fresh);
}
