#include "auth/keyring_internal.h"

#define APPLICATION "mcp-mux"

const SecretSchema keyring_schema = {
	.name = "org.mcp_mux.Credential",
	.flags = SECRET_SCHEMA_NONE,
	.attributes =
		{
			{"application", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"connector", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"resource", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"kind", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"issuer", SECRET_SCHEMA_ATTRIBUTE_STRING},
		},
};

static const char *const kind_names[] = {
	[KEYRING_TOKEN] = "token",
	[KEYRING_API_KEY] = "api-key",
	[KEYRING_CLIENT] = "client",
	[KEYRING_AUDIT_KEY] = "audit-key",
};

static void add(GHashTable *attributes, const char *name, const char *value)
{
	g_hash_table_insert(attributes, g_strdup(name), g_strdup(value));
}

GHashTable *keyring_connector_attributes(const char *connector)
{
	if (connector && !g_utf8_validate(connector, -1, NULL))
		return NULL;
	GHashTable *attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	add(attributes, "application", APPLICATION);
	if (connector)
		add(attributes, "connector", connector);
	return attributes;
}

GHashTable *keyring_key_attributes(const struct KeyringKey *key)
{
	if (!g_utf8_validate(key->resource, -1, NULL) ||
		(key->issuer && !g_utf8_validate(key->issuer, -1, NULL)))
		return NULL;
	GHashTable *attributes = keyring_connector_attributes(key->connector);
	if (!attributes)
		return NULL;
	add(attributes, "resource", key->resource);
	add(attributes, "kind", kind_names[key->kind]);
	if (key->issuer)
		add(attributes, "issuer", key->issuer);
	return attributes;
}

GVariant *keyring_attributes_variant(GHashTable *attributes, bool with_schema)
{
	GVariantBuilder builder;
	GHashTableIter at;
	void *name, *value;
	g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
	g_hash_table_iter_init(&at, attributes);
	while (g_hash_table_iter_next(&at, &name, &value))
		g_variant_builder_add(&builder, "{ss}", (char *)name, (char *)value);
	if (with_schema)
		g_variant_builder_add(&builder, "{ss}", "xdg:schema", keyring_schema.name);
	return g_variant_builder_end(&builder);
}

static void key_clear(void *data)
{
	struct KeyringKey *key = data;
	g_free((char *)key->connector);
	g_free((char *)key->resource);
	g_free((char *)key->issuer);
}

GArray *keyring_keys_new(void)
{
	GArray *keys = g_array_new(FALSE, FALSE, sizeof(struct KeyringKey));
	g_array_set_clear_func(keys, key_clear);
	return keys;
}

void keyring_key_append(GArray *keys, GVariant *attributes)
{
	const char *application, *schema, *connector, *resource, *kind, *issuer = NULL;
	if (!g_variant_lookup(attributes, "application", "&s", &application) ||
		!g_variant_lookup(attributes, "xdg:schema", "&s", &schema) ||
		!g_variant_lookup(attributes, "connector", "&s", &connector) ||
		!g_variant_lookup(attributes, "resource", "&s", &resource) ||
		!g_variant_lookup(attributes, "kind", "&s", &kind))
		return;
	g_variant_lookup(attributes, "issuer", "&s", &issuer);
	if (strcmp(application, APPLICATION) != 0 || strcmp(schema, keyring_schema.name) != 0)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++) {
		if (strcmp(kind, kind_names[i]) != 0)
			continue;
		struct KeyringKey key = {
			.connector = g_strdup(connector),
			.resource = g_strdup(resource),
			.kind = (enum KeyringKind)i,
			.issuer = g_strdup(issuer),
		};
		g_array_append_val(keys, key);
	}
}
