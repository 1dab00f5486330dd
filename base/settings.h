/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: one const table per program, alphabetical by name, from which
 * the values, --help, the manual's table and the example file all come. A
 * value is taken from, in rising order of precedence: the default in the
 * table; the file named by --config or PREFIX_CONFIG; the environment; the
 * command line. For program "assay-gateway" the setting "tunnel.listen" is
 *
 *	tunnel.listen = 0.0.0.0:7443            in the file
 *	ASSAY_GATEWAY_TUNNEL_LISTEN=...         in the environment
 *	--tunnel.listen=...                     on the command line
 *
 * The filled struct is const from then on and handed down by pointer.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

enum setting_type {
	SETTING_IS_STRING,  /* const char * */
	SETTING_IS_PATH,    /* const char * */
	SETTING_IS_ADDRESS, /* const char *: host:port, [v6]:port, unix:/path */
	SETTING_IS_LIST,    /* struct setting_list: comma separated */
	SETTING_IS_INT,	    /* int64_t, min..max */
	SETTING_IS_BOOL,    /* bool: true or false */
	SETTING_IS_DURATION, /* int64_t milliseconds: 250ms 10s 5m 12h 7d */
	SETTING_IS_SIZE,     /* size_t bytes: 512 64KiB 1MiB 2GiB */
	SETTING_IS_LEVEL     /* enum log_level: debug info warn error */
};

struct setting_list {
	const char *const *at;
	size_t count;
};

/* One row. A default of "" means: not set (NULL, or an empty list); only the
 * first four types have that, and an empty value given later un-sets them. */
struct setting {
	const char *name; /* a-z 0-9 _ and dots between */
	enum setting_type type;
	size_t offset; /* of the field in the program's struct */
	int64_t min;   /* of an int */
	int64_t max;
	const char *otherwise; /* the default, as text */
	const char *what;      /* one sentence, for the manual */
};

/* A row of the table; s is the struct, f its field, whose C type is checked
 * at compile time:
 *
 *	SETTING_ADDRESS("tunnel.listen", struct gateway_settings,
 *	    tunnel_listen, "0.0.0.0:7443", "Where daemons dial in."),
 */
#define SETTING_PLACE_(s, f, type)                                             \
	(offsetof(s, f) + 0 * sizeof(1 ? &((s *)0)->f : (type *)0))
#define SETTING_STRING(name, s, f, otherwise, what)                            \
	{                                                                      \
		name, SETTING_IS_STRING, SETTING_PLACE_(s, f, const char *),   \
		    0, 0, otherwise, what                                      \
	}
#define SETTING_PATH(name, s, f, otherwise, what)                              \
	{                                                                      \
		name, SETTING_IS_PATH, SETTING_PLACE_(s, f, const char *), 0,  \
		    0, otherwise, what                                         \
	}
#define SETTING_ADDRESS(name, s, f, otherwise, what)                           \
	{                                                                      \
		name, SETTING_IS_ADDRESS, SETTING_PLACE_(s, f, const char *),  \
		    0, 0, otherwise, what                                      \
	}
#define SETTING_LIST(name, s, f, otherwise, what)                              \
	{                                                                      \
		name, SETTING_IS_LIST,                                         \
		    SETTING_PLACE_(s, f, struct setting_list), 0, 0,           \
		    otherwise, what                                            \
	}
#define SETTING_INT(name, s, f, min, max, otherwise, what)                     \
	{                                                                      \
		name, SETTING_IS_INT, SETTING_PLACE_(s, f, int64_t), min, max, \
		    otherwise, what                                            \
	}
#define SETTING_BOOL(name, s, f, otherwise, what)                              \
	{                                                                      \
		name, SETTING_IS_BOOL, SETTING_PLACE_(s, f, bool), 0, 0,       \
		    otherwise, what                                            \
	}
#define SETTING_DURATION(name, s, f, otherwise, what)                          \
	{                                                                      \
		name, SETTING_IS_DURATION, SETTING_PLACE_(s, f, int64_t), 0,   \
		    0, otherwise, what                                         \
	}
#define SETTING_SIZE(name, s, f, otherwise, what)                              \
	{                                                                      \
		name, SETTING_IS_SIZE, SETTING_PLACE_(s, f, size_t), 0, 0,     \
		    otherwise, what                                            \
	}

#define SETTING_LEVEL(name, s, f, otherwise, what)                             \
	{                                                                      \
		name, SETTING_IS_LEVEL, SETTING_PLACE_(s, f, enum log_level),  \
		    0, 0, otherwise, what                                      \
	}

/* Fills the struct at `out`; its strings live in the arena. Fails
 * INVALID_OPTION and names where: "gateway.conf:12: …", "ASSAY_…: …",
 * "--tunnel.listen: …". An unknown or repeated name, a bad value, a line that
 * is no `name = value` and an argument that is no --name=value (or --name
 * value) are all faults; environment names that are no setting are not.
 * Aborts on a table that is not alphabetical or has a bad default. */
bool settings_load(const struct setting *table, size_t count,
    const char *program, int argc, char *const *argv, void *out,
    struct arena *a, struct fault *f);

/* Does what --help, --version, --settings-markdown and --settings-example
 * ask for, on standard output, and returns true: the program has nothing
 * more to do. `summary` is one sentence about the program. */
bool settings_answered(const struct setting *table, size_t count,
    const char *program, const char *summary, int argc, char *const *argv);

void settings_print_help(FILE *to, const struct setting *table, size_t count,
    const char *program, const char *summary);
/* A table for docs/: name, type, default, meaning. */
void settings_print_markdown(
    FILE *to, const struct setting *table, size_t count);
/* A file that, loaded as it is, gives the defaults. */
void settings_print_example(
    FILE *to, const struct setting *table, size_t count, const char *program);

#endif
