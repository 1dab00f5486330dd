/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: zeroed, aligned, never NULL; an impossible size ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void
pieces_are_zeroed_and_copied(void **state)
{
	static const char zeros[64];
	char *at = mem_new(64);
	char *empty = mem_new(0);
	char *word = mem_string("word");
	char *part = mem_copy("wording", 4);

	(void)state;
	assert_memory_equal(at, zeros, 64);
	assert_non_null(empty);
	assert_string_equal(word, "word");
	assert_memory_equal(part, "word", 4);
	assert_null(mem_string(NULL));
	at = mem_resize(at, 128);
	assert_memory_equal(at, zeros, 64);
	mem_wipe_free(at, 128);
	mem_wipe_free(NULL, 0);
	mem_free(empty);
	mem_free(word);
	mem_free(part);
	mem_free(NULL);
}

static void
overflow_ends_the_process(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		(void)mem_array(SIZE_MAX / 2, 4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* the abort itself, or the sanitizer's own refusal */
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
arena_pieces_are_apart_zeroed_and_aligned(void **state)
{
	static const size_t sizes[] = {
	    0, 1, 15, 16, 17, 1000, 1008, 1009, 4032, 100000};
	struct arena *a = arena_new();

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			char *at = arena_alloc(a, sizes[i]);

			assert_int_equal((uintptr_t)at % 16, 0);
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(at[k], 0);
			memset(at, 0x5a, sizes[i]);
		}
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
	arena_free(NULL);
}

static void
arena_texts_end_in_nul(void **state)
{
	struct arena *a = arena_new();
	char *first = arena_string(a, "first");
	char *none = arena_copy(a, NULL, 0);
	char *made = arena_printf(a, "%s-%03d", "x", 7);

	(void)state;
	assert_string_equal(first, "first");
	assert_string_equal(none, "");
	assert_string_equal(made, "x-007");
	assert_string_equal(arena_printf(a, "%s", ""), "");
	assert_null(arena_string(a, NULL));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_are_zeroed_and_copied),
	    cmocka_unit_test(overflow_ends_the_process),
	    cmocka_unit_test(arena_pieces_are_apart_zeroed_and_aligned),
	    cmocka_unit_test(arena_texts_end_in_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
