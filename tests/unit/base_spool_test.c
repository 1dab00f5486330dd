/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: what was appended is there after kill -9, a torn tail of any
 * length, a damaged middle; what was consumed is not delivered again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/spool.h"

static char folder[64];
static char name[300];

static int
new_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "assay-spool-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	char command[100];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static const char *
segment_path(unsigned first)
{
	(void)snprintf(name, sizeof(name), "%s/%020u.seg", folder, first);
	return name;
}

static struct spool *
opened(const struct spool_settings *settings)
{
	struct fault f = {FAULT_NONE, ""};
	struct spool *s;

	if (!spool_open(folder, settings, &s, &f))
		fail_msg("%s", f.why);
	return s;
}

/* Record n: its number as text and n % 200 more bytes. */
static struct bytes
record_of(uint64_t n)
{
	static char text[300];
	int len = snprintf(text, sizeof(text), "%llu:%*s",
	    (unsigned long long)n, (int)(n % 200), "");

	return bytes_of(text, (size_t)len);
}

static void
append_up_to(struct spool *s, uint64_t n)
{
	struct spool_counts c;

	for (spool_counts(s, &c); c.next <= n; spool_counts(s, &c))
		assert_true(spool_append(s, record_of(c.next), NULL));
}

/* Reads exactly the records from..to, and then that none is left. */
static void
reads(struct spool *s, uint64_t from, uint64_t to)
{
	struct bytes record;
	uint64_t number;

	for (uint64_t n = from; n <= to; n++) {
		assert_true(spool_read(s, &record, &number, NULL));
		assert_int_equal(number, n);
		assert_true(bytes_equal(record, record_of(n)));
	}
	assert_true(spool_read(s, &record, &number, NULL));
	assert_int_equal(record.len, 0);
	assert_int_equal(number, 0);
}

static void
appends_reads_consumes(void **state)
{
	struct spool *s = opened(NULL);
	struct spool_counts c;
	struct fault f;

	(void)state;
	reads(s, 1, 0);
	append_up_to(s, 5);
	reads(s, 1, 5);
	append_up_to(s, 7);
	reads(s, 6, 7);
	spool_rewind(s);
	assert_true(spool_consume(s, 3, NULL));
	reads(s, 4, 7);
	assert_true(spool_consume(s, 2, NULL)); /* long done with */
	assert_false(spool_consume(s, 8, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_true(spool_sync(s, NULL));
	spool_counts(s, &c);
	assert_int_equal(c.next, 8);
	assert_int_equal(c.consumed, 3);
	assert_int_equal(c.cut_bytes, 0);
	spool_close(&s);
	assert_null(s);
	spool_close(&s);
	s = opened(NULL);
	reads(s, 4, 7);
	append_up_to(s, 8);
	reads(s, 8, 8);
	assert_true(spool_consume(s, 8, NULL));
	spool_close(&s);
	s = opened(NULL);
	reads(s, 9, 8);
	append_up_to(s, 9);
	reads(s, 9, 9);
	spool_close(&s);
}

static void
a_second_writer_is_refused(void **state)
{
	struct spool *s = opened(NULL);
	struct spool *second;
	struct fault f;

	(void)state;
	assert_false(spool_open(folder, NULL, &second, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_non_null(strstr(f.why, "another process writes it"));
	assert_null(second);
	spool_close(&s);
	s = opened(NULL);
	spool_close(&s);
}

static void
segments_come_and_go(void **state)
{
	const struct spool_settings small = {1000, 100000};
	struct spool *s = opened(&small);
	struct spool_counts c;

	(void)state;
	append_up_to(s, 300);
	reads(s, 1, 300);
	spool_close(&s);
	s = opened(&small);
	reads(s, 1, 300);
	for (uint64_t n = 7; n < 300; n += 31) {
		assert_true(spool_consume(s, n, NULL));
		spool_rewind(s);
		reads(s, n + 1, 300);
	}
	assert_true(spool_consume(s, 300, NULL));
	spool_counts(s, &c);
	assert_true(c.bytes < 1400); /* the last segment only */
	assert_int_equal(access(segment_path(1), F_OK), -1);
	spool_close(&s);
	s = opened(&small);
	reads(s, 301, 300);
	append_up_to(s, 302);
	reads(s, 301, 302);
	spool_close(&s);
}

static void
the_whole_is_bounded(void **state)
{
	const struct spool_settings small = {0, 4000};
	struct spool *s = opened(&small);
	uint8_t zeros[500] = {0};
	struct fault f = {FAULT_NONE, ""};
	struct spool_counts c;
	uint64_t before;

	(void)state;
	while (spool_append(s, bytes_of(zeros, sizeof(zeros)), &f))
		;
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_non_null(strstr(f.why, "full, 3584 of 4000 bytes wait"));
	spool_counts(s, &c);
	before = c.next;
	assert_false(spool_append(s, bytes_of(zeros, sizeof(zeros)), &f));
	spool_counts(s, &c);
	assert_int_equal(c.next, before); /* nothing of it is there */
	assert_true(spool_append(s, bytes_of(zeros, 100), &f));
	assert_true(spool_consume(s, c.next, &f));
	for (int i = 0; i < 3; i++)
		assert_true(
		    spool_append(s, bytes_of(zeros, sizeof(zeros)), &f));
	spool_close(&s);
}

static void
records_have_a_size(void **state)
{
	struct spool *s = opened(NULL);
	uint8_t *big = mem_new(SPOOL_RECORD_MAX + 1);
	struct bytes record;
	uint64_t number;
	struct fault f;

	(void)state;
	assert_false(spool_append(s, bytes_of(big, 0), &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_false(spool_append(s, bytes_of(big, SPOOL_RECORD_MAX + 1), &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_true(spool_append(s, bytes_of(big, SPOOL_RECORD_MAX), &f));
	assert_true(spool_read(s, &record, &number, &f));
	assert_int_equal(record.len, SPOOL_RECORD_MAX);
	spool_close(&s);
	mem_free(big);
}

/* Appends and reports each number after the append has returned. */
static void
write_until_killed(int to)
{
	struct spool *s = opened(NULL);

	for (uint64_t n = 1;; n++) {
		if (!spool_append(s, record_of(n), NULL))
			_exit(1);
		if (n == 100 && !spool_consume(s, 40, NULL))
			_exit(1);
		if (write(to, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

static void
kill_9_loses_nothing(void **state)
{
	uint64_t reported = 0;
	struct spool *s;
	struct spool_counts c;
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_until_killed(ends[1]);
	(void)close(ends[1]);
	while (reported < 1000)
		assert_int_equal(read(ends[0], &reported, 8), 8);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (read(ends[0], &reported, 8) == 8)
		;
	(void)close(ends[0]);
	s = opened(NULL);
	spool_counts(s, &c);
	assert_true(c.next > reported);
	assert_int_equal(c.consumed, 40);
	reads(s, 41, c.next - 1);
	spool_close(&s);
}

/* Three records; the file's bytes, to be given back cut or damaged. */
static char *
three_records(size_t *len, size_t ends[4])
{
	struct spool *s = opened(NULL);
	struct spool_counts c;
	char *bytes;

	ends[0] = 0;
	for (uint64_t n = 1; n <= 3; n++) {
		append_up_to(s, n);
		spool_counts(s, &c);
		ends[n] = (size_t)c.bytes;
	}
	spool_close(&s);
	assert_true(file_read(segment_path(1), 1 << 20, &bytes, len, NULL));
	assert_int_equal(*len, ends[3]);
	return bytes;
}

static size_t
whole_records(const size_t ends[4], size_t len)
{
	size_t n = 3;

	while (ends[n] > len)
		n--;
	return n;
}

static void
torn_tails_of_every_length(void **state)
{
	size_t ends[4];
	size_t len;
	char *bytes = three_records(&len, ends);

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		size_t whole = whole_records(ends, cut);
		struct spool *s;
		struct spool_counts c;

		assert_true(
		    file_write(segment_path(1), bytes, cut, 0600, NULL));
		s = opened(NULL);
		spool_counts(s, &c);
		assert_int_equal(c.next, whole + 1);
		assert_int_equal(c.cut_bytes, cut - ends[whole]);
		append_up_to(s, whole + 1);
		reads(s, 1, whole + 1);
		spool_close(&s);
		s = opened(NULL);
		reads(s, 1, whole + 1);
		spool_close(&s);
	}
	mem_free(bytes);
}

static void
every_damaged_byte_is_noticed(void **state)
{
	size_t ends[4];
	size_t len;
	char *bytes = three_records(&len, ends);

	(void)state;
	for (size_t at = 0; at < len; at++) {
		struct spool *s;

		bytes[at] = (char)(bytes[at] ^ 0x40);
		assert_true(
		    file_write(segment_path(1), bytes, len, 0600, NULL));
		s = opened(NULL);
		reads(s, 1, whole_records(ends, at));
		spool_close(&s);
		bytes[at] = (char)(bytes[at] ^ 0x40);
	}
	mem_free(bytes);
}

static void
damage_in_the_middle_costs_one_segment(void **state)
{
	const struct spool_settings small = {300, 100000};
	struct spool *s = opened(&small);
	struct spool_counts c;
	struct bytes record;
	uint64_t number;
	uint64_t expected = 1;
	int fd;

	(void)state;
	append_up_to(s, 60);
	spool_close(&s);
	fd = open(segment_path(1), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "XXXX", 4, 0), 4);
	assert_int_equal(close(fd), 0);
	s = opened(&small);
	assert_true(spool_read(s, &record, &number, NULL));
	assert_true(number > 1 && number < 40);
	spool_counts(s, &c);
	assert_true(c.cut_bytes >= 300);
	expected = number;
	spool_rewind(s);
	reads(s, expected, 60);
	spool_rewind(s);
	reads(s, expected, 60);
	spool_counts(s, &c);
	assert_true(c.cut_bytes < 700); /* counted once */
	append_up_to(s, 61);
	reads(s, 61, 61);
	assert_true(spool_consume(s, 61, NULL));
	spool_close(&s);
}

/* A disk that loses what it has said yes to, while we run. */
static void
damage_under_our_feet(void **state)
{
	struct spool *s = opened(NULL);
	int fd;

	(void)state;
	append_up_to(s, 3);
	fd = open(segment_path(1), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "XXXX", 4, 0), 4);
	assert_int_equal(close(fd), 0);
	reads(s, 4, 3);
	append_up_to(s, 5);
	reads(s, 4, 5);
	spool_close(&s);
	s = opened(NULL);
	reads(s, 4, 5);
	spool_close(&s);
}

static void
the_mark_outlives_its_records(void **state)
{
	struct spool *s = opened(NULL);

	(void)state;
	append_up_to(s, 9);
	assert_true(spool_consume(s, 9, NULL));
	spool_close(&s);
	assert_int_equal(truncate(segment_path(1), 20), 0);
	s = opened(NULL);
	reads(s, 10, 9);
	append_up_to(s, 10); /* numbers never go back */
	reads(s, 10, 10);
	spool_close(&s);
}

static void
a_torn_mark_leaves_the_other(void **state)
{
	struct spool *s = opened(NULL);
	struct spool_counts c;

	(void)state;
	append_up_to(s, 9);
	assert_true(spool_consume(s, 4, NULL)); /* second slot */
	assert_true(spool_consume(s, 6, NULL)); /* first slot */
	spool_close(&s);
	(void)snprintf(name, sizeof(name), "%s/mark", folder);
	for (off_t at = 0; at < 16; at++) {
		int fd = open(name, O_RDWR);
		char was;
		char is;

		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &was, 1, at), 1);
		is = (char)(was ^ 1);
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		s = opened(NULL);
		spool_counts(s, &c);
		assert_int_equal(c.consumed, 4);
		reads(s, 5, 9);
		spool_close(&s);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
		assert_int_equal(close(fd), 0);
	}
	s = opened(NULL);
	reads(s, 7, 9);
	spool_close(&s);
}

static void
strange_files_are_left_alone(void **state)
{
	struct spool *s;

	(void)state;
	assert_true(file_write(segment_path(0), "x", 1, 0600, NULL));
	(void)snprintf(
	    name, sizeof(name), "%s/00000000000000000001.segment", folder);
	assert_true(file_write(name, "x", 1, 0600, NULL));
	s = opened(NULL);
	append_up_to(s, 2);
	reads(s, 1, 2);
	spool_close(&s);
}

#define CASE(test)                                                             \
	cmocka_unit_test_setup_teardown(test, new_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(appends_reads_consumes),
	    CASE(a_second_writer_is_refused),
	    CASE(segments_come_and_go),
	    CASE(the_whole_is_bounded),
	    CASE(records_have_a_size),
	    CASE(kill_9_loses_nothing),
	    CASE(torn_tails_of_every_length),
	    CASE(every_damaged_byte_is_noticed),
	    CASE(damage_in_the_middle_costs_one_segment),
	    CASE(damage_under_our_feet),
	    CASE(the_mark_outlives_its_records),
	    CASE(a_torn_mark_leaves_the_other),
	    CASE(strange_files_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
