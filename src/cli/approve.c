/* `approve TOOL`: a tool as it is now is approved from now on. Which change that is, is shown. Servers that run follow the
 * file. */
#include "cli/diff.h"

#include "mux/audit.h"
#include "upstream/list_cache.h"

static int approve(const struct Change *change)
{
	const struct ConnectorConfig *connector = change->tool->connector;
	g_autoptr(GError) error = NULL;
	g_autoptr(Output) output = output_new();
	if (change->state == PIN_STATE_APPROVED) {
		output_line(output, STYLE_GOOD, "%s is approved already, as it is now (%s)",
			change->name, change->approved);
		return output_flush(output) ? CLI_DONE : CLI_FAILED;
	}
	if (!pins_approve(change->survey->pins, connector, change->tool->tool, &error)) {
		g_prefix_error(&error, "%s is not approved: ", change->name);
		return output_fail(error);
	}
	/* What is kept of its lists may be older than that, and would count as another change at the next start. */
	list_cache_forget(connector->name);
	const char *const names[] = {change->tool->own, NULL};
	g_autoptr(Audit) audit = audit_new(&change->configuration->config->mux, NULL, NULL);
	audit_policy(audit, connector->name, "approve", names);
	change_print(change, output);
	output_line(output, STYLE_GOOD, "%s is approved as it is now", change->name);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}

int cli_approve(const struct CliOptions *options)
{
	struct Change change;
	int status = CLI_FAILED;
	if (change_find(&change, options, &status))
		status = approve(&change);
	change_release(&change);
	return status;
}
