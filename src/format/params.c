#include "format/params.h"

/* A member we look at, and where its value goes. */
struct Field {
	const char *key;
	size_t offset;
};

#define FIELD(key, member)                                                                         \
	{                                                                                          \
		key, offsetof(struct McpParams, member)                                            \
	}

static const struct Field param_fields[] = {
	FIELD("name", name),
	FIELD("arguments", arguments),
	FIELD("cursor", cursor),
	FIELD("uri", uri),
	FIELD("ref", ref),
	FIELD("level", level),
	FIELD("taskId", task_id),
	FIELD("requestId", request_id),
	FIELD("notifications", notifications),
	FIELD("progressToken", progress_token_param),
	FIELD("inputResponses", input_responses),
	FIELD("requestState", request_state),
	FIELD("_meta", meta),
};

static const struct Field meta_fields[] = {
	FIELD("progressToken", progress_token),
	FIELD(MCP_META_VERSION, version),
	FIELD(MCP_META_CLIENT_INFO, client_info),
	FIELD(MCP_META_CAPABILITIES, capabilities),
	FIELD(MCP_META_LOG_LEVEL, log_level),
};

static struct JsonValue *field_in(struct McpParams *out, const struct Field *field)
{
	return (struct JsonValue *)((char *)out + field->offset);
}

static const struct Field *find(const struct Field *fields, size_t n, struct Slice raw_key)
{
	for (size_t i = 0; i < n; i++) {
		if (json_string_is(raw_key, slice_of(fields[i].key)))
			return &fields[i];
	}
	return NULL;
}

static bool read_fields(
	struct Slice object, const struct Field *fields, size_t n, struct McpParams *out)
{
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, object) {
		const struct Field *field = find(fields, n, member.key);
		if (!field)
			continue;
		struct JsonValue *value = field_in(out, field);
		if (value->type != JSON_NONE)
			return false;
		*value = member.value;
	}
	return true;
}

bool mcp_params_read(struct JsonValue params, struct McpParams *out, const char **why)
{
	struct McpParams read = {.all = params};
	if (params.type == JSON_OBJECT &&
		!read_fields(params.raw, param_fields, G_N_ELEMENTS(param_fields), &read)) {
		*why = "a member of params stands twice";
		return false;
	}
	if (read.meta.type != JSON_NONE && read.meta.type != JSON_OBJECT) {
		*why = "_meta is no object";
		return false;
	}
	if (read.meta.type == JSON_OBJECT &&
		!read_fields(read.meta.raw, meta_fields, G_N_ELEMENTS(meta_fields), &read)) {
		*why = "a member of _meta stands twice";
		return false;
	}
	if (read.progress_token.type != JSON_NONE && read.progress_token.type != JSON_STRING &&
		!json_is_integer(read.progress_token)) {
		*why = "progressToken is neither string nor integer";
		return false;
	}
	*out = read;
	return true;
}

bool mcp_params_is_modern(const struct McpParams *params)
{
	return params->version.type != JSON_NONE || params->client_info.type != JSON_NONE ||
	       params->capabilities.type != JSON_NONE || params->log_level.type != JSON_NONE;
}

unsigned mcp_params_copy_meta(const struct McpParams *params, struct Slice token, GString *out)
{
	unsigned written = 0;
	if (params->meta.type != JSON_OBJECT)
		return 0;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, params->meta.raw) {
		const struct Field *field =
			find(meta_fields, G_N_ELEMENTS(meta_fields), member.key);
		/* The first of them is the progress token, the others are the reserved keys. */
		if (field && field != &meta_fields[0])
			continue;
		if (written++ > 0)
			g_string_append_c(out, ',');
		g_string_append_len(out, member.key.data, (gssize)member.key.len);
		g_string_append_c(out, ':');
		struct Slice value = field ? token : member.value.raw;
		g_string_append_len(out, value.data, (gssize)value.len);
	}
	return written;
}
