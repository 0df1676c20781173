/* A stdio MCP server without an upstream: answers `initialize` and then every other request with the
 * same result of argv[1] MiB from memory, spliced with the request's id. What it takes is what the pipe
 * and the reader cost; the benchmark compares a large result through mcp-mux with it. It writes as
 * mcp-mux must (pieces of PIPE_BUF while poll says writable), since that is faster than filling the
 * pipe with one blocking write: the stricter comparison. */
#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_all(const char *data, size_t len)
{
	struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};

	while (len > 0) {
		if (poll(&out, 1, -1) < 0 && errno != EINTR)
			exit(1);
		ssize_t n = write(STDOUT_FILENO, data, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			exit(0);
		data += n;
		len -= (size_t)n;
	}
}

static void answer(struct Span line, const char *result, size_t result_len)
{
	static const char opened[] =
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
		"\"serverInfo\":{\"name\":\"memory\",\"version\":\"1\"}}}\n";
	struct Span id, method;
	char head[128];

	if (!wire_member(line, "id", &id) || !wire_member(line, "method", &method) || id.len > 64)
		return;
	int n = snprintf(head, sizeof(head),
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":", (int)id.len, id.data);
	write_all(head, (size_t)n);
	if (wire_is(method, "initialize"))
		write_all(opened, sizeof(opened) - 1);
	else
		write_all(result, result_len);
}

int main(int argc, char **argv)
{
	static const char head[] = "{\"content\":[{\"type\":\"text\",\"text\":\"",
			  foot[] = "\"}]}}\n";
	size_t mib = wire_number(argc > 1 ? argv[1] : NULL, 256, "memory-server MIB");
	size_t len = sizeof(head) - 1 + (mib << 20) + sizeof(foot) - 1, cap = 0;
	char *result = malloc(len), *line = NULL;
	ssize_t n;

	if (!result)
		return 1;
	memcpy(result, head, sizeof(head) - 1);
	wire_fill_text(result + sizeof(head) - 1, mib << 20);
	memcpy(result + len - (sizeof(foot) - 1), foot, sizeof(foot) - 1);
	while ((n = getline(&line, &cap, stdin)) > 0)
		answer((struct Span){line, (size_t)n}, result, len);
	free(line);
	free(result);
	return 0;
}
