/* What the demo upstreams share: an HTTP server on a loopback port of the system's choice (one thread a
 * connection, so a handler may block), event streams, and the frames of JSON-RPC answers. */
#ifndef MCP_MUX_DEMO_SERVER_H
#define MCP_MUX_DEMO_SERVER_H

#include "format/json_writer.h"
#include "format/rpc.h"

#include <microhttpd.h>

struct DemoRequest {
	struct MHD_Connection *connection;
	const char *method; /* of HTTP */
	const char *path;
	struct Slice body;
};

/* Answers one complete request with demo_answer or demo_stream, and returns what that returned. */
typedef enum MHD_Result DemoHandler(const struct DemoRequest *request);

struct DemoServer {
	DemoHandler *handler; /* of /mcp */
	DemoHandler *elsewhere; /* of every other path; NULL: there are none */
	void (*change)(void); /* called for each SIGUSR1; may be NULL */
	void (*turn)(void); /* called for each SIGUSR2; may be NULL */
};

/* Prints the endpoint's URL as a line on stdout and serves until SIGTERM or SIGINT. Returns the exit status. */
int demo_serve(const struct DemoServer *server);

/* "http://127.0.0.1:PORT" of the server that serves. */
const char *demo_origin(void);

/* A request's header, or the parameter of that name in its query; NULL if it has none. */
const char *demo_header(const struct DemoRequest *request, const char *name);
const char *demo_parameter(const struct DemoRequest *request, const char *name);

/* Sends BODY (freed; NULL: none) with Content-Type TYPE. HEADER: VALUE is one more header, or NULL. */
enum MHD_Result demo_answer(const struct DemoRequest *request, unsigned status, const char *type,
	GString *body, const char *header, const char *value);

enum MHD_Result demo_json(const struct DemoRequest *request, unsigned status, GString *json);

/* A stream of events, shared by the connection that sends it and whoever feeds it. */
struct DemoStream;
struct DemoStream *demo_stream_new(void);
struct DemoStream *demo_stream_ref(struct DemoStream *stream);
void demo_stream_unref(struct DemoStream *stream);
/* Queues MESSAGE (freed) as one event. Any thread may call it. */
void demo_stream_send(struct DemoStream *stream, GString *message);
/* Ends the answer after what was queued. */
void demo_stream_end(struct DemoStream *stream);
/* Whether the receiver has gone away. */
bool demo_stream_is_closed(struct DemoStream *stream);
/* Answers with the stream, keeping a reference. */
enum MHD_Result demo_stream(const struct DemoRequest *request, struct DemoStream *stream);

/* MESSAGE (freed) as one event. */
GString *demo_event(GString *message);

/* Starts `{"jsonrpc":"2.0","id":ID,"result":{` in a new string that W writes to; demo_end closes it and
 * returns it. */
void demo_begin_result(struct JsonWriter *w, struct JsonValue id);
GString *demo_end(struct JsonWriter *w);

/* The answer to `initialize` in the revision that was asked for, else in the newest of the handshake era. */
GString *demo_initialize(const struct RpcMessage *message, const char *name,
	const char *instructions, bool list_changed);

/* A JSON-RPC error. DATA is raw JSON, or NULL. */
GString *demo_error(struct JsonValue id, int code, const char *message, const char *data);

/* Writes the members of a tool's result: TEXT as its content and, where FAILED, `isError`. */
void demo_tool_text(struct JsonWriter *w, const char *text, bool failed);

#endif
