/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-provider: the reference daemon. `enrol` once, then `run`; `status`
 * and `doctor` tell how it is. This file reads the command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "provider/daemon.h"
#include "provider/doctor.h"
#include "provider/enrol.h"
#include "provider/status.h"

#define SUMMARY                                                                \
	"proves what this machine runs, keeps tunnels to the gateway and "     \
	"serves its requests"

static void
print_usage(void)
{
	puts("usage: assay-provider COMMAND [options]\n\n"
	     "  enrol   become a device: --auth URL --code CODE --state DIR "
	     "[--ca FILE]\n"
	     "          (--code-file FILE, or - for standard input, keeps the "
	     "code off the command line)\n"
	     "  run     serve until SIGTERM\n"
	     "  status  what the running daemon does [--json]\n"
	     "  doctor  check everything it needs\n\n"
	     "run, status and doctor take --config FILE and these settings:"
	     "\n");
	settings_print_help(stdout, provider_settings_table,
	    provider_settings_count, "assay-provider", SUMMARY);
}

/* --name VALUE or --name=VALUE; *i moves past the value. */
static const char *
option(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] == '\0' && *i + 1 < argc)
		return argv[++*i];
	return NULL;
}

static bool
read_code(const char *from, char *out, size_t size)
{
	FILE *in = strcmp(from, "-") == 0 ? stdin : fopen(from, "r");
	bool ok = in != NULL && fgets(out, (int)size, in) != NULL;

	if (in != NULL && in != stdin)
		fclose(in);
	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok;
}

static int
run_enrol(int argc, char **argv)
{
	static const char *const names[] = {
	    "--auth", "--code", "--code-file", "--state", "--ca"};
	const char *values[5] = {0};
	char code[200], url[600];
	struct fault f = {0};
	size_t len;

	for (int i = 2; i < argc; i++) {
		size_t n;

		for (n = 0; n < 5; n++) {
			const char *value = option(names[n], argc, argv, &i);

			if (value != NULL) {
				values[n] = value;
				break;
			}
		}
		if (n == 5) {
			fprintf(stderr,
			    "assay-provider: enrol does not know %s\n",
			    argv[i]);
			return 2;
		}
	}
	if (values[2] != NULL && read_code(values[2], code, sizeof code))
		values[1] = code;
	if (values[0] == NULL || values[1] == NULL || values[3] == NULL) {
		fputs("assay-provider: enrol needs --auth URL, --code CODE "
		      "(or --code-file FILE) and --state DIR\n",
		    stderr);
		return 2;
	}
	snprintf(url, sizeof url, "%s", values[0]);
	for (len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	if (!enrol(url, values[4], values[1], values[3], &f)) {
		fprintf(stderr, "assay-provider: %s: %s\n", fault_code(f.kind),
		    f.why);
		return 1;
	}
	printf("enrolled; the identity is in %s\n", values[3]);
	return 0;
}

/* Takes --json out of the arguments, which settings_load would refuse. */
static bool
take_json(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], "--json") == 0) {
			memmove(argv + i, argv + i + 1,
			    (size_t)(*argc - i) * sizeof *argv);
			(*argc)--;
			return true;
		}
	return false;
}

static int
run_command(const char *command, int argc, char **argv)
{
	bool json = strcmp(command, "status") == 0 && take_json(&argc, argv);
	struct provider_settings s;
	struct arena *a = arena_new();
	struct fault f = {0};
	struct log log;
	int status = 2;

	if (!settings_load(provider_settings_table, provider_settings_count,
		"assay-provider", argc, argv, &s, a, &f))
		fprintf(stderr, "assay-provider: %s\n", f.why);
	else {
		log_init(&log, "assay-provider",
		    strcmp(command, "doctor") == 0 ? LOG_ERROR_ : s.log_level);
		if (strcmp(command, "run") == 0)
			status = daemon_run(&s, &log);
		else if (strcmp(command, "doctor") == 0)
			status = doctor_run(&s, &log);
		else
			status = status_run(&s, json);
	}
	arena_free(&a);
	return status;
}

int
main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "--help";

	if (strcmp(command, "enrol") == 0 && argc > 2)
		return run_enrol(argc, argv);
	if (strcmp(command, "run") == 0 || strcmp(command, "status") == 0 ||
	    strcmp(command, "doctor") == 0) {
		if (argc > 2 && (strcmp(argv[2], "--help") == 0 ||
				    strcmp(argv[2], "-h") == 0)) {
			print_usage();
			return 0;
		}
		argv[1] = argv[0];
		return run_command(command, argc - 1, argv + 1);
	}
	if (strcmp(command, "--settings-markdown") == 0 ||
	    strcmp(command, "--settings-example") == 0 ||
	    strcmp(command, "--version") == 0) {
		settings_answered(provider_settings_table,
		    provider_settings_count, "assay-provider", SUMMARY, argc,
		    argv);
		return 0;
	}
	print_usage();
	return strcmp(command, "--help") == 0 && argc > 1 ? 0 : 2;
}
