#include "cli/configuration.h"
#include "cli/output.h"

/* `connect` and `disconnect` say what is true of this version: it has no accounts. */
int cli_connect(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	const struct ConnectorConfig *connector =
		configuration_find(configuration, options->arguments[0], &error);
	if (!connector)
		return output_fail(error);
	if (connector->auth == AUTH_NONE)
		output_error("%s has auth = none: there is nothing to sign in to", connector->name);
	else
		output_error(
			"signing in is not part of this version yet; only connectors with auth "
			"= none work");
	return CLI_FAILED;
}
