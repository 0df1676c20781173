/* Following the configuration.
 *
 * Whatever happens to one of the files, both are read again as a start would read them, and compared with what is in
 * use; events say nothing else. What looks like a file that is being written (it cannot be used, or it is the beginning of
 * what it was) is looked at once more before it is believed: an editor that writes in place leaves such things behind for a
 * moment, and an empty file would switch on all that the user switched off.
 *
 * A fault is said once. The same words again are the same fault. */
#include "cli/live.h"

#include "base/log.h"
#include "mux/pins.h"
#include "net/http.h"

enum {
	START_MS = 10, /* after the watch began: what was edited before it counts, too */
	DOUBT_MS = 250, /* until what is doubtful is believed */
};

struct Live {
	struct Loop *loop;
	const struct CliOptions *options;
	const struct Configuration *current;
	const struct LiveHandlers *handlers;
	void *user;
	struct LoopTimer start;
	struct LoopTimer doubt;
	char *fault; /* that was said; NULL: none */
};

/* ---- what is in the files ---- */

static bool is_same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return slice_eq((struct Slice){a, a_len}, (struct Slice){b, b_len});
}

static bool is_same_admin(const struct Configuration *a, const struct Configuration *b)
{
	return g_strcmp0(a->admin_path, b->admin_path) == 0 &&
	       is_same_text(a->admin_text, a->admin_len, b->admin_text, b->admin_len);
}

static bool is_same_user(const struct Configuration *a, const struct Configuration *b)
{
	return is_same_text(a->user_text, a->user_len, b->user_text, b->user_len);
}

static bool is_beginning(const char *text, size_t len, const char *of, size_t of_len)
{
	return len < of_len && (len == 0 || memcmp(text, of, len) == 0);
}

static bool is_doubtful(const struct Configuration *fresh, const struct Configuration *current)
{
	return is_beginning(
		       fresh->user_text, fresh->user_len, current->user_text, current->user_len) ||
	       is_beginning(fresh->admin_text, fresh->admin_len, current->admin_text,
		       current->admin_len);
}

/* Also what only a start would find. Of what is in use already (KNOWN, may be NULL) it does not count. Takes C over. */
static struct Configuration *usable(
	struct Configuration *c, const struct Configuration *known, GError **error)
{
	const char *ca_file = c ? c->config->mux.ca_file : NULL;
	bool is_known = known && g_strcmp0(ca_file, known->config->mux.ca_file) == 0;
	if (!ca_file || !*ca_file || is_known || http_check_ca_file(ca_file, error))
		return c;
	configuration_free(c);
	return NULL;
}

/* ---- edits ---- */

static void say_fault(struct Live *live, const GError *error)
{
	if (g_strcmp0(live->fault, error->message) != 0)
		log_warning(
			NULL, "%s; the configuration before the edit stays in use", error->message);
	g_free(live->fault);
	live->fault = g_strdup(error->message);
}

static void say_mended(struct Live *live)
{
	if (live->fault)
		log_warning(NULL, "the configuration can be used again");
	g_clear_pointer(&live->fault, g_free);
}

static void say_taken(const struct Configuration *fresh, const struct Configuration *current)
{
	if (current->admin_path && !fresh->admin_path)
		log_warning(
			NULL, "%s is gone, so the user's file decides alone", current->admin_path);
	else if (g_strcmp0(current->admin_path, fresh->admin_path) != 0)
		log_warning(NULL, "%s is there now, and decides", fresh->admin_path);
	log_info(NULL, "the configuration was edited, and counts from now on");
}

static void look(struct Live *live, bool believe);

static void on_doubt_over(void *user)
{
	look(user, true);
}

static void look(struct Live *live, bool believe)
{
	g_autoptr(GError) error = NULL;
	struct Configuration *fresh =
		usable(configuration_load(live->options, &error), NULL, &error);
	if (!believe && (!fresh || is_doubtful(fresh, live->current))) {
		/* Its end stands, so that somebody who writes for ever cannot keep it off. */
		if (!live->doubt.loop)
			loop_timer_start(live->loop, &live->doubt, DOUBT_MS, on_doubt_over, live);
		configuration_free(fresh);
		return;
	}
	loop_timer_stop(&live->doubt);
	if (fresh) {
		say_mended(live);
	} else {
		say_fault(live, error);
		fresh = usable(configuration_load_admin(live->options, live->current, NULL),
			live->current, NULL);
	}
	if (!fresh || (is_same_admin(fresh, live->current) && is_same_user(fresh, live->current))) {
		configuration_free(fresh);
		return;
	}
	say_taken(fresh, live->current);
	live->handlers->edited(fresh, live->user);
}

static void on_changed(void *user)
{
	look(user, false);
}

static void on_pins(void *user)
{
	struct Live *live = user;
	live->handlers->pins(live->user);
}

struct Live *live_new(struct Loop *loop, struct FileWatch *watch, const struct CliOptions *options,
	const struct Configuration *configuration, const struct LiveHandlers *handlers, void *user)
{
	struct Live *live = g_new0(struct Live, 1);
	live->loop = loop;
	live->options = options;
	live->current = configuration;
	live->handlers = handlers;
	live->user = user;
	g_auto(GStrv) places = configuration_places(options);
	for (char **place = places; *place; place++)
		file_watch_add(watch, *place, on_changed, live);
	g_autofree char *pins = pins_directory();
	file_watch_add(watch, pins, on_pins, live);
	loop_timer_start(loop, &live->start, START_MS, on_changed, live);
	return live;
}

void live_free(struct Live *live)
{
	if (!live)
		return;
	loop_timer_stop(&live->start);
	loop_timer_stop(&live->doubt);
	g_free(live->fault);
	g_free(live);
}

/* ---- notes ---- */

/* Bytes of a note's text without the place in the other file that may end it: lines move with every edit. */
static size_t gist(const char *text)
{
	const char *place = g_str_has_suffix(text, ")") ? strrchr(text, '(') : NULL;
	return place ? (size_t)(place - text) : strlen(text);
}

static bool is_same_note(const struct ConfigNote *a, const struct ConfigNote *b)
{
	return slice_eq((struct Slice){a->text, gist(a->text)},
		       (struct Slice){b->text, gist(b->text)}) &&
	       g_strcmp0(a->place.file, b->place.file) == 0;
}

static bool has_note(const struct Config *config, const struct ConfigNote *wanted)
{
	for (guint i = 0; config && i < config->notes->len; i++) {
		if (is_same_note(config->notes->pdata[i], wanted))
			return true;
	}
	return false;
}

void live_log_notes(const struct Config *config, const struct Config *known)
{
	for (guint i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		if (!has_note(known, note))
			log_warning(
				NULL, "%s:%u: %s", note->place.file, note->place.line, note->text);
	}
}

/* ---- what was changed, for the audit log ---- */

static void add_if(GPtrArray *names, bool differs, const char *key)
{
	if (differs)
		g_ptr_array_add(names, g_strdup(key));
}

static void compare_settings(GPtrArray *names, const struct MuxConfig *a, const struct MuxConfig *b)
{
	add_if(names, a->audit != b->audit, "audit");
	add_if(names, a->audit_arguments != b->audit_arguments, "audit_arguments");
	add_if(names, a->audit_syslog != b->audit_syslog, "audit_syslog");
	add_if(names, a->builtin_tools != b->builtin_tools, "builtin_tools");
	add_if(names, a->sign_in != b->sign_in, "sign_in");
	add_if(names, a->pin_tools != b->pin_tools, "pin_tools");
	add_if(names, a->user_connectors != b->user_connectors, "user_connectors");
	add_if(names, strcmp(a->separator, b->separator) != 0, "separator");
	add_if(names, a->max_tool_name != b->max_tool_name, "max_tool_name");
	add_if(names, g_strcmp0(a->ca_file, b->ca_file) != 0, "ca_file");
	add_if(names, g_strcmp0(a->proxy, b->proxy) != 0, "proxy");
}

static bool is_same_list(const struct AllowList *a, const struct AllowList *b)
{
	guint len = a->rules ? a->rules->len : 0;
	if (a->set != b->set || len != (b->rules ? b->rules->len : 0))
		return false;
	for (guint i = 0; i < len; i++) {
		const struct AllowRule *one = a->rules->pdata[i], *other = b->rules->pdata[i];
		if (strcmp(one->text, other->text) != 0)
			return false;
	}
	return true;
}

static const struct Toggle *find_toggle(const GPtrArray *toggles, const char *pattern)
{
	for (guint i = 0; i < toggles->len; i++) {
		const struct Toggle *toggle = toggles->pdata[i];
		if (strcmp(toggle->pattern, pattern) == 0)
			return toggle;
	}
	return NULL;
}

static void compare_toggles(GPtrArray *names, const GPtrArray *a, const GPtrArray *b)
{
	for (guint i = 0; i < b->len; i++) {
		const struct Toggle *toggle = b->pdata[i];
		const struct Toggle *old = find_toggle(a, toggle->pattern);
		if (!old || old->on != toggle->on)
			g_ptr_array_add(names, g_strconcat(toggle->pattern,
						       toggle->on ? " = on" : " = off", NULL));
	}
	for (guint i = 0; i < a->len; i++) {
		const struct Toggle *toggle = a->pdata[i];
		if (!find_toggle(b, toggle->pattern))
			g_ptr_array_add(names, g_strconcat(toggle->pattern, " unset", NULL));
	}
}

static void compare_connectors(
	GPtrArray *names, const struct ConnectorConfig *a, const struct ConnectorConfig *b)
{
	static const char *const lists[ALLOW_KINDS] = {
		[ALLOW_TOOLS] = "allowed_tools",
		[ALLOW_PROMPTS] = "allowed_prompts",
		[ALLOW_RESOURCES] = "allowed_resources",
	};
	bool is_elsewhere = g_strcmp0(a->url, b->url) != 0;
	add_if(names, is_elsewhere, "url");
	add_if(names, a->auth != b->auth, "auth");
	/* Whatever else of how it is reached. */
	add_if(names, !is_elsewhere && a->auth == b->auth && !connector_is_same(a, b),
		"connection");
	add_if(names, strcmp(a->prefix, b->prefix) != 0, "prefix");
	add_if(names, a->enabled != b->enabled, "enabled");
	for (unsigned kind = 0; kind < ALLOW_KINDS; kind++)
		add_if(names,
			a->default_all != b->default_all ||
				!is_same_list(&a->allowed[kind], &b->allowed[kind]) ||
				!is_same_list(&a->narrowed[kind], &b->narrowed[kind]),
			lists[kind]);
	compare_toggles(names, a->toggles, b->toggles);
}

static void write_names(
	struct Audit *audit, const char *connector, const char *change, GPtrArray *names)
{
	g_ptr_array_add(names, NULL);
	audit_policy(audit, connector, change, (const char *const *)names->pdata);
}

void live_audit_changes(
	struct Audit *audit, const struct Config *current, const struct Config *fresh)
{
	g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(g_free);
	compare_settings(settings, &current->mux, &fresh->mux);
	if (settings->len > 0)
		write_names(audit, NULL, "changed", settings);
	for (guint i = 0; i < fresh->connectors->len; i++) {
		const struct ConnectorConfig *connector = fresh->connectors->pdata[i];
		const struct ConnectorConfig *old = config_find(current, connector->name);
		g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
		if (old)
			compare_connectors(names, old, connector);
		if (!old || names->len > 0)
			write_names(audit, connector->name, old ? "changed" : "added", names);
	}
	for (guint i = 0; i < current->connectors->len; i++) {
		const struct ConnectorConfig *connector = current->connectors->pdata[i];
		g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
		if (!config_find(fresh, connector->name))
			write_names(audit, connector->name, "removed", names);
	}
}
