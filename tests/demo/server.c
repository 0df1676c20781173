/* The HTTP side of the demo upstreams on libmicrohttpd. Every connection has a thread of its own, which
 * blocks in a stream's queue while there is nothing to send; a comment line every few seconds is how a
 * receiver that went away is noticed. */
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>

enum {
	MAX_BODY_BYTES = 1 << 20,
	STREAM_TURN_US = 100 * 1000,
	KEEP_ALIVE_TURNS = 50,
};

static gint stopping;
static char origin[32]; /* written before anybody is told the port */

/* --- requests --- */

struct Upload {
	GString *body;
	bool too_large;
};

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
	const struct DemoServer *server = user;
	struct DemoRequest request = {.connection = connection, .method = method, .path = url};
	struct Upload *upload = *state;
	(void)version;

	if (!upload) {
		upload = g_new0(struct Upload, 1);
		upload->body = g_string_new(NULL);
		*state = upload;
		return MHD_YES;
	}
	if (*data_size > 0) {
		if (upload->body->len + *data_size > MAX_BODY_BYTES)
			upload->too_large = true;
		else
			g_string_append_len(upload->body, data, (gssize)*data_size);
		*data_size = 0;
		return MHD_YES;
	}
	if (upload->too_large)
		return demo_answer(&request, MHD_HTTP_CONTENT_TOO_LARGE, NULL, NULL, NULL, NULL);
	request.body = (struct Slice){upload->body->str, upload->body->len};
	if (strcmp(url, "/mcp") == 0)
		return server->handler(&request);
	if (server->elsewhere)
		return server->elsewhere(&request);
	return demo_answer(&request, MHD_HTTP_NOT_FOUND, NULL, NULL, NULL, NULL);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct Upload *upload = *state;
	(void)user, (void)connection, (void)code;

	if (!upload)
		return;
	g_string_free(upload->body, TRUE);
	g_free(upload);
	*state = NULL;
}

int demo_serve(const struct DemoServer *server)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	sigset_t signals;
	int signal_number = 0;

	/* Never outlive the script that started us. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0,
			NULL, NULL, on_request, (void *)server, MHD_OPTION_SOCK_ADDR, &address,
			MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "demo: no port to listen on\n");
		return 1;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%u", info->port);
	fprintf(stdout, "%s/mcp\n", origin);
	fflush(stdout);

	while (sigwait(&signals, &signal_number) == 0 &&
		(signal_number == SIGUSR1 || signal_number == SIGUSR2)) {
		void (*act)(void) = signal_number == SIGUSR1 ? server->change : server->turn;
		if (act)
			act();
	}
	g_atomic_int_set(&stopping, 1);
	MHD_stop_daemon(daemon);
	return 0;
}

const char *demo_origin(void)
{
	return origin;
}

const char *demo_header(const struct DemoRequest *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *demo_parameter(const struct DemoRequest *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

enum MHD_Result demo_answer(const struct DemoRequest *request, unsigned status, const char *type,
	GString *body, const char *header, const char *value)
{
	size_t len = body ? body->len : 0;
	char *bytes = body ? g_string_free(body, FALSE) : NULL;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_COPY);
	g_free(bytes);
	if (type)
		MHD_add_response_header(response, "Content-Type", type);
	if (header)
		MHD_add_response_header(response, header, value);
	enum MHD_Result queued = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

enum MHD_Result demo_json(const struct DemoRequest *request, unsigned status, GString *json)
{
	return demo_answer(request, status, "application/json", json, NULL, NULL);
}

/* --- streams --- */

struct DemoStream {
	gint references;
	gint closed;
	GAsyncQueue *events; /* GString *; an empty one ends the stream */
	GString *sending; /* the receiver's thread alone uses these */
	size_t sent;
	unsigned idle_turns;
};

struct DemoStream *demo_stream_new(void)
{
	struct DemoStream *stream = g_new0(struct DemoStream, 1);
	stream->references = 1;
	stream->events = g_async_queue_new();
	return stream;
}

struct DemoStream *demo_stream_ref(struct DemoStream *stream)
{
	g_atomic_int_inc(&stream->references);
	return stream;
}

void demo_stream_unref(struct DemoStream *stream)
{
	GString *event = NULL;

	if (!stream || !g_atomic_int_dec_and_test(&stream->references))
		return;
	while ((event = g_async_queue_try_pop(stream->events)))
		g_string_free(event, TRUE);
	g_async_queue_unref(stream->events);
	if (stream->sending)
		g_string_free(stream->sending, TRUE);
	g_free(stream);
}

void demo_stream_send(struct DemoStream *stream, GString *message)
{
	g_async_queue_push(stream->events, demo_event(message));
}

void demo_stream_end(struct DemoStream *stream)
{
	g_async_queue_push(stream->events, g_string_new(NULL));
}

bool demo_stream_is_closed(struct DemoStream *stream)
{
	return g_atomic_int_get(&stream->closed);
}

/* Waits for the next event; a comment where none came for a while, NULL at the end. */
static GString *next_event(struct DemoStream *stream)
{
	while (!g_atomic_int_get(&stopping)) {
		GString *event = g_async_queue_timeout_pop(stream->events, STREAM_TURN_US);
		if (event && event->len > 0)
			return event;
		if (event) {
			g_string_free(event, TRUE);
			return NULL;
		}
		if (++stream->idle_turns == KEEP_ALIVE_TURNS) {
			stream->idle_turns = 0;
			return g_string_new(":\n\n");
		}
	}
	return NULL;
}

static ssize_t on_stream_read(void *user, uint64_t position, char *out, size_t max)
{
	struct DemoStream *stream = user;
	(void)position;

	if (!stream->sending) {
		stream->sending = next_event(stream);
		stream->sent = 0;
		if (!stream->sending)
			return MHD_CONTENT_READER_END_OF_STREAM;
	}
	size_t n = MIN(max, stream->sending->len - stream->sent);
	memcpy(out, stream->sending->str + stream->sent, n);
	stream->sent += n;
	if (stream->sent == stream->sending->len) {
		g_string_free(stream->sending, TRUE);
		stream->sending = NULL;
	}
	return (ssize_t)n;
}

static void on_stream_done(void *user)
{
	struct DemoStream *stream = user;

	g_atomic_int_set(&stream->closed, 1);
	demo_stream_unref(stream);
}

enum MHD_Result demo_stream(const struct DemoRequest *request, struct DemoStream *stream)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 4096, on_stream_read, demo_stream_ref(stream), on_stream_done);
	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	enum MHD_Result queued = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return queued;
}

GString *demo_event(GString *message)
{
	g_string_prepend(message, "event: message\ndata: ");
	g_string_append(message, "\n\n");
	return message;
}

/* --- JSON-RPC --- */

void demo_begin_result(struct JsonWriter *w, struct JsonValue id)
{
	json_writer_init(w, g_string_new(NULL));
	json_begin_object(w);
	json_member_string(w, "jsonrpc", "2.0");
	json_member_raw(w, "id", id.raw);
	json_key(w, "result");
	json_begin_object(w);
}

GString *demo_end(struct JsonWriter *w)
{
	json_end_object(w);
	json_end_object(w);
	return w->out;
}

GString *demo_initialize(const struct RpcMessage *message, const char *name,
	const char *instructions, bool list_changed)
{
	static const char *const revisions[] = {
		"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
	g_autofree char *asked = json_string_dup(json_get(message->params.raw, "protocolVersion"));
	const char *revision = revisions[0];
	struct JsonWriter w;

	for (size_t i = 0; i < G_N_ELEMENTS(revisions); i++)
		if (g_strcmp0(asked, revisions[i]) == 0)
			revision = revisions[i];
	demo_begin_result(&w, message->id);
	json_member_string(&w, "protocolVersion", revision);
	json_member_raw(&w, "capabilities",
		list_changed ? SLICE("{\"tools\":{\"listChanged\":true}}")
			     : SLICE("{\"tools\":{}}"));
	json_key(&w, "serverInfo");
	json_begin_object(&w);
	json_member_string(&w, "name", name);
	json_member_string(&w, "version", "1.0");
	json_end_object(&w);
	json_member_string(&w, "instructions", instructions);
	return demo_end(&w);
}

GString *demo_error(struct JsonValue id, int code, const char *message, const char *data)
{
	struct JsonWriter w;

	json_writer_init(&w, g_string_new(NULL));
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_raw(&w, "id", id.type == JSON_NONE ? SLICE("null") : id.raw);
	json_key(&w, "error");
	json_begin_object(&w);
	json_member_int(&w, "code", code);
	json_member_string(&w, "message", message);
	if (data)
		json_member_raw(&w, "data", slice_of(data));
	return demo_end(&w);
}

void demo_tool_text(struct JsonWriter *w, const char *text, bool failed)
{
	json_key(w, "content");
	json_begin_array(w);
	json_begin_object(w);
	json_member_string(w, "type", "text");
	json_member_string(w, "text", text);
	json_end_object(w);
	json_end_array(w);
	if (failed)
		json_member_bool(w, "isError", true);
}
