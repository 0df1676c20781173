/* Both kinds of record are a table of fields: what a member is called, what it holds, and where it lies in the struct.
 * Reading, writing, copying and freeing go by the table.
 *
 * A record was written by this program, by another version of it, or by whoever may write the person's keyring. What
 * is read is as strict as what is written: a member of the wrong kind means that it is no record. There is no limit on
 * texts, since a login that was stored must be readable; the keyring limits the whole. */
#include "format/record.h"

#include "base/error.h"
#include "format/json_writer.h"
#include "format/oauth_parts.h"

enum { VERSION = 1 };

enum FieldKind {
	FIELD_TEXT, /* char * */
	FIELD_TOKEN, /* struct Secret *, fit for a header */
	FIELD_SECRET, /* struct Secret *, any text */
	FIELD_TIME, /* int64_t, 0: not known */
};

struct Field {
	const char *key;
	const char *within; /* the member in whose object it stands; NULL: the record itself */
	enum FieldKind kind;
	bool needed;
	size_t offset;
};

struct Kind {
	const char *name; /* for people */
	const struct Field *fields; /* those of one object stand together */
	unsigned n;
	size_t size;
	size_t unknown;
};

static const struct Field token_fields[] = {
#define AT(member) offsetof(struct TokenRecord, member)
	{"grant", NULL, FIELD_TEXT, false, AT(grant)},
	{"issuer", NULL, FIELD_TEXT, false, AT(issuer)},
	{"client_id", NULL, FIELD_TEXT, false, AT(client_id)},
	{"auth_method", NULL, FIELD_TEXT, false, AT(auth_method)},
	{"redirect_uri", NULL, FIELD_TEXT, false, AT(redirect_uri)},
	{"authorization", "endpoints", FIELD_TEXT, false, AT(authorization_endpoint)},
	{"token", "endpoints", FIELD_TEXT, false, AT(token_endpoint)},
	{"revocation", "endpoints", FIELD_TEXT, false, AT(revocation_endpoint)},
	{"resource", NULL, FIELD_TEXT, false, AT(resource)},
	{"scope_granted", NULL, FIELD_TEXT, false, AT(scope_granted)},
	{"scope_wanted", NULL, FIELD_TEXT, false, AT(scope_wanted)},
	{"access_token", NULL, FIELD_TOKEN, true, AT(access_token)},
	{"refresh_token", NULL, FIELD_TOKEN, false, AT(refresh_token)},
	{"expires_at", NULL, FIELD_TIME, false, AT(expires_at)},
	{"issued_at", NULL, FIELD_TIME, false, AT(issued_at)},
	{"account", NULL, FIELD_TEXT, false, AT(account)},
#undef AT
};

static const struct Field client_fields[] = {
#define AT(member) offsetof(struct ClientRecord, member)
	{"client_id", NULL, FIELD_TEXT, true, AT(client_id)},
	{"client_secret", NULL, FIELD_SECRET, false, AT(client_secret)},
	{"auth_method", NULL, FIELD_TEXT, false, AT(auth_method)},
	{"redirect_uri", NULL, FIELD_TEXT, false, AT(redirect_uri)},
	{"secret_expires_at", NULL, FIELD_TIME, false, AT(secret_expires_at)},
#undef AT
};

static const struct Kind token_kind = {"the sign-in's record", token_fields,
	G_N_ELEMENTS(token_fields), sizeof(struct TokenRecord),
	offsetof(struct TokenRecord, unknown)};
static const struct Kind client_kind = {"the client's record", client_fields,
	G_N_ELEMENTS(client_fields), sizeof(struct ClientRecord),
	offsetof(struct ClientRecord, unknown)};

static char **text_at(const void *record, size_t offset)
{
	return (char **)((char *)record + offset);
}

static struct Secret **secret_at(const void *record, size_t offset)
{
	return (struct Secret **)((char *)record + offset);
}

static int64_t *time_at(const void *record, size_t offset)
{
	return (int64_t *)((char *)record + offset);
}

/* Whether the record says anything in FIELD. */
static bool is_set(const struct Field *field, const void *record)
{
	switch (field->kind) {
	case FIELD_TEXT:
		return *text_at(record, field->offset);
	case FIELD_TOKEN:
	case FIELD_SECRET:
		return *secret_at(record, field->offset);
	case FIELD_TIME:
		break;
	}
	return *time_at(record, field->offset) != 0;
}

static void *record_new(const struct Kind *kind)
{
	void *record = g_malloc0(kind->size);
	*text_at(record, kind->unknown) = g_strdup("");
	return record;
}

static void record_free(const struct Kind *kind, void *record)
{
	if (!record)
		return;
	for (unsigned i = 0; i < kind->n; i++) {
		const struct Field *field = &kind->fields[i];
		switch (field->kind) {
		case FIELD_TEXT:
			g_free(*text_at(record, field->offset));
			break;
		case FIELD_TOKEN:
		case FIELD_SECRET:
			secret_unref(*secret_at(record, field->offset));
			break;
		case FIELD_TIME:
			break;
		}
	}
	/* What another version keeps may be secret. */
	secret_free_text(*text_at(record, kind->unknown));
	g_free(record);
}

static void *record_copy(const struct Kind *kind, const void *record)
{
	void *copy = g_memdup2(record, kind->size);
	for (unsigned i = 0; i < kind->n; i++) {
		const struct Field *field = &kind->fields[i];
		switch (field->kind) {
		case FIELD_TEXT:
			*text_at(copy, field->offset) = g_strdup(*text_at(record, field->offset));
			break;
		case FIELD_TOKEN:
		case FIELD_SECRET:
			secret_ref(*secret_at(record, field->offset));
			break;
		case FIELD_TIME:
			break;
		}
	}
	*text_at(copy, kind->unknown) = g_strdup(*text_at(record, kind->unknown));
	return copy;
}

/* --- reading --- */

static bool refuse(GError **error, const struct Kind *kind, const char *member, const char *why)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX, "%s of %s %s", member, kind->name, why);
	return false;
}

/* The version is looked at before anything else, since a newer one may have changed all of it. */
static bool check_version(const struct Kind *kind, struct Slice object, GError **error)
{
	static const char *const member = "v";
	struct JsonValue value;
	if (json_find_members(object, &member, 1, &value))
		return refuse(error, kind, member, "stands twice");
	int64_t version = 0;
	if (!json_int64(value, &version) || version < 1)
		return refuse(error, kind, member, "is missing or no version");
	if (version == VERSION)
		return true;
	g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX,
		"%s is of version %" G_GINT64_FORMAT ": it was written by a newer mcp-mux, "
		"and this one reads version %d alone",
		kind->name, version, VERSION);
	return false;
}

/* The value of a field that the record must be able to hold. */
static bool read_value(
	const struct Field *field, struct JsonValue value, void *record, const char **why)
{
	int64_t seconds = 0;
	switch (field->kind) {
	case FIELD_TEXT:
		*why = "is no text, or holds control characters";
		if (value.type != JSON_STRING)
			return false;
		*text_at(record, field->offset) = oauth_text(value, SIZE_MAX);
		return *text_at(record, field->offset) || slice_is(value.raw, "\"\"");
	case FIELD_TOKEN:
	case FIELD_SECRET:
		*why = "is no text, or holds characters that it may not have";
		return value.type == JSON_STRING &&
		       oauth_secret(value,
			       field->kind == FIELD_TOKEN ? OAUTH_FORM_TOKEN : OAUTH_FORM_ANY,
			       SIZE_MAX, secret_at(record, field->offset));
	case FIELD_TIME:
		*why = "is no time";
		if (!json_int64(value, &seconds) || seconds < 0)
			return false;
		*time_at(record, field->offset) = seconds;
		break;
	}
	return true;
}

/* The object in which FIELD stands: OBJECT, or one inside, which is empty where it is not there. */
static bool find_object(
	struct Slice object, const char *within, struct Slice *found, const char **why)
{
	*found = object;
	if (!within)
		return true;
	*why = "stands twice or is no object";
	if (json_has_duplicate(object, &within, 1))
		return false;
	struct JsonValue value = json_get(object, within);
	*found = value.type == JSON_OBJECT ? value.raw : SLICE("{}");
	return value.type == JSON_OBJECT || value.type == JSON_NONE || value.type == JSON_NULL;
}

static bool read_field(const struct Kind *kind, const struct Field *field, struct Slice object,
	void *record, GError **error)
{
	const char *why = NULL;
	struct Slice home;
	if (!find_object(object, field->within, &home, &why))
		return refuse(error, kind, field->within, why);
	struct JsonValue value;
	if (json_find_members(home, &field->key, 1, &value))
		return refuse(error, kind, field->key, "stands twice");
	bool absent = value.type == JSON_NONE || value.type == JSON_NULL;
	if (!absent && !read_value(field, value, record, &why))
		return refuse(error, kind, field->key, why);
	/* An empty text is as good as none. */
	if (field->needed && !is_set(field, record))
		return refuse(error, kind, field->key, "is missing");
	return true;
}

static bool is_known(const struct Kind *kind, struct Slice raw_key)
{
	if (json_string_is(raw_key, SLICE("v")))
		return true;
	for (unsigned i = 0; i < kind->n; i++) {
		const struct Field *field = &kind->fields[i];
		if (json_string_is(raw_key, slice_of(field->within ? field->within : field->key)))
			return true;
	}
	return false;
}

/* The raw members that are not in the table, with commas between, in memory that does not grow. */
static char *read_unknown(const struct Kind *kind, struct Slice object)
{
	GString *unknown = g_string_sized_new(object.len);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, object) {
		if (is_known(kind, member.key))
			continue;
		if (unknown->len > 0)
			g_string_append_c(unknown, ',');
		g_string_append_len(unknown, member.key.data, (gssize)member.key.len);
		g_string_append_c(unknown, ':');
		g_string_append_len(unknown, member.value.raw.data, (gssize)member.value.raw.len);
	}
	char *text = g_strndup(unknown->str, unknown->len);
	secret_free_string(unknown);
	return text;
}

static void *record_parse(const struct Kind *kind, struct Slice json, GError **error)
{
	struct JsonFault fault;
	if (!json_validate(json, &fault)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX, "%s is no JSON: %s at byte %zu",
			kind->name, fault.reason, fault.offset);
		return NULL;
	}
	struct JsonValue root = json_root(json);
	if (!check_version(kind, root.raw, error))
		return NULL;
	void *record = g_malloc0(kind->size);
	for (unsigned i = 0; i < kind->n; i++) {
		if (!read_field(kind, &kind->fields[i], root.raw, record, error)) {
			record_free(kind, record);
			return NULL;
		}
	}
	*text_at(record, kind->unknown) = read_unknown(kind, root.raw);
	return record;
}

/* --- writing --- */

/* How long the record can become at most, so that the text never has to grow: six bytes for each of a text (an
 * escape), and room for keys, numbers and marks. */
static size_t written_bound(const struct Kind *kind, const void *record)
{
	size_t bound = 64 + slice_of(*text_at(record, kind->unknown)).len;
	for (unsigned i = 0; i < kind->n; i++) {
		const struct Field *field = &kind->fields[i];
		bound += strlen(field->key) + 32;
		switch (field->kind) {
		case FIELD_TEXT:
			bound += 6 * slice_of(*text_at(record, field->offset)).len;
			break;
		case FIELD_TOKEN:
		case FIELD_SECRET:
			bound += 6 * secret_reveal(*secret_at(record, field->offset)).len;
			break;
		case FIELD_TIME:
			break;
		}
	}
	return bound;
}

static void write_field(struct JsonWriter *w, const struct Field *field, const void *record)
{
	json_key(w, field->key);
	switch (field->kind) {
	case FIELD_TEXT:
		json_cstring(w, *text_at(record, field->offset));
		break;
	case FIELD_TOKEN:
	case FIELD_SECRET:
		json_string(w, secret_reveal(*secret_at(record, field->offset)));
		break;
	case FIELD_TIME:
		json_int(w, *time_at(record, field->offset));
		break;
	}
}

static void write_fields(struct JsonWriter *w, const struct Kind *kind, const void *record)
{
	const char *within = NULL;
	for (unsigned i = 0; i < kind->n; i++) {
		const struct Field *field = &kind->fields[i];
		if (!is_set(field, record))
			continue;
		if (within && field->within != within)
			json_end_object(w);
		if (field->within && field->within != within) {
			json_key(w, field->within);
			json_begin_object(w);
		}
		within = field->within;
		write_field(w, field, record);
	}
	if (within)
		json_end_object(w);
}

static struct Secret *record_write(const struct Kind *kind, const void *record)
{
	GString *out = g_string_sized_new(written_bound(kind, record));
	const size_t room = out->allocated_len;
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", VERSION);
	write_fields(&w, kind, record);
	const char *unknown = *text_at(record, kind->unknown);
	if (unknown && *unknown) {
		g_string_append_c(out, ',');
		g_string_append(out, unknown);
	}
	json_end_object(&w);
	g_assert(out->allocated_len == room); /* else a copy stays behind that nobody wipes */
	struct Secret *written = secret_new((struct Slice){out->str, out->len});
	secret_free_string(out);
	return written;
}

/* --- the two kinds --- */

struct TokenRecord *token_record_new(void)
{
	return record_new(&token_kind);
}

struct TokenRecord *token_record_copy(const struct TokenRecord *record)
{
	return record_copy(&token_kind, record);
}

void token_record_free(struct TokenRecord *record)
{
	record_free(&token_kind, record);
}

struct TokenRecord *token_record_parse(struct Slice json, GError **error)
{
	return record_parse(&token_kind, json, error);
}

struct Secret *token_record_write(const struct TokenRecord *record)
{
	return record_write(&token_kind, record);
}

struct ClientRecord *client_record_new(void)
{
	return record_new(&client_kind);
}

struct ClientRecord *client_record_copy(const struct ClientRecord *record)
{
	return record_copy(&client_kind, record);
}

void client_record_free(struct ClientRecord *record)
{
	record_free(&client_kind, record);
}

struct ClientRecord *client_record_parse(struct Slice json, GError **error)
{
	return record_parse(&client_kind, json, error);
}

struct Secret *client_record_write(const struct ClientRecord *record)
{
	return record_write(&client_kind, record);
}
