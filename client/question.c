/* SPDX-License-Identifier: Apache-2.0 */
/* See question.h. */
#include "client/question.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/verdict_print.h"

bool
question_time(const struct cli *c, int64_t *out, struct fault *f)
{
	const char *at = cli_option(c, "at");

	*out = clock_unix_ms();
	return at == NULL || time_of_rfc3339(text_of(at), out) ||
	       fault_set(f, FAULT_INVALID_OPTION,
		   "--at \"%.40s\" is not a time like 2026-01-31T12:00:00Z",
		   at);
}

/* A file's policy needs no database; the database is asked where it is named
 * on the command line or holds the policy. */
bool
question_policy(struct question *q, bool needed, struct fault *f)
{
	const char *file = cli_option(q->cli, "policy");
	bool named = cli_option(q->cli, "database") != NULL;

	if (file == NULL && !named && !needed)
		return true;
	if (file == NULL && q->cli->database == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "which policy? give --policy FILE, or --database for the "
		    "active one");
	if ((named || file == NULL) && !cli_database(q->cli, &q->database, f))
		return false;
	return file != NULL
		   ? policies_read(q->cli->arena, file, &q->policies, f)
		   : policies_load(q->cli->arena, q->database, &q->policies, f);
}

bool
question_file(const struct cli *c, const char *path, size_t max,
    struct bytes *out, struct fault *f)
{
	size_t len;
	char *at;

	if (!file_read(path, max, &at, &len, f))
		return false;
	*out = bytes_of(arena_copy(c->arena, at, len), len);
	mem_free(at);
	return true;
}

void
tell_node(const struct cli *c, const struct report_node *n, struct verdict *v,
    struct tally *o)
{
	json_t *j;

	if (n->left_out != NULL)
		verdict_unknown(v,
		    (struct check){"report.left_out", SOURCE_PROVIDER,
			CODE_UNSUPPORTED, n->left_out, "is not judged here"});
	o->worst = verdict_worse(o->worst, v->outcome);
	if (!c->json) {
		verdict_print(stdout, n->name, v, verdict_wants_colour(stdout));
		putchar('\n');
		return;
	}
	j = verdict_json(v);
	json_object_set_new(j, "node", json_string(n->name));
	if (n->signing_address != NULL)
		json_object_set_new(
		    j, "signing_address", json_string(n->signing_address));
	json_array_append_new(o->nodes, j);
}

static json_t *
policy_json(const struct policies *p)
{
	const struct policy *first = p->count > 0 ? p->at[0] : NULL;

	if (first == NULL)
		return json_null();
	return json_pack("{s:s, s:I, s:s*, s:s*}", "source", p->source,
	    "version", (json_int_t)first->version, "name", first->name,
	    "digest", first->digest);
}

static void
print_json(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2));

	puts(text);
	free(text);
	json_decref(j);
}

static json_t *
limits_json(const char *const *limits)
{
	json_t *list = json_array();

	for (; *limits != NULL; limits++)
		json_array_append_new(list, json_string(*limits));
	return list;
}

void
tell_end(
    const struct question *q, const struct tally *o, const char *const *limits)
{
	if (q->cli->json) {
		print_json(json_pack("{s:s, s:o, s:o, s:o}", "verdict",
		    verdict_outcome_name(o->worst), "policy",
		    policy_json(&q->policies), "nodes", o->nodes, "not_proven",
		    limits_json(limits)));
	} else {
		puts("This does not prove:");
		for (; *limits != NULL; limits++)
			printf("  - %s\n", *limits);
	}
	q->cli->status = verdict_status(o->worst);
}
