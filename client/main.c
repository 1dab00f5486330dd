/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay: the command line of operators and buyers. This file finds the
 * command, reads its options and prints its fault; the commands stand in
 * tables in their own files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command.h"

static const struct command *const groups[] = {migrate_commands,
    account_commands, device_commands, catalog_commands, request_commands,
    route_commands, verify_commands, exchange_commands, policy_commands};
#define GROUPS (sizeof groups / sizeof *groups)

static const struct option_rule common_options[] = {
    {"database", "URL", "Postgres, for operators; or ASSAY_DATABASE_URL"},
    {"url", "URL", "the gateway, for buyers; or ASSAY_URL"},
    {"key", "KEY", "API key, for buyers; or ASSAY_API_KEY"},
    {"ca", "FILE", "PEM anchors of the gateway; or ASSAY_CA"},
    {"json", NULL, "print JSON"}, {"help", NULL, "this help"}, {0}};

static void
print_options(const struct option_rule *rules)
{
	char left[80];

	for (; rules != NULL && rules->name != NULL; rules++) {
		snprintf(left, sizeof left, "--%s %s", rules->name,
		    rules->value != NULL ? rules->value : "");
		printf("  %-26s %s\n", left, rules->help);
	}
}

/* The commands of one noun, or (NULL) all; how many those are. */
static size_t
print_commands(FILE *to, const char *noun)
{
	size_t count = 0;

	for (size_t g = 0; g < GROUPS; g++)
		for (const struct command *m = groups[g]; m->noun; m++) {
			char words[80];

			if (noun != NULL && strcmp(m->noun, noun) != 0)
				continue;
			if (count++ == 0)
				fputs("usage: assay COMMAND [arguments] "
				      "[options]\n\nCommands:\n",
				    to);
			snprintf(words, sizeof words, "%s %s %s", m->noun,
			    m->verb != NULL ? m->verb : "", m->arguments);
			fprintf(to, "  %-30s %s\n", words, m->help);
		}
	return count;
}

static void
print_usage(void)
{
	print_commands(stdout, NULL);
	puts("\nOptions of every command:");
	print_options(common_options);
	puts("\n`assay COMMAND --help` tells a command's own options.\n"
	     "Exit status: 0 done, 1 failed, 2 a mistake in the call, 3 "
	     "no trustworthy verdict\n(`verify`, `policy init`).");
}

static void
print_command(const struct command *m)
{
	printf("usage: assay %s%s%s%s%s [options]\n%s\n\n", m->noun,
	    m->verb != NULL ? " " : "", m->verb != NULL ? m->verb : "",
	    *m->arguments != '\0' ? " " : "", m->arguments, m->help);
	print_options(m->options);
	print_options(common_options);
}

/* The command the words name; *used says how many words that took. */
static const struct command *
find(int argc, char **argv, int *used)
{
	const struct command *alone = NULL;

	if (argc < 2)
		return NULL;
	for (size_t g = 0; g < GROUPS; g++)
		for (const struct command *m = groups[g]; m->noun; m++) {
			if (strcmp(m->noun, argv[1]) != 0)
				continue;
			if (m->verb == NULL)
				alone = m;
			else if (argc > 2 && strcmp(m->verb, argv[2]) == 0) {
				*used = 3;
				return m;
			}
		}
	*used = 2;
	return alone;
}

static const struct option_rule *
find_rule(const struct option_rule *rules, const char *name, size_t len)
{
	for (; rules != NULL && rules->name != NULL; rules++)
		if (strlen(rules->name) == len &&
		    strncmp(rules->name, name, len) == 0)
			return rules;
	return NULL;
}

/* Reads one --name[=value] at argv[*i]. */
static bool
read_option(const struct command *m, struct cli *c, int argc, char **argv,
    int *i, struct fault *f)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct option_rule *rule = find_rule(m->options, name, len);
	const char *value = "";

	if (rule == NULL)
		rule = find_rule(common_options, name, len);
	if (rule == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "there is no option %.60s here", argv[*i]);
	if (rule->value == NULL && equals != NULL)
		return fault_set(
		    f, FAULT_INVALID_OPTION, "--%s takes no value", rule->name);
	if (rule->value != NULL) {
		value = equals != NULL ? equals + 1 : argv[++*i];
		if (*i >= argc || value == NULL)
			return fault_set(f, FAULT_INVALID_OPTION,
			    "--%s needs a value: %s", rule->name, rule->value);
	}
	if (c->given_count == OPTION_VALUES_MAX)
		return fault_set(f, FAULT_INVALID_OPTION, "too many options");
	c->given[c->given_count].name = rule->name;
	c->given[c->given_count++].value = value;
	return true;
}

static const char *
or_environment(const struct cli *c, const char *option, const char *variable)
{
	const char *value = cli_option(c, option);

	if (value == NULL)
		value = getenv(variable);
	return value != NULL && *value != '\0' ? value : NULL;
}

static bool
read_call(const struct command *m, struct cli *c, int from, int argc,
    char **argv, struct fault *f)
{
	bool only_arguments = false;

	for (int i = from; i < argc; i++) {
		if (!only_arguments && strcmp(argv[i], "--") == 0)
			only_arguments = true;
		else if (!only_arguments && strncmp(argv[i], "--", 2) == 0) {
			if (!read_option(m, c, argc, argv, &i, f))
				return false;
		} else {
			c->arguments[c->argument_count++] = argv[i];
		}
	}
	c->json = cli_option(c, "json") != NULL;
	c->database = or_environment(c, "database", "ASSAY_DATABASE_URL");
	c->url = or_environment(c, "url", "ASSAY_URL");
	c->key = or_environment(c, "key", "ASSAY_API_KEY");
	c->ca = or_environment(c, "ca", "ASSAY_CA");
	if (cli_option(c, "help") == NULL &&
	    (c->argument_count < m->arguments_min ||
		c->argument_count > m->arguments_max))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "usage: assay %s%s%s %s", m->noun,
		    m->verb != NULL ? " " : "", m->verb != NULL ? m->verb : "",
		    m->arguments);
	return true;
}

static int
run(const struct command *m, struct cli *c, struct fault *f)
{
	if (cli_option(c, "help") != NULL) {
		print_command(m);
		return 0;
	}
	if (m->run(c, f))
		return c->status;
	fprintf(stderr, "assay: %s\n", f->why);
	if (f->kind == FAULT_INVALID_OPTION)
		return 2;
	return c->status != 0 ? c->status : 1;
}

/* `assay key` and `assay key --help` tell the commands of that noun. */
static int
not_found(int argc, char **argv)
{
	bool help = argc == 3 && strcmp(argv[2], "--help") == 0;

	if ((argc == 2 || help) &&
	    print_commands(help ? stdout : stderr, argv[1]) > 0)
		return help ? 0 : 2;
	fputs("assay: there is no such command; `assay --help` lists them\n",
	    stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	const struct command *m;
	struct cli c = {0};
	struct fault f = {0};
	int used = 0, status;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("assay " ASSAY_VERSION);
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_usage();
		return argc < 2 ? 2 : 0;
	}
	m = find(argc, argv, &used);
	if (m == NULL)
		return not_found(argc, argv);
	c.arena = arena_new();
	c.arguments =
	    arena_alloc(c.arena, ((size_t)argc + 1) * sizeof *c.arguments);
	c.given = arena_alloc(c.arena, OPTION_VALUES_MAX * sizeof *c.given);
	if (read_call(m, &c, used, argc, argv, &f)) {
		status = run(m, &c, &f);
	} else {
		fprintf(stderr, "assay: %s\n", f.why);
		status = 2;
	}
	arena_free(&c.arena);
	return status;
}
