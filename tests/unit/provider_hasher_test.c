/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing beside the loop: right hashes, kept ones, changed files, and a
 * child that is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/file.h"
#include "provider/hasher.h"

struct fixture {
	char folder[64];
	char path[100];
	struct loop *loop;
	struct log log;
	struct artifact_file file;
	struct artifact_file *files[1];
	struct file_state states[1];
	int answers;
};

static void
on_answer(void *arg)
{
	struct fixture *x = arg;

	x->answers++;
	loop_stop(x->loop);
}

static void
write_file(struct fixture *x, const char *text)
{
	struct fault f;

	assert_true(file_write(x->path, text, strlen(text), 0600, &f));
}

static void
ask(struct fixture *x)
{
	struct hasher *h = hasher_new(x->loop, x->folder, &x->log);
	int before = x->answers;

	hasher_ask(h, x->files, x->states, 1, on_answer, x);
	assert_int_equal(x->answers, before); /* never at once */
	loop_run(x->loop);
	assert_int_equal(x->answers, before + 1);
	hasher_free(&h);
}

static bool
hash_is_of(const struct fixture *x, const char *text)
{
	uint8_t want[32];

	sha256(bytes_of(text, strlen(text)), want);
	return x->file.hashed && memcmp(want, x->file.sha256, 32) == 0;
}

static int
set_up(void **state)
{
	struct fixture *x = mem_new(sizeof *x);

	snprintf(x->folder, sizeof x->folder, "/tmp/assay-hash-XXXXXX");
	assert_non_null(mkdtemp(x->folder));
	snprintf(x->path, sizeof x->path, "%s/model.gguf", x->folder);
	x->loop = loop_new();
	log_init(&x->log, "test", LOG_ERROR_);
	x->file.name = "model.gguf";
	x->file.path = x->path;
	x->files[0] = &x->file;
	*state = x;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *x = *state;
	char command[100];

	loop_free(&x->loop);
	snprintf(command, sizeof command, "rm -rf '%s'", x->folder);
	mem_free(x);
	return system(command);
}

static void
test_hash_and_change(void **state)
{
	struct fixture *x = *state;

	write_file(x, "one");
	ask(x);
	assert_true(hash_is_of(x, "one"));
	assert_int_equal(x->file.size, 3);
	write_file(x, "two");
	ask(x);
	assert_true(hash_is_of(x, "two"));
	remove(x->path);
	ask(x);
	assert_false(x->file.hashed);
	assert_false(x->states[0].there);
}

/* A kept hash is used as long as the file is the same; to see that it is the
 * kept one, the cache is given a hash that is not the file's. */
static void
test_kept(void **state)
{
	struct fixture *x = *state;
	struct file_state now;
	char cache[100], text[600];
	struct fault f;

	write_file(x, "one");
	file_state_read(x->path, &now);
	snprintf(cache, sizeof cache, "%s/hashes.json", x->folder);
	snprintf(text, sizeof text,
	    "{\"%s\":{\"inode\":%llu,\"size\":3,\"mtime_ns\":%lld,"
	    "\"ctime_ns\":%lld,\"sha256\":\"%064d\"}}",
	    x->path, (unsigned long long)now.inode, (long long)now.mtime_ns,
	    (long long)now.ctime_ns, 0);
	assert_true(file_write(cache, text, strlen(text), 0600, &f));
	ask(x);
	assert_true(x->file.hashed);
	assert_int_equal(x->file.sha256[0], 0);
	write_file(x, "two"); /* another inode and time */
	ask(x);
	assert_true(hash_is_of(x, "two"));
	assert_true(file_write(cache, "[not a cache", 12, 0600, &f));
	ask(x);
	assert_true(hash_is_of(x, "two"));
}

static void
never(void *arg)
{
	(void)arg;
	fail_msg("answered after it was cancelled");
}

static void
test_cancel(void **state)
{
	struct fixture *x = *state;
	struct hasher *h = hasher_new(x->loop, x->folder, &x->log);
	struct pending *p;

	write_file(x, "one");
	p = hasher_ask(h, x->files, x->states, 1, never, x);
	pending_cancel(&p);
	ask(x); /* turns the loop */
	p = hasher_ask(h, x->files, x->states, 1, never, x);
	hasher_free(&h); /* with a question open */
	assert_non_null(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_hash_and_change, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
