/* Which resources a result names, and what looking for them costs. */
#include "mux/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

/* As much of a router as it takes. */
struct Fixture {
	struct Router router;
	struct Config config;
	struct ConnectorConfig connector;
	struct Upstream *up;
};

static int set_up(void **state)
{
	static const struct UpstreamHandlers handlers = {0};
	const struct UpstreamShared shared = {0};
	struct Fixture *f = g_new0(struct Fixture, 1);
	f->connector.name = (char *)"a";
	f->connector.auth = AUTH_NONE;
	f->up = upstream_new(&shared, &f->connector, &handlers, NULL);
	f->router.config = &f->config;
	f->router.upstreams = g_ptr_array_new();
	g_ptr_array_add(f->router.upstreams, f->up);
	resources_init(&f->router);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct Fixture *f = *state;
	resources_release(&f->router);
	g_ptr_array_unref(f->router.upstreams);
	upstream_free(f->up);
	g_free(f);
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double time_of(struct Fixture *f, const GString *text)
{
	struct Slice result = {text->str, text->len};
	assert_true(json_validate(result, NULL));
	double start = cpu_seconds();
	resources_note(&f->router, f->up, result);
	return cpu_seconds() - start;
}

/* A file about such blocks, say. */
static void test_a_large_text_costs_little(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) text = g_string_new("{\"content\":[{\"type\":\"text\",\"text\":\"");
	while (text->len < 16 << 20)
		g_string_append(text,
			"a \\\"resource\\\" is no \\\"resource_link\\\", and none of it "
			"stands here for anything but itself. ");
	g_string_append(text, "\"}]}");
	double took = time_of(f, text);
	/* Some 15 ms; sanitizers and a busy machine cost more. */
	print_message("16 MiB: %.1f ms\n", took * 1e3);
	assert_true(took < 1);
}

static void test_results_that_are_odd(void **state)
{
	struct Fixture *f = *state;
	static const char *const texts[] = {"{}", "{\"content\":\"resource\"}",
		"{\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"x:\"}}}",
		"{\"content\":[\"resource\",null,[{\"type\":\"resource\"}]]}",
		"{\"content\":[{\"type\":\"resource\",\"resource\":[]}]}",
		"{\"content\":[{\"type\":\"resource_link\",\"uri\":\"\\ud800\"}]}",
		"{\"messages\":[{\"content\":[{\"type\":\"resource_link\",\"uri\":\"x:\"}]}]}",
		"{\"x\":\"resource"};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		resources_note(&f->router, f->up, slice_of(texts[i]));
}

static void test_very_many_links_take_little_time(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) text = g_string_new("{\"content\":[0");
	for (unsigned i = 0; text->len < 9 << 20; i++)
		g_string_append_printf(
			text, ",{\"type\":\"resource_link\",\"uri\":\"x:%u\",\"name\":\"\"}", i);
	g_string_append(text, "]}");
	double took = time_of(f, text);
	print_message("9 MiB of links: %.1f ms\n", took * 1e3);
	assert_true(took < 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_large_text_costs_little),
		TEST(test_results_that_are_odd),
		TEST(test_very_many_links_take_little_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
