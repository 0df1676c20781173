/* The extension io.modelcontextprotocol/tasks, between modern IDEs and modern servers: a result may be a task, and
 * requests about it go to the server that made it. Which one that is stands in a table of the last tasks; of one that is
 * older than this process nothing is known, and it is asked for where only one server has tasks.
 *
 * An id may be all that protects a task, so it is never shown to another server: the first that made a task of that
 * name keeps it. Those of a server that is gone are nobody's. */
#include "mux/internal.h"

#include "base/log.h"

/* Of one upstream. */
enum { TASKS_MAX = 10 * 1000, TASKS_BYTES_MAX = 1024 * 1024 };

static struct Owners *owners_of(struct Router *router)
{
	if (!router->tasks)
		router->tasks = owners_new(TASKS_MAX, TASKS_BYTES_MAX);
	return router->tasks;
}

void tasks_note(struct Router *router, struct Upstream *up, struct Slice result)
{
	struct JsonValue type = json_get(result, "resultType");
	if (type.type != JSON_STRING || !json_string_is(type.raw, SLICE("task")))
		return;
	g_autofree char *id = json_string_dup(json_get(result, "taskId"));
	if (!id)
		return;
	struct Upstream *owner = routing_upstream(router, upstream_connector(up));
	const struct Upstream *known = owners_get(owners_of(router), id);
	if (known && known != owner)
		log_warning(upstream_connector(up)->name,
			"it gave a task the id of another server's; requests about it go there");
	else
		owners_set(router->tasks, id, owner);
}

void tasks_give(struct Router *router, struct Upstream *from, struct Upstream *to)
{
	if (router->tasks)
		owners_give(router->tasks, from, to);
}

void tasks_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	struct Router *router = request->router;
	g_autofree char *id = json_string_dup(params->task_id);
	if (!id) {
		answer_error(request, RPC_INVALID_PARAMS, "params.taskId must be a string");
		return;
	}
	struct Upstream *up = owners_get(owners_of(router), id);
	bool known = up || owners_is_nobodys(router->tasks, id);
	/* Another one that has tasks may be opening. */
	struct Upstream *awaited = known ? NULL : lists_find_awaited(router, MCP_TOOLS);
	if (awaited) {
		forward_hold_for_lists(request, message, awaited);
		return;
	}
	if (!known)
		up = routing_only(router, UPSTREAM_TASKS);
	if (!up) {
		audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
		answer_error(request, RPC_INVALID_PARAMS, "Unknown task");
		return;
	}
	const struct Target target = {
		.up = up,
		.target = id,
		.repeatable = strcmp(request->method, "tasks/get") == 0,
	};
	forward_send(request, message, params, &target);
}
