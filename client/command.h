/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command of the `assay` program: `assay NOUN VERB [arguments] [options]`.
 * Every command is one row of a table: its words, its arguments, its options,
 * one sentence of help, and the function that does it.
 */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/pg.h"

#define OPTION_VALUES_MAX 4096

struct option_rule {
	const char *name;  /* without the dashes */
	const char *value; /* what the value is called; NULL: a flag */
	const char *help;
};

/* What the command line said. Lives as long as the program. */
struct cli {
	struct arena *arena;
	bool json;		/* --json: for scripts */
	int status;		/* exit status; where a command fails, 0 is 1 */
	const char *database;	/* --database or ASSAY_DATABASE_URL */
	const char *url;	/* --url or ASSAY_URL */
	const char *key;	/* --key or ASSAY_API_KEY */
	const char *ca;		/* --ca or ASSAY_CA; NULL: the system's */
	const char **arguments; /* after noun and verb */
	size_t argument_count;
	struct {
		const char *name;
		const char *value;
	} * given; /* the command's own options, in order */
	size_t given_count;
};

struct command {
	const char *noun;
	const char *verb;      /* NULL: the noun stands alone */
	const char *arguments; /* "NAME [NAME…]"; "" for none */
	size_t arguments_min;
	size_t arguments_max;
	const struct option_rule *options; /* ended by a NULL name; or NULL */
	const char *help;
	bool (*run)(struct cli *c, struct fault *f);
};

/* Value of the last such option, or NULL; flags have the value "". */
const char *cli_option(const struct cli *c, const char *name);
/* Like cli_option, but absence is a fault that names the option. */
bool cli_require(
    const struct cli *c, const char *name, const char **out, struct fault *f);
/* All values of a repeatable option into an arena array. */
size_t cli_options(const struct cli *c, const char *name, const char ***out);
/* "90d", "12h", "30m", "10s" to seconds. */
bool cli_seconds(const char *text, long long *out, struct fault *f);

/* A fresh UUID version 7, in the arena. */
char *cli_id(const struct cli *c);
/* Opens the database as the audit trail's actor "assay:<user>". */
bool cli_database(
    const struct cli *c, struct pg_session **out, struct fault *f);

/* The groups of commands, each a table in its own file. */
extern const struct command migrate_commands[];
extern const struct command account_commands[];
extern const struct command device_commands[];
extern const struct command catalog_commands[];
extern const struct command request_commands[];
extern const struct command route_commands[];
extern const struct command verify_commands[];
extern const struct command exchange_commands[];
extern const struct command policy_commands[];

#endif
