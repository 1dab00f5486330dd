/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounds, kinds of file, replacement in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[] = "assay-file-XXXXXX";
static char name[300];

static const char *
in_folder(const char *last)
{
	(void)snprintf(name, sizeof(name), "%s/%s", folder, last);
	return name;
}

static int
set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int
clean_up(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void
writes_and_reads_back(void **state)
{
	struct fault f;
	struct stat st;
	char *at;
	size_t len;

	(void)state;
	assert_true(file_write(in_folder("a"), "x\0y", 3, 0640, &f));
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_true(file_read(name, 3, &at, &len, &f));
	assert_int_equal(len, 3);
	assert_memory_equal(at, "x\0y\0", 4);
	mem_free(at);
	assert_true(file_write(name, "", 0, 0600, &f));
	assert_true(file_read(name, 0, &at, &len, &f));
	assert_int_equal(len, 0);
	assert_string_equal(at, "");
	mem_free(at);
}

static void
too_large_is_a_limit(void **state)
{
	struct fault f;
	char *at;
	size_t len;

	(void)state;
	assert_true(file_write(in_folder("b"), "four", 4, 0600, &f));
	assert_false(file_read(name, 3, &at, &len, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_non_null(strstr(f.why, "larger than the 3 bytes allowed"));
	assert_null(at);
	/* its size is said to be 0, so that the bound works while reading */
	assert_false(file_read("/proc/self/maps", 100, &at, &len, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_true(file_read("/proc/self/maps", 1 << 24, &at, &len, &f));
	assert_int_equal(strlen(at), len);
	mem_free(at);
}

static void
only_regular_files(void **state)
{
	struct fault f;
	char *at;
	size_t len;

	(void)state;
	assert_false(file_read(folder, 9, &at, &len, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_false(file_read(name, 9, &at, &len, &f)); /* at once */
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_false(file_read(in_folder("none"), 9, &at, &len, &f));
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
}

static size_t
entries(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
failed_writes_leave_nothing(void **state)
{
	size_t before = entries();
	struct fault f;

	(void)state;
	assert_false(file_write(in_folder("no/such"), "x", 1, 0600, &f));
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	assert_int_equal(mkdir(in_folder("taken"), 0700), 0);
	assert_false(file_write(name, "x", 1, 0600, &f));
	assert_int_equal(f.kind, FAULT_SYSTEM);
	assert_int_equal(entries(), before + 1);
}

static void
folders_with_their_parents(void **state)
{
	struct fault f;
	struct stat st;
	char longest[5000];

	(void)state;
	assert_true(folder_make(in_folder("p/q//r/"), 0700, &f));
	assert_int_equal(stat(in_folder("p/q/r"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_true(folder_make(name, 0700, &f));
	assert_true(file_write(in_folder("p/file"), "", 0, 0600, &f));
	assert_false(folder_make(in_folder("p/file"), 0700, &f));
	assert_non_null(strstr(f.why, "not a folder"));
	assert_false(folder_make(in_folder("p/file/x"), 0700, &f));
	assert_false(folder_make("", 0700, &f));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(folder_make(longest, 0700, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_and_reads_back),
	    cmocka_unit_test(too_large_is_a_limit),
	    cmocka_unit_test(only_regular_files),
	    cmocka_unit_test(failed_writes_leave_nothing),
	    cmocka_unit_test(folders_with_their_parents),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
