/* Whether memory is wiped is seen where it is given back: this program's g_free is the one that the code under
 * test calls. The kernel's generator is stood in for, too. */
#include "base/secret.h"

#include <errno.h>
#include <malloc.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define MARK "sesame-open-yourself"

static unsigned frees; /* since watch_frees */
static unsigned unwiped; /* of them, those with MARK, or the end of it, in the block */

#undef g_free
void g_free(gpointer memory)
{
	if (memory) {
		size_t len = malloc_usable_size(memory);
		frees++;
		unwiped += memmem(memory, len, MARK, strlen(MARK)) ||
			   memmem(memory, len, "yourself", strlen("yourself"));
	}
	free(memory);
}

static void watch_frees(void)
{
	frees = unwiped = 0;
}

static int random_failure; /* errno for the next call; 0: none */
static size_t random_most = SIZE_MAX; /* bytes that one call gives */

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
	if (random_failure) {
		errno = random_failure;
		random_failure = 0;
		return -1;
	}
	return syscall(SYS_getrandom, bytes, MIN(len, random_most), flags);
}

static void what_is_freed_without_wiping_is_seen(void **state)
{
	(void)state;
	watch_frees();
	g_free(g_strdup("the word is " MARK "."));
	assert_int_equal(frees, 1);
	assert_int_equal(unwiped, 1);
}

static void holds_a_copy_of_any_bytes(void **state)
{
	(void)state;
	char bytes[] = "a\0b";
	struct Secret *secret = secret_new((struct Slice){bytes, 3});
	bytes[0] = 'x';
	struct Slice revealed = secret_reveal(secret);
	assert_int_equal(revealed.len, 3);
	assert_memory_equal(revealed.data, "a\0b", 4);
	secret_unref(secret);

	struct Secret *empty = secret_new((struct Slice){NULL, 0});
	assert_int_equal(secret_reveal(empty).len, 0);
	assert_string_equal(secret_reveal(empty).data, "");
	secret_unref(empty);
}

static void is_wiped_when_the_last_reference_goes(void **state)
{
	(void)state;
	struct Secret *secret = secret_new(SLICE(MARK));
	assert_ptr_equal(secret_ref(secret), secret);
	watch_frees();
	secret_unref(secret);
	assert_int_equal(frees, 0);
	assert_true(slice_is(secret_reveal(secret), MARK));
	secret_unref(secret);
	assert_int_equal(frees, 1);
	assert_int_equal(unwiped, 0);
}

static void taking_a_text_wipes_the_original(void **state)
{
	(void)state;
	char *text = g_strdup(MARK);
	watch_frees();
	struct Secret *secret = secret_take(text);
	assert_int_equal(frees, 1);
	assert_int_equal(unwiped, 0);
	assert_true(slice_is(secret_reveal(secret), MARK));
	secret_unref(secret);
	assert_int_equal(frees, 2);
	assert_int_equal(unwiped, 0);
}

static void nothing_is_a_secret_too(void **state)
{
	(void)state;
	assert_null(secret_take(NULL));
	assert_null(secret_ref(NULL));
	secret_unref(NULL);
	assert_null(secret_reveal(NULL).data);
	assert_int_equal(secret_reveal(NULL).len, 0);
	secret_free_text(NULL);
	secret_free_string(NULL);
	secret_wipe(NULL, 0);
}

static void equal_means_the_same_bytes(void **state)
{
	(void)state;
	g_autoptr(Secret) a = secret_new(SLICE("token-1"));
	g_autoptr(Secret) same = secret_new(SLICE("token-1"));
	g_autoptr(Secret) other = secret_new(SLICE("token-2"));
	g_autoptr(Secret) longer = secret_new(SLICE("token-1\0"));
	g_autoptr(Secret) empty = secret_new(SLICE(""));
	assert_true(secret_equal(a, a));
	assert_true(secret_equal(a, same));
	assert_false(secret_equal(a, other));
	assert_false(secret_equal(a, longer));
	assert_false(secret_equal(a, empty));
	assert_false(secret_equal(a, NULL));
	assert_false(secret_equal(NULL, a));
	assert_false(secret_equal(NULL, empty));
	assert_true(secret_equal(NULL, NULL));
}

static void what_held_a_secret_is_wiped(void **state)
{
	(void)state;
	char *text = g_strdup(MARK);
	GString *string = g_string_sized_new(100);
	g_string_append(string, "Bearer " MARK);
	/* What a shorter text left behind its end counts as well. */
	g_string_truncate(string, 3);
	char bytes[] = MARK;
	watch_frees();
	secret_free_text(text);
	assert_int_equal(frees, 1);
	secret_free_string(string);
	assert_int_equal(frees, 2);
	assert_int_equal(unwiped, 0);
	secret_wipe(bytes + 1, sizeof(bytes) - 2);
	static const char wiped[sizeof(bytes)] = {MARK[0]};
	assert_memory_equal(bytes, wiped, sizeof(bytes));
}

static void random_texts_are_base64url_and_differ(void **state)
{
	(void)state;
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	unsigned characters[256] = {0};
	for (unsigned i = 0; i < 200; i++) {
		char *text = secret_random_text(32);
		assert_int_equal(strlen(text), 43);
		for (const char *p = text; *p; p++) {
			assert_true(g_ascii_isalnum(*p) || *p == '-' || *p == '_');
			characters[(unsigned char)*p]++;
		}
		assert_true(g_hash_table_add(seen, text));
	}
	/* 8,600 characters: that one of the 64 never comes has a chance of 1 in 10^57. */
	unsigned different = 0;
	for (unsigned i = 0; i < 256; i++)
		different += characters[i] > 0;
	assert_int_equal(different, 64);
	g_autofree char *none = secret_random_text(0);
	assert_string_equal(none, "");
}

static void random_bytes_may_come_in_pieces(void **state)
{
	(void)state;
	random_failure = EINTR;
	random_most = 3;
	g_autofree char *text = secret_random_text(32);
	random_most = SIZE_MAX;
	assert_int_equal(random_failure, 0);
	assert_int_equal(strlen(text), 43);
	/* The last bytes were filled as well. */
	assert_string_not_equal(text + 33, "AAAAAAAAAA");
}

static void without_random_bytes_nothing_goes_on(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		random_failure = ENOSYS;
		g_autofree char *text = secret_random_text(32);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed_without_wiping_is_seen),
		cmocka_unit_test(holds_a_copy_of_any_bytes),
		cmocka_unit_test(is_wiped_when_the_last_reference_goes),
		cmocka_unit_test(taking_a_text_wipes_the_original),
		cmocka_unit_test(nothing_is_a_secret_too),
		cmocka_unit_test(equal_means_the_same_bytes),
		cmocka_unit_test(what_held_a_secret_is_wiped),
		cmocka_unit_test(random_texts_are_base64url_and_differ),
		cmocka_unit_test(random_bytes_may_come_in_pieces),
		cmocka_unit_test(without_random_bytes_nothing_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
