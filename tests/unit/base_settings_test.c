/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: precedence of the four sources, each type's spellings, exact
 * sentences for every mistake, and that the printed example loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/settings.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

struct sample {
	bool eager;
	int64_t workers;
	int64_t patience_ms;
	size_t buffer_bytes;
	const char *listen;
	const char *name;
	const char *key_file;
	struct setting_list peers;
};

/* clang-format off */
static const struct setting table[] = {
	SETTING_SIZE("buffer", struct sample, buffer_bytes, "64KiB",
	    "How much is held for one reader."),
	SETTING_BOOL("eager", struct sample, eager, "false",
	    "Whether to start at once."),
	SETTING_PATH("key_file", struct sample, key_file, "",
	    "Where the key is, one | two."),
	SETTING_STRING("name", struct sample, name, "nobody",
	    "Who this is."),
	SETTING_LIST("peers", struct sample, peers, "",
	    "Whom to ask."),
	SETTING_DURATION("tunnel.patience", struct sample, patience_ms, "10s",
	    "How long to wait."),
	SETTING_ADDRESS("tunnel.listen_", struct sample, listen,
	    "127.0.0.1:0", "Where daemons dial in."),
	SETTING_INT("workers", struct sample, workers, 1, 64, "1",
	    "How many processes serve, which is a sentence so long that it has "
	    "to be folded on its way to the terminal."),
};
/* clang-format on */

/* The table above is out of order on purpose; tests use this one. */
static struct setting sorted[COUNT(table)];
static struct arena *arena;
static struct sample got;
static struct fault fault;
static char folder[] = "assay-settings-XXXXXX";
static char path[64];

static int
set_up(void **state)
{
	(void)state;
	memcpy(sorted, table, sizeof(table));
	sorted[5] = table[6];
	sorted[6] = table[5];
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/conf", folder);
	return 0;
}

static int
clean_up(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static int
new_arena(void **state)
{
	(void)state;
	arena = arena_new();
	memset(&got, 0, sizeof(got));
	memset(&fault, 0, sizeof(fault));
	return 0;
}

static int
free_arena(void **state)
{
	(void)state;
	(void)unsetenv("ASSAY_TEST_NAME");
	(void)unsetenv("ASSAY_TEST_WORKERS");
	(void)unsetenv("ASSAY_TEST_TUNNEL_LISTEN_");
	(void)unsetenv("ASSAY_TEST_CONFIG");
	arena_free(&arena);
	return 0;
}

static void
write_config(const char *text)
{
	assert_true(file_write(path, text, strlen(text), 0600, NULL));
}

/* Arguments up to the first NULL. */
static bool
load(const char *a, const char *b, const char *c)
{
	char *argv[5] = {mem_string("assay-test")};
	const char *given[] = {a, b, c};
	int argc = 1;
	bool ok;

	for (size_t i = 0; i < COUNT(given) && given[i] != NULL; i++)
		argv[argc++] = mem_string(given[i]);
	ok = settings_load(sorted, COUNT(sorted), "assay-test", argc, argv,
	    &got, arena, &fault);
	for (int i = 0; i < argc; i++)
		mem_free(argv[i]); /* nothing may point into them */
	return ok;
}

static void
refused(const char *why)
{
	assert_int_equal(fault.kind, FAULT_INVALID_OPTION);
	assert_string_equal(fault.why, why);
}

static void
defaults_alone(void **state)
{
	(void)state;
	assert_true(load(NULL, NULL, NULL));
	assert_false(got.eager);
	assert_int_equal(got.workers, 1);
	assert_int_equal(got.patience_ms, 10000);
	assert_int_equal(got.buffer_bytes, 65536);
	assert_string_equal(got.listen, "127.0.0.1:0");
	assert_string_equal(got.name, "nobody");
	assert_null(got.key_file);
	assert_int_equal(got.peers.count, 0);
}

static void
each_source_beats_the_one_before(void **state)
{
	(void)state;
	write_config("# a comment\n\n  name = from file \r\n"
		     "workers=2\ntunnel.listen_ = [::1]:443\n\tpeers = a , b\n"
		     "key_file = #1=x");
	assert_true(load("--config", path, NULL));
	assert_string_equal(got.name, "from file");
	assert_int_equal(got.workers, 2);
	assert_string_equal(got.listen, "[::1]:443");
	assert_string_equal(got.key_file, "#1=x");
	assert_int_equal(got.peers.count, 2);
	assert_string_equal(got.peers.at[0], "a");
	assert_string_equal(got.peers.at[1], "b");

	assert_int_equal(setenv("ASSAY_TEST_NAME", "from environment", 1), 0);
	assert_int_equal(setenv("ASSAY_TEST_WORKERS", "3", 1), 0);
	assert_int_equal(setenv("ASSAY_TEST_TUNNEL_LISTEN_", "h:1", 1), 0);
	assert_int_equal(setenv("ASSAY_TEST_CONFIG", path, 1), 0);
	assert_true(load("--workers=4", "--peers", "x"));
	assert_string_equal(got.name, "from environment");
	assert_int_equal(got.workers, 4);
	assert_string_equal(got.listen, "h:1");
	assert_int_equal(got.peers.count, 1);
	assert_string_equal(got.key_file, "#1=x");
}

static void
an_empty_value_unsets(void **state)
{
	(void)state;
	assert_true(load("--name=", "--tunnel.listen_=", "--peers="));
	assert_null(got.name);
	assert_null(got.listen);
	assert_int_equal(got.peers.count, 0);
	assert_false(load("--workers=", NULL, NULL));
	refused("--workers: workers must be an integer from 1 to 64");
}

static void
mistakes_on_the_command_line(void **state)
{
	(void)state;
	assert_false(load("--nome=x", NULL, NULL));
	refused("--nome: there is no such setting");
	assert_false(load("--name=x", "--name=y", NULL));
	refused("--name: the setting is given twice");
	assert_false(load("name=x", NULL, NULL));
	refused("name=x: not of the form --name=value");
	assert_false(load("--=x", NULL, NULL));
	refused("--=x: not of the form --name=value");
	assert_false(load("--name", NULL, NULL));
	refused("--name: a value must follow");
	assert_false(load("--config=a", "--config=b", NULL));
	refused("--config: given twice");
	assert_false(load("--config=no/such", NULL, NULL));
	refused("no/such: cannot open: No such file or directory");
	assert_false(load("--name=\xff", NULL, NULL));
	refused("--name: the value is not plain UTF-8");
}

static void
mistakes_in_the_file(void **state)
{
	static const struct {
		const char *text;
		const char *why; /* behind the file's name */
	} cases[] = {
	    {"\nnome = x\n", ":2: there is no such setting"},
	    {"name = x\n# y\nname = z\n", ":3: the setting is given twice"},
	    {"name\n", ":1: not of the form name = value"},
	    {"Name = x\n", ":1: there is no such setting"},
	    {"config = x\n", ":1: there is no such setting"},
	    {"eager = yes\n", ":1: eager must be true or false"},
	    {"\n\n\neager=", ":4: eager must be true or false"},
	};
	char want[200];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		write_config(cases[i].text);
		assert_false(load("--config", path, NULL));
		(void)snprintf(want, sizeof(want), "%s%s", path, cases[i].why);
		refused(want);
	}
}

static void
mistakes_in_the_environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("ASSAY_TEST_WORKERS", "0", 1), 0);
	assert_false(load(NULL, NULL, NULL));
	refused("ASSAY_TEST_WORKERS: workers must be an integer from 1 to 64");
	assert_true(load("--workers=2", NULL, NULL)); /* not the one in force */
}

static void
spellings(void **state)
{
	static const struct {
		const char *arg;
		bool ok;
	} cases[] = {
	    {"--workers=64", true},
	    {"--workers=65", false},
	    {"--workers=-1", false},
	    {"--workers=1.0", false},
	    {"--workers=99999999999999999999", false},
	    {"--eager=true", true},
	    {"--eager=TRUE", false},
	    {"--tunnel.patience=250ms", true},
	    {"--tunnel.patience=0s", true},
	    {"--tunnel.patience=7d", true},
	    {"--tunnel.patience=10", false},
	    {"--tunnel.patience=s", false},
	    {"--tunnel.patience=1 s", false},
	    {"--tunnel.patience=-1s", false},
	    {"--tunnel.patience=9223372036854775807ms", true},
	    {"--tunnel.patience=9223372036854775807s", false},
	    {"--buffer=0", true},
	    {"--buffer=2GiB", true},
	    {"--buffer=64kb", false},
	    {"--buffer=64K", false},
	    {"--buffer=18446744073709551615", false},
	    {"--tunnel.listen_=host.example:65535", true},
	    {"--tunnel.listen_=host:65536", false},
	    {"--tunnel.listen_=host", false},
	    {"--tunnel.listen_=:1", false},
	    {"--tunnel.listen_=host:", false},
	    {"--tunnel.listen_=::1:443", false},
	    {"--tunnel.listen_=[]:1", false},
	    {"--tunnel.listen_=http://x:1", false},
	    {"--tunnel.listen_=unix:/run/x", true},
	    {"--tunnel.listen_=unix:", false},
	    {"--peers=a", true},
	    {"--peers=a,b,c", true},
	    {"--peers=a,,b", false},
	    {"--peers=,", false},
	    {"--peers=a,", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(load(cases[i].arg, NULL, NULL), cases[i].ok);
	assert_true(load("--tunnel.patience=5m", "--buffer=3MiB", NULL));
	assert_int_equal(got.patience_ms, 300000);
	assert_int_equal(got.buffer_bytes, 3145728);
}

static char *
printed(void (*print)(FILE *to))
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	char *kept;

	assert_non_null(to);
	print(to);
	assert_int_equal(fclose(to), 0);
	kept = arena_copy(arena, text, len);
	free(text);
	return kept;
}

static void
print_example(FILE *to)
{
	settings_print_example(to, sorted, COUNT(sorted), "assay-test");
}

static void
print_help(FILE *to)
{
	settings_print_help(
	    to, sorted, COUNT(sorted), "assay-test", "Does nothing.");
}

static void
print_markdown(FILE *to)
{
	settings_print_markdown(to, sorted, COUNT(sorted));
}

static void
the_example_loads_as_the_defaults(void **state)
{
	struct sample plain;
	char *text = printed(print_example);

	(void)state;
	assert_non_null(strstr(text,
	    "\n# Where daemons dial in.\ntunnel.listen_ = 127.0.0.1:0\n"));
	write_config(text);
	assert_true(load(NULL, NULL, NULL));
	plain = got;
	memset(&got, 0, sizeof(got));
	assert_true(load("--config", path, NULL));
	assert_string_equal(got.name, plain.name);
	assert_string_equal(got.listen, plain.listen);
	assert_null(got.key_file);
	assert_int_equal(got.peers.count, 0);
	assert_int_equal(got.workers, plain.workers);
	assert_int_equal(got.patience_ms, plain.patience_ms);
	assert_int_equal(got.buffer_bytes, plain.buffer_bytes);
	assert_int_equal(got.eager, plain.eager);
}

static void
help_and_manual(void **state)
{
	char *help = printed(print_help);
	char *manual = printed(print_markdown);

	(void)state;
	assert_non_null(strstr(
	    help, "Usage: assay-test [--config FILE] [--name=value ...]\n"));
	assert_non_null(
	    strstr(help, "  --buffer=size  (default: 64KiB)\n"
			 "      How much is held for one reader.\n"));
	for (char *line = help; line != NULL && *line != '\0';) {
		size_t len = strcspn(line, "\n");

		assert_in_range(len, 0, 79);
		line += len + (line[len] != '\0');
	}
	assert_non_null(strstr(manual,
	    "| `workers` | integer | `1` | How many processes serve, which"));
	assert_non_null(strstr(manual,
	    "| `key_file` | path |  | Where the key is, one \\| two. |\n"));
}

static void
a_bad_table_ends_us(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		char program[] = "p";
		char *argv[] = {program, NULL};

		(void)close(STDERR_FILENO);
		(void)settings_load(
		    table, COUNT(table), "p", 1, argv, &got, arena, &fault);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, new_arena, free_arena)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(defaults_alone),
	    CASE(each_source_beats_the_one_before),
	    CASE(an_empty_value_unsets),
	    CASE(mistakes_on_the_command_line),
	    CASE(mistakes_in_the_file),
	    CASE(mistakes_in_the_environment),
	    CASE(spellings),
	    CASE(the_example_loads_as_the_defaults),
	    CASE(help_and_manual),
	    CASE(a_bad_table_ends_us),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
