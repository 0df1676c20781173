/* The stages of one sign-in, one after another; each has one part under way, which calls back here:
 *
 *   discovery → port of the kept registration → listener bound → client → URL shown; a person is awaited
 *   → callback checked → code exchanged → credential's lock → keyring → page delivered → done
 *
 * Trusted is what was recorded before the URL was shown: state, verifier, issuer and endpoints. A callback, be it from
 * the listener or pasted, is judged by auth/callback, and the first that decides is the only one that is acted on;
 * the browser that brought it waits for its page until the end is known, so that nothing says "connected" before the
 * keyring holds the tokens. Every end goes through `end`, which calls back from the loop.
 *
 * A registration is bound to its port where the server compares exactly, which cannot be told beforehand: where the
 * port of the kept one cannot be had and the server registers clients, a new one is made. */
#include "auth/sign_in.h"

#include "auth/callback.h"
#include "auth/credential_lock.h"
#include "auth/page.h"
#include "base/error.h"
#include "base/log.h"
#include "format/form.h"
#include "format/scope.h"
#include "format/url.h"
#include "net/listener.h"

enum {
	STATE_BYTES = 32,
	VERIFIER_BYTES = 32, /* 43 characters, RFC 7636, 4.1 */
	GRANT_ID_BYTES = 16,
	DELIVERY_MS = 1000,
	URL_BYTES = 4096, /* usually enough */
};

static const char *const callback_path = "/callback";

enum Stage {
	STAGE_PREPARING,
	STAGE_WAITING, /* for the person */
	STAGE_DECIDED,
	STAGE_OVER, /* done was called */
};

struct SignIn {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	struct TokenRecord *previous; /* NULL: none */
	struct SignInHandlers handlers;
	void *user;
	enum Stage stage;
	struct Discovery *discovery; /* of these, the one that is under way */
	struct ClientChoice *choice;
	struct Grant *grant;
	struct CredentialLock *locking;
	struct KeyringCall *keyring;
	struct FileLock *lock;
	struct LoopTimer timer; /* the person's limit, then that of the page */
	struct Discovered found;
	char *scope; /* asked for; NULL: none */
	struct Listener *listener;
	unsigned kept_port; /* of the kept registration; 0: none */
	struct ClientRecord *client;
	struct Secret *state;
	struct Secret *verifier;
	char *url;
	struct ListenerVisit *visit; /* of the browser that decided; NULL: none waits */
	struct TokenRecord *record;
	GError *error;
};

/* ---- ends ---- */

static void show(struct SignIn *s, struct ListenerVisit *visit, enum PageKind kind)
{
	static const unsigned statuses[] = {
		[PAGE_CONNECTED] = 200,
		[PAGE_REFUSED] = 403,
		[PAGE_FAILED] = 500,
		[PAGE_NOT_OURS] = 400,
		[PAGE_OVER] = 409,
	};
	const char *detail = kind == PAGE_CONNECTED ? s->record->account
			     : s->error             ? s->error->message
						    : NULL;
	g_autofree char *html = page_html(kind, connector_title(s->connector), detail);
	listener_answer(visit, statuses[kind], html);
}

static void on_over(void *user)
{
	struct SignIn *s = user;
	if (s->stage == STAGE_OVER)
		return;
	loop_timer_stop(&s->timer);
	s->stage = STAGE_OVER;
	s->handlers.done(s, s->error ? NULL : s->record, s->error, s->user);
}

static void end(struct SignIn *s, enum PageKind kind)
{
	s->stage = STAGE_DECIDED;
	g_clear_pointer(&s->lock, file_unlock);
	auth_happened(s->shared, AUTH_SIGN_IN, s->connector, s->error);
	if (s->visit)
		show(s, g_steal_pointer(&s->visit), kind);
	bool has_page = s->listener && listener_is_busy(s->listener);
	if (has_page)
		listener_when_delivered(s->listener, on_over, s);
	loop_timer_start(s->shared->loop, &s->timer, has_page ? DELIVERY_MS : 0, on_over, s);
}

static void fail(struct SignIn *s, const GError *error)
{
	bool refused = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN);
	s->error = g_error_copy(error);
	end(s, refused ? PAGE_REFUSED : PAGE_FAILED);
}

G_GNUC_PRINTF(3, 4)
static void fail_with(struct SignIn *s, enum MuxError code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autoptr(GError) error = g_error_new_valist(MUX_ERROR, (int)code, format, args);
	va_end(args);
	fail(s, error);
}

/* ---- the end of a registration that the server does not know any more ---- */

static void on_forgotten(const GError *error, void *user)
{
	struct SignIn *s = user;
	s->keyring = NULL;
	if (error)
		log_warning(s->connector->name, "its registration could not be forgotten: %s",
			error->message);
	end(s, PAGE_REFUSED);
}

/* A refusal with the code of RFC 6749, 4.1.2.1 or 5.2; NULL: none was said. */
static void fail_refused(struct SignIn *s, const char *oauth_code, const GError *error)
{
	const char *const of_client[] = {"invalid_client", "unauthorized_client", NULL};
	bool is_client = oauth_code && g_strv_contains(of_client, oauth_code);
	if (is_client && s->client->redirect_uri) {
		g_autofree char *resource = NULL;
		struct KeyringKey key = client_key(s->connector, s->found.server.issuer, &resource);
		s->error = g_error_new(MUX_ERROR, MUX_ERROR_SIGN_IN,
			"%s; the registration as its client is forgotten, so that the next sign-in "
			"makes a new one",
			error->message);
		s->keyring = keyring_clear(s->shared->keyring, &key, on_forgotten, s);
	} else if (is_client && s->connector->client_id && !s->client->client_secret) {
		fail_with(s, MUX_ERROR_SIGN_IN,
			"%s; if this client has a secret, `mcp-mux connect %s` asks for it",
			error->message, s->connector->name);
	} else {
		fail(s, error);
	}
}

/* ---- storing ---- */

static void on_stored(const GError *error, void *user)
{
	struct SignIn *s = user;
	s->keyring = NULL;
	if (error) {
		fail(s, error);
		return;
	}
	credential_touch_stamp();
	end(s, PAGE_CONNECTED);
}

static void on_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct SignIn *s = user;
	s->locking = NULL;
	s->lock = lock;
	/* A renewal whose outcome cannot be stored holds the lock for long. It looks before it stores, so that it
	 * does not write over this. */
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_TIMEOUT)) {
		log_warning(s->connector->name, "stored without the lock: %s", error->message);
	} else if (error) {
		fail(s, error);
		return;
	}
	g_autofree char *resource = NULL;
	struct KeyringKey key = credential_key(s->connector, &resource);
	g_autoptr(Secret) text = token_record_write(s->record);
	s->keyring = keyring_store(s->shared->keyring, &key, text, on_stored, s);
}

/* What is asked for again by the next sign-in. offline_access is not among it: each adds it by itself. */
static char *base_scope(const struct ConnectorConfig *connector,
	const struct Discovered *discovered, const struct TokenRecord *previous)
{
	const struct Challenge *challenge = discovered->challenge;
	if (connector->scope)
		return scope_union(connector->scope, NULL);
	const char *asked = challenge && challenge->scope && *challenge->scope
				    ? challenge->scope
				    : discovered->resource_scopes;
	return scope_union(asked, previous ? previous->scope_wanted : NULL);
}

static struct TokenRecord *record_new(const struct SignIn *s, struct TokenAnswer *answer)
{
	const struct ServerMetadata *server = &s->found.server;
	struct TokenRecord *record = token_record_new();
	record->grant = secret_random_text(GRANT_ID_BYTES);
	record->issuer = g_strdup(server->issuer);
	record->client_id = g_strdup(s->client->client_id);
	record->auth_method = g_strdup(s->client->auth_method);
	record->redirect_uri = g_strdup(listener_uri(s->listener));
	record->authorization_endpoint = g_strdup(server->authorization_endpoint);
	record->token_endpoint = g_strdup(server->token_endpoint);
	record->revocation_endpoint = g_strdup(server->revocation_endpoint);
	record->resource = g_strdup(s->found.resource);
	record->scope_granted =
		g_strdup(s->scope); /* RFC 6749, 5.1: unless the answer says other */
	record->scope_wanted = base_scope(s->connector, &s->found, s->previous);
	grant_update_record(record, answer);
	/* What the server did not give now it would not give the next time: only a step-up may add to what was
	 * given, and so tells `connect` that there is something to ask for. */
	if (!scope_covers(record->scope_granted, record->scope_wanted)) {
		g_free(record->scope_wanted);
		record->scope_wanted = g_strdup(record->scope_granted);
	}
	return record;
}

/* ---- the code ---- */

static void on_answer(
	struct TokenAnswer *answer, const char *oauth_code, const GError *error, void *user)
{
	struct SignIn *s = user;
	s->grant = NULL;
	if (error) {
		fail_refused(s, oauth_code, error);
		return;
	}
	s->record = record_new(s, answer);
	s->locking = credential_lock_start(
		s->shared->loop, s->connector, CREDENTIAL_LOCK_MS, on_locked, s);
}

static void redeem(struct SignIn *s, struct Secret *code)
{
	const struct GrantSpec spec = {
		.kind = GRANT_CODE,
		.endpoint = s->found.server.token_endpoint,
		.issuer = s->found.server.issuer,
		.client_id = s->client->client_id,
		.client_secret = s->client->client_secret,
		.auth_method = s->client->auth_method,
		.code = code,
		.verifier = s->verifier,
		.redirect_uri = listener_uri(s->listener),
		.resource = s->found.resource,
	};
	s->grant = grant_start(s->shared, &spec, on_answer, s);
}

/* ---- callbacks ---- */

static enum CallbackKind check(const struct SignIn *s, struct Slice query, struct Secret **code,
	char **refused, GError **error)
{
	const struct CallbackExpected expected = {
		.state = s->state,
		.issuer = s->found.server.issuer,
		.iss_required = s->found.server.iss_parameter,
	};
	return callback_check(query, &expected, code, refused, error);
}

/* Judges and acts; false with an error if QUERY decides nothing. VISIT (NULL: pasted) is kept if it does. */
static bool take(struct SignIn *s, struct Slice query, struct ListenerVisit *visit, GError **error)
{
	g_autoptr(Secret) code = NULL;
	g_autofree char *refused = NULL;
	g_autoptr(GError) fault = NULL;
	enum CallbackKind kind = check(s, query, &code, &refused, &fault);
	if (kind == CALLBACK_FOREIGN) {
		g_propagate_error(error, g_steal_pointer(&fault));
		return false;
	}
	loop_timer_stop(&s->timer);
	s->stage = STAGE_DECIDED;
	s->visit = visit;
	if (kind == CALLBACK_CODE)
		redeem(s, code);
	else if (kind == CALLBACK_REFUSAL)
		fail_refused(s, refused, fault);
	else
		fail(s, fault);
	return true;
}

static void on_visit(
	struct Listener *listener, struct ListenerVisit *visit, struct Slice query, void *user)
{
	struct SignIn *s = user;
	(void)listener;
	if (s->stage == STAGE_WAITING && take(s, query, visit, NULL))
		return;
	g_autoptr(Secret) code = NULL;
	g_autofree char *refused = NULL;
	bool late = s->stage > STAGE_WAITING &&
		    check(s, query, &code, &refused, NULL) != CALLBACK_FOREIGN;
	show(s, visit, late ? PAGE_OVER : PAGE_NOT_OURS);
}

bool sign_in_paste(struct SignIn *s, const char *url, GError **error)
{
	if (s->stage != STAGE_WAITING) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_USAGE,
			s->stage == STAGE_PREPARING
				? "there is no URL yet that this could be the answer to"
				: "this sign-in is decided already");
		return false;
	}
	const char *question = strchr(url, '?');
	const char *query = question ? question + 1 : url;
	while (g_ascii_isspace(*query))
		query++;
	size_t len = strcspn(query, "#");
	while (len > 0 && g_ascii_isspace(query[len - 1]))
		len--;
	return take(s, (struct Slice){query, len}, NULL, error);
}

/* ---- the URL ---- */

static void on_limit(void *user)
{
	struct SignIn *s = user;
	const int minutes = SIGN_IN_LIMIT_MS / 60000;
	if (s->client->redirect_uri)
		fail_with(s, MUX_ERROR_TIMEOUT,
			"nobody came back from the browser within %d minutes; if the server does "
			"not know this client any more, `mcp-mux disconnect %s` forgets it",
			minutes, s->connector->name);
	else
		fail_with(s, MUX_ERROR_TIMEOUT,
			"nobody came back from the browser within %d minutes", minutes);
}

static char *make_url(const struct SignIn *s)
{
	g_autofree char *challenge = pkce_challenge(s->verifier);
	GString *query = g_string_sized_new(URL_BYTES);
	form_append(query, "response_type", "code");
	form_append(query, "client_id", s->client->client_id);
	form_append(query, "redirect_uri", listener_uri(s->listener));
	form_append(query, "scope", s->scope);
	form_append_slice(query, "state", secret_reveal(s->state));
	form_append(query, "code_challenge", challenge);
	form_append(query, "code_challenge_method", "S256");
	form_append(query, "resource", s->found.resource);
	/* OpenID Connect Core, 11: without it the scope is to be ignored. */
	if (scope_has(s->scope, "offline_access"))
		form_append(query, "prompt", "consent");
	char *url = url_with_query(s->found.server.authorization_endpoint, query->str);
	secret_free_string(query);
	return url;
}

static void on_client(const struct ClientRecord *client, const GError *error, void *user)
{
	struct SignIn *s = user;
	s->choice = NULL;
	if (error) {
		fail(s, error);
		return;
	}
	if (!client->client_secret && strcmp(client->auth_method, "none") != 0) {
		fail_with(s, MUX_ERROR_SIGN_IN,
			"its client needs a secret that is not known: `mcp-mux connect %s` asks "
			"for it",
			s->connector->name);
		return;
	}
	s->client = client_record_copy(client);
	s->state = secret_take(secret_random_text(STATE_BYTES));
	s->verifier = secret_take(secret_random_text(VERIFIER_BYTES));
	s->url = make_url(s);
	s->stage = STAGE_WAITING;
	loop_timer_start(s->shared->loop, &s->timer, SIGN_IN_LIMIT_MS, on_limit, s);
	log_info(s->connector->name, "sign-in: waiting for the browser at %s",
		listener_uri(s->listener));
	s->handlers.url(s, s->url, s->user);
}

/* ---- the port ---- */

static bool listen_on(struct SignIn *s, unsigned port, GError **error)
{
	s->listener = listener_new(s->shared->loop, s->connector->redirect_host, port,
		callback_path, on_visit, s, error);
	return s->listener != NULL;
}

static bool listen_where_configured(struct SignIn *s, GError **error)
{
	g_autoptr(GError) fault = NULL;
	if (listen_on(s, s->connector->redirect_port, &fault))
		return true;
	g_set_error(error, MUX_ERROR, fault->code, "%s; it is redirect_port of connector %s",
		fault->message, s->connector->name);
	return false;
}

static bool listen_anywhere(struct SignIn *s, GError **error)
{
	return (s->kept_port != 0 && listen_on(s, s->kept_port, NULL)) || listen_on(s, 0, error);
}

static void on_port(unsigned port, void *user)
{
	struct SignIn *s = user;
	g_autoptr(GError) error = NULL;
	s->choice = NULL;
	s->kept_port = port;
	if (!(s->connector->redirect_port != 0 ? listen_where_configured(s, &error)
					       : listen_anywhere(s, &error))) {
		fail(s, error);
		return;
	}
	bool fresh = port != 0 && port != listener_port(s->listener) &&
		     s->found.server.registration_endpoint;
	s->choice = client_choose(
		s->shared, s->connector, &s->found, listener_uri(s->listener), fresh, on_client, s);
}

/* ---- the authorization server ---- */

/* Why no sign-in can go by SERVER; NULL: it can. */
static const char *server_fault(const struct ServerMetadata *server)
{
	if (!server->authorization_endpoint)
		return "has no authorization_endpoint";
	if (!server->token_endpoint)
		return "has no token_endpoint";
	const char *const *methods = (const char *const *)server->challenge_methods;
	/* MCP 2026-07-28, "Authorization Code Protection"; where there is no metadata nothing can be said. */
	if (!server->assumed && !(methods && g_strv_contains(methods, "S256")))
		return "does not say that it supports PKCE with S256 "
		       "(code_challenge_methods_supported), without which a code could be stolen";
	return NULL;
}

static void on_discovered(struct Discovered *discovered, const GError *error, void *user)
{
	struct SignIn *s = user;
	s->discovery = NULL;
	if (error) {
		fail(s, error);
		return;
	}
	s->found = *discovered;
	*discovered = (struct Discovered){0};
	const struct ServerMetadata *server = &s->found.server;
	const char *fault = server_fault(server);
	if (fault) {
		fail_with(s, MUX_ERROR_UPSTREAM, "%s %s", server->issuer, fault);
		return;
	}
	s->scope = sign_in_scope(s->connector, &s->found, s->previous);
	s->choice = client_find_port(s->shared, s->connector, server->issuer, on_port, s);
}

char *sign_in_scope(const struct ConnectorConfig *connector, const struct Discovered *discovered,
	const struct TokenRecord *previous)
{
	g_autofree char *base = base_scope(connector, discovered, previous);
	/* Alone it would take the place of the scopes that a server gives by default. */
	bool offline = base && scope_has(discovered->server.scopes, "offline_access");
	return offline ? scope_union(base, "offline_access") : g_steal_pointer(&base);
}

/* ---- life ---- */

struct SignIn *sign_in_start(
	const struct SignInSpec *spec, const struct SignInHandlers *handlers, void *user)
{
	struct SignIn *s = g_new0(struct SignIn, 1);
	s->shared = spec->shared;
	s->connector = spec->connector;
	s->previous = spec->previous ? token_record_copy(spec->previous) : NULL;
	s->handlers = *handlers;
	s->user = user;
	s->discovery = discovery_start(s->shared, s->connector, spec->challenge,
		s->previous ? s->previous->issuer : NULL, on_discovered, s);
	return s;
}

const char *sign_in_url(const struct SignIn *s)
{
	return s->url;
}

void sign_in_free(struct SignIn *s)
{
	if (!s)
		return;
	loop_timer_stop(&s->timer);
	discovery_cancel(s->discovery);
	client_choice_cancel(s->choice);
	grant_cancel(s->grant);
	credential_lock_cancel(s->locking);
	keyring_call_cancel(s->keyring);
	file_unlock(s->lock);
	listener_free(s->listener);
	discovered_release(&s->found);
	client_record_free(s->client);
	token_record_free(s->previous);
	token_record_free(s->record);
	secret_unref(s->state);
	secret_unref(s->verifier);
	secret_free_text(s->url);
	g_free(s->scope);
	g_clear_error(&s->error);
	g_free(s);
}
