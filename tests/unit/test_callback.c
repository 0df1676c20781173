#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "auth/callback.h"
#include "base/error.h"

#define ISSUER "https://as.example/tenant"
#define ISS "&iss=https%3A%2F%2Fas.example%2Ftenant"
#define STATE "state=St4te-_"

struct Checked {
	enum CallbackKind kind;
	struct Secret *code;
	char *refused;
	GError *error;
};

static struct Checked check(const char *query, bool iss_required)
{
	g_autoptr(Secret) state = secret_new(SLICE("St4te-_"));
	const struct CallbackExpected expected = {state, ISSUER, iss_required};
	struct Checked checked = {0};
	checked.kind = callback_check(
		slice_of(query), &expected, &checked.code, &checked.refused, &checked.error);
	assert_int_equal(checked.code != NULL, checked.kind == CALLBACK_CODE);
	assert_int_equal(checked.error == NULL, checked.kind == CALLBACK_CODE);
	assert_int_equal(checked.refused != NULL, checked.kind == CALLBACK_REFUSAL);
	return checked;
}

static void release(struct Checked *checked)
{
	secret_unref(checked->code);
	g_free(checked->refused);
	g_clear_error(&checked->error);
}

static void assert_kind(
	const char *query, bool iss_required, enum CallbackKind kind, const char *words)
{
	struct Checked checked = check(query, iss_required);
	if (checked.kind != kind)
		fail_msg("%s: %d, not %d", query, (int)checked.kind, (int)kind);
	if (words && !strstr(checked.error->message, words))
		fail_msg("%s: \"%s\" lacks \"%s\"", query, checked.error->message, words);
	/* Where the answer is not to be acted on, nothing of it is shown. */
	if (checked.error && kind != CALLBACK_REFUSAL)
		assert_null(strstr(checked.error->message, "secret"));
	release(&checked);
}

static void assert_code(const char *query, bool iss_required, const char *code)
{
	struct Checked checked = check(query, iss_required);
	if (checked.error)
		fail_msg("%s: %s", query, checked.error->message);
	assert_true(slice_is(secret_reveal(checked.code), code));
	release(&checked);
}

static void a_code_with_the_right_state_is_taken(void **state)
{
	(void)state;
	assert_code("code=abc&" STATE, false, "abc");
	assert_code(STATE "&code=abc" ISS, true, "abc");
	assert_code(STATE "&code=a%2Bb+c%3D%26&session_state=x&x=1&x=2", false, "a+b c=&");
	assert_code("code=%C3%BC&s%74ate=St4te%2D_", false, "ü");
	assert_code(STATE "&code=abc&scope=%zz", false, "abc");
}

static void without_the_right_state_it_is_none_of_ours(void **state)
{
	(void)state;
	const char *queries[] = {"", "code=secret", "state=&code=secret",
		"state=St4te-&code=secret", "state=St4te-_x&code=secret",
		"state=st4te-_&code=secret", "state=St4te-_&state=St4te-_&code=secret",
		"state=wrong&state=St4te-_&code=secret", "state=%ff&code=secret",
		"state=St4te-_%00&code=secret", "state=wrong&error=secret&iss=wrong",
		"State=St4te-_&code=secret"};
	for (size_t i = 0; i < G_N_ELEMENTS(queries); i++)
		assert_kind(queries[i], true, CALLBACK_FOREIGN, "does not belong to the sign-in");
}

static void what_holds_no_answer_decides_nothing(void **state)
{
	(void)state;
	assert_kind(STATE, true, CALLBACK_FOREIGN, "not yet the page");
	assert_kind(STATE ISS "&error_description=secret", true, CALLBACK_FOREIGN, "not yet");
	/* An authorization URL, pasted by mistake. */
	assert_kind("response_type=code&client_id=x&" STATE "&code_challenge=secret", true,
		CALLBACK_FOREIGN, "not yet");
}

static void the_issuer_must_be_the_one_that_was_asked(void **state)
{
	(void)state;
	const char *wrong[] = {"&iss=https%3A%2F%2Fas.example",
		"&iss=https%3A%2F%2Fas.example%2Ftenant%2F",
		"&iss=https%3A%2F%2FAS.example%2Ftenant",
		"&iss=https%3A%2F%2Fas.example%3A443%2Ftenant",
		"&iss=https%3A%2F%2Fas.example%2F%2574enant", "&iss=", "&iss", "&iss=%ff",
		"&iss=https%3A%2F%2Fevil.example"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *code = g_strconcat(STATE "&code=secret", wrong[i], NULL);
		g_autofree char *refusal =
			g_strconcat(STATE "&error=secret&error_description=secret", wrong[i], NULL);
		assert_kind(code, true, CALLBACK_INVALID, "(iss)");
		assert_kind(code, false, CALLBACK_INVALID, "(iss)");
		assert_kind(refusal, true, CALLBACK_INVALID, "(iss)");
		assert_kind(refusal, false, CALLBACK_INVALID, "(iss)");
	}
	assert_kind(STATE "&code=secret" ISS ISS, true, CALLBACK_INVALID, "(iss)");
	assert_kind(STATE "&code=secret" ISS "%00", true, CALLBACK_INVALID, "(iss)");
}

static void a_missing_issuer_matters_where_it_was_promised(void **state)
{
	(void)state;
	assert_code(STATE "&code=abc", false, "abc");
	assert_kind(STATE "&code=secret", true, CALLBACK_INVALID, "promises to");
	assert_kind(STATE "&error=secret", true, CALLBACK_INVALID, "promises to");
	assert_kind(STATE "&error=access_denied", false, CALLBACK_REFUSAL, "access_denied");
}

static void what_is_said_twice_or_both_ways_is_refused(void **state)
{
	(void)state;
	const char *queries[] = {STATE "&code=secret&code=secret", STATE "&code=secret&code=other",
		STATE "&code=", STATE "&code", STATE "&code=%ff", STATE "&code=secret%00",
		STATE "&error=a&error=b", STATE "&error=%ff", STATE "&code=secret&error=x",
		STATE "&code=secret&error=", STATE "&code=secret&c%6fde=x"};
	for (size_t i = 0; i < G_N_ELEMENTS(queries); i++)
		assert_kind(queries[i], false, CALLBACK_INVALID, "it is malformed");
}

static void a_refusal_has_the_servers_words(void **state)
{
	(void)state;
	struct Checked checked = check(
		STATE ISS "&error=access_denied&error_description=The+user%0Asaid%1b[31m+no", true);
	assert_int_equal(checked.kind, CALLBACK_REFUSAL);
	assert_true(g_error_matches(checked.error, MUX_ERROR, MUX_ERROR_SIGN_IN));
	assert_string_equal(
		checked.error->message, "as.example refuses: access_denied: The user?said?[31m no");
	assert_string_equal(checked.refused, "access_denied");
	release(&checked);

	assert_kind(STATE "&error=access_denied&error_description=a&error_description=secret",
		false, CALLBACK_REFUSAL, "as.example refuses: access_denied");
	assert_kind(STATE "&error=", false, CALLBACK_REFUSAL, "as.example refuses: ");

	g_autofree char *endless = g_strnfill(5000, 'x');
	g_autofree char *query =
		g_strdup_printf(STATE "&error=%s&error_description=%s", endless, endless);
	checked = check(query, false);
	assert_true(strlen(checked.error->message) < 500);
	release(&checked);
}

static void errors_have_the_codes_of_their_kinds(void **state)
{
	(void)state;
	struct Checked foreign = check("code=x", false);
	struct Checked invalid = check(STATE "&code=x&code=y", false);
	assert_true(g_error_matches(foreign.error, MUX_ERROR, MUX_ERROR_USAGE));
	assert_true(g_error_matches(invalid.error, MUX_ERROR, MUX_ERROR_UPSTREAM));
	release(&foreign);
	release(&invalid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_with_the_right_state_is_taken),
		cmocka_unit_test(without_the_right_state_it_is_none_of_ours),
		cmocka_unit_test(what_holds_no_answer_decides_nothing),
		cmocka_unit_test(the_issuer_must_be_the_one_that_was_asked),
		cmocka_unit_test(a_missing_issuer_matters_where_it_was_promised),
		cmocka_unit_test(what_is_said_twice_or_both_ways_is_refused),
		cmocka_unit_test(a_refusal_has_the_servers_words),
		cmocka_unit_test(errors_have_the_codes_of_their_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
