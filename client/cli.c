/* SPDX-License-Identifier: Apache-2.0 */
/* Options and the database, as every command needs them. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "client/command.h"

const char *
cli_option(const struct cli *c, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < c->given_count; i++)
		if (strcmp(c->given[i].name, name) == 0)
			value = c->given[i].value;
	return value;
}

bool
cli_require(
    const struct cli *c, const char *name, const char **out, struct fault *f)
{
	*out = cli_option(c, name);
	if (*out == NULL || **out == '\0')
		return fault_set(
		    f, FAULT_INVALID_OPTION, "--%s is needed", name);
	return true;
}

size_t
cli_options(const struct cli *c, const char *name, const char ***out)
{
	size_t n = 0;

	*out = arena_alloc(c->arena, (c->given_count + 1) * sizeof **out);
	for (size_t i = 0; i < c->given_count; i++)
		if (strcmp(c->given[i].name, name) == 0)
			(*out)[n++] = c->given[i].value;
	return n;
}

bool
cli_seconds(const char *text, long long *out, struct fault *f)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t len = strlen(text);
	uint64_t n;

	if (len > 1 && text_to_u64((struct text){text, len - 1}, &n) && n > 0 &&
	    n <= 100000)
		for (size_t i = 0; i < sizeof units / sizeof *units; i++)
			if (text[len - 1] == units[i].unit) {
				*out = (long long)n * units[i].seconds;
				return true;
			}
	return fault_set(f, FAULT_INVALID_OPTION,
	    "\"%s\" is not a time like 30m, 12h or 90d", text);
}

bool
cli_database(const struct cli *c, struct pg_session **out, struct fault *f)
{
	const struct passwd *who = getpwuid(getuid());
	const char *values[1];

	*out = NULL;
	if (c->database == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "which database? give --database postgres://... or set "
		    "ASSAY_DATABASE_URL");
	if (!pg_session_open(c->database, "assay", out, f))
		return false;
	values[0] = arena_printf(
	    c->arena, "assay:%s", who != NULL ? who->pw_name : "unknown");
	return pg_session_run(*out,
	    "SELECT set_config('assay.actor', $1, false), "
	    "set_config('timezone', 'UTC', false)",
	    1, values, NULL, f);
}

char *
cli_id(const struct cli *c)
{
	char *id = arena_alloc(c->arena, UUID_TEXT);
	uint8_t random[10];

	random_bytes(random, sizeof random);
	uuid_v7(clock_unix_ms(), random, id);
	return id;
}
