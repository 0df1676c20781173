/* URI templates (RFC 6570, all four levels), read in the other direction: could this URI be an expansion of that
 * template? Used to find the server whose template a URI belongs to; variables are not extracted. */
#ifndef MCP_MUX_FORMAT_URI_TEMPLATE_H
#define MCP_MUX_FORMAT_URI_TEMPLATE_H

#include "base/cleanup.h"
#include <stdbool.h>

struct UriTemplate;

enum {
	URI_TEMPLATE_BYTES_MAX = 8 * 1024, /* of a template */
	URI_TEMPLATE_PARTS_MAX =
		64, /* literals and expressions, and variables in all of them together */
};

/* NULL where TEXT is no template by RFC 6570, section 2, or beyond these limits; but a variable's name may be any row of
 * letters, digits and `_`, `-`, `.`, `%`. Text of a peer. */
struct UriTemplate *uri_template_new(const char *text);
void uri_template_free(struct UriTemplate *uri_template);
MUX_AUTOPTR(UriTemplate, uri_template_free)

/* Whether some values of the variables expand it to URI, which may be up to 64 KiB long (a longer one: false). Simple
 * and label expansions hold no `/`, `?` or `#`; reserved ones (`+`, `#`) hold anything; an expression without a value
 * expands to nothing, except that a simple `{x}` must not be empty: `file:///{path}` is not a template for `file:///`.
 * Takes time in proportion to both lengths at most (times URI_TEMPLATE_PARTS_MAX), whatever a hostile template says. */
bool uri_template_matches(const struct UriTemplate *uri_template, const char *uri);

/* Characters outside of expressions: of two templates that match, the one with more says more. */
unsigned uri_template_literals(const struct UriTemplate *uri_template);

#endif
