#include "auth/callback.h"

#include "base/error.h"
#include "base/text.h"
#include "format/form.h"
#include "format/url.h"

enum { ERROR_BYTES = 60, DESCRIPTION_BYTES = 300 };

static bool state_is_right(struct Slice query, const struct Secret *expected)
{
	char *text = NULL;
	if (form_get(query, "state", &text) != FORM_ONCE)
		return false;
	g_autoptr(Secret) state = secret_take(text);
	return secret_equal(state, expected);
}

/* Whether NAME decides something, even if it is malformed. */
static bool is_there(struct Slice query, const char *name)
{
	char *text = NULL;
	enum FormField field = form_get(query, name, &text);
	secret_free_text(text);
	return field != FORM_ABSENT;
}

/* Why QUERY must not be acted on for its iss; NULL: it may. */
static const char *iss_fault(struct Slice query, const struct CallbackExpected *expected)
{
	g_autofree char *iss = NULL;
	switch (form_get(query, "iss", &iss)) {
	case FORM_ABSENT:
		return expected->iss_required ? "it does not say who answers (iss), though the "
						"authorization server promises to"
					      : NULL;
	case FORM_ONCE:
		return strcmp(iss, expected->issuer) == 0
			       ? NULL
			       : "it says that another authorization server answers (iss) than the "
				 "one that was asked";
	case FORM_REPEATED:
	case FORM_MALFORMED:
		break;
	}
	return "it does not say clearly who answers (iss)";
}

static enum CallbackKind invalid(const char *why, GError **error)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
		"what came back through the browser was not used: %s", why);
	return CALLBACK_INVALID;
}

/* TEXT is the decoded error. */
static enum CallbackKind refusal(
	struct Slice query, const char *text, const char *issuer, char **refused, GError **error)
{
	g_autofree char *description = NULL;
	form_get(query, "error_description", &description);
	g_autofree char *who = url_host(issuer);
	g_autofree char *code = text_printable(slice_of(text), ERROR_BYTES);
	g_autofree char *words =
		text_printable(slice_of(description ? description : ""), DESCRIPTION_BYTES);
	g_set_error(error, MUX_ERROR, MUX_ERROR_SIGN_IN, "%s refuses: %s%s%s",
		who ? who : "the authorization server", code, *words ? ": " : "", words);
	*refused = g_strdup(text);
	return CALLBACK_REFUSAL;
}

enum CallbackKind callback_check(struct Slice query, const struct CallbackExpected *expected,
	struct Secret **code, char **refused, GError **error)
{
	if (!state_is_right(query, expected->state)) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_USAGE,
			"this does not belong to the sign-in that is under way");
		return CALLBACK_FOREIGN;
	}
	if (!is_there(query, "code") && !is_there(query, "error")) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_USAGE,
			"this is not yet the page that the sign-in ends with");
		return CALLBACK_FOREIGN;
	}
	const char *fault = iss_fault(query, expected);
	if (fault)
		return invalid(fault, error);
	char *text = NULL;
	g_autofree char *problem = NULL;
	enum FormField has_code = form_get(query, "code", &text);
	g_autoptr(Secret) given = secret_take(text);
	enum FormField has_error = form_get(query, "error", &problem);
	if (has_error == FORM_ONCE && has_code == FORM_ABSENT)
		return refusal(query, problem, expected->issuer, refused, error);
	if (has_code != FORM_ONCE || has_error != FORM_ABSENT || secret_reveal(given).len == 0)
		return invalid("it is malformed", error);
	*code = g_steal_pointer(&given);
	return CALLBACK_CODE;
}
