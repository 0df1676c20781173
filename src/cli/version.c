#include "cli/cli.h"
#include "cli/output.h"

#include <curl/curl.h>
#include <libsecret/secret.h>
#include <microhttpd.h>
#include <openssl/crypto.h>

int cli_version(void)
{
	g_autoptr(Output) output = output_new();
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
	output_line(output, STYLE_PLAIN, "mcp-mux %s", MCP_MUX_VERSION);
	output_line(output, STYLE_PLAIN, "libcurl %s (%s)", curl->version,
		curl->ssl_version ? curl->ssl_version : "no TLS");
	output_line(output, STYLE_PLAIN, "GLib %u.%u.%u", glib_major_version, glib_minor_version,
		glib_micro_version);
	output_line(output, STYLE_PLAIN, "libmicrohttpd %s", MHD_get_version());
	output_line(output, STYLE_PLAIN, "%s", OpenSSL_version(OPENSSL_VERSION));
	/* libsecret does not tell its version at run time. */
	output_line(output, STYLE_PLAIN, "libsecret %d.%d.%d (headers)", SECRET_MAJOR_VERSION,
		SECRET_MINOR_VERSION, SECRET_MICRO_VERSION);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}
