/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of checks. Long values are shortened in the middle where they are
 * as wanted, and stand whole where they are not: that is the row to read.
 */
#include "client/verdict_print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_MAX = 600, SHORT_MAX = 36, SHORT_HEAD = 22, SHORT_TAIL = 10 };
enum { CHECK, RESULT, SOURCE, SEEN, WANTED, COLUMNS };

#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct row {
	char cell[COLUMNS][CELL_MAX];
};

bool
verdict_wants_colour(FILE *out)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && (none == NULL || *none == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static void
put(char cell[CELL_MAX], const char *s, bool whole)
{
	size_t len;

	if (s == NULL)
		s = "-";
	text_escape(text_of(s), cell, CELL_MAX);
	len = strlen(cell);
	if (whole || len <= SHORT_MAX)
		return;
	memcpy(cell + SHORT_HEAD, "...", 3);
	memmove(cell + SHORT_HEAD + 3, cell + len - SHORT_TAIL, SHORT_TAIL + 1);
}

static void
fill(struct row *r, const struct claim *c)
{
	bool whole = c->result != CLAIM_ASSERTED;
	char name[CELL_MAX];

	snprintf(name, sizeof name, "%s%s%s",
	    c->subject != NULL ? c->subject : "", c->subject != NULL ? " " : "",
	    c->check.name);
	put(r->cell[CHECK], name, true);
	put(r->cell[RESULT], claim_result_name(c->result), true);
	put(r->cell[SOURCE], claim_source_name(c->check.source), true);
	put(r->cell[SEEN], c->check.seen, whole);
	put(r->cell[WANTED], c->check.wanted, whole);
}

static const char *
paint(enum claim_result r)
{
	switch (r) {
	case CLAIM_ASSERTED:
		return GREEN;
	case CLAIM_REFUTED:
		return RED;
	case CLAIM_UNKNOWN:
		break;
	}
	return YELLOW;
}

static void
print_row(FILE *out, const struct row *r, const int widths[COLUMNS],
    const char *colour)
{
	for (int i = 0; i < COLUMNS; i++) {
		if (i == RESULT && colour != NULL)
			fputs(colour, out);
		fprintf(
		    out, "%-*s", i + 1 < COLUMNS ? widths[i] : 0, r->cell[i]);
		if (i == RESULT && colour != NULL)
			fputs(PLAIN, out);
		fputs(i + 1 < COLUMNS ? "  " : "\n", out);
	}
}

static void
print_table(FILE *out, const struct verdict *v, bool colour)
{
	static const char *const heads[COLUMNS] = {
	    "check", "result", "source", "seen", "wanted"};
	int widths[COLUMNS] = {0};
	struct row r = {0};

	for (int i = 0; i < COLUMNS; i++)
		put(r.cell[i], heads[i], true);
	for (size_t k = 0; k <= v->count; k++) {
		if (k > 0)
			fill(&r, &v->claims[k - 1]);
		for (int i = 0; i < COLUMNS; i++) {
			int n = (int)strlen(r.cell[i]);

			/* A long value that stands whole does not widen the
			 * rest. */
			if (i >= SEEN && n > SHORT_MAX)
				n = SHORT_MAX;
			widths[i] = n > widths[i] ? n : widths[i];
		}
	}
	for (int i = 0; i < COLUMNS; i++)
		put(r.cell[i], heads[i], true);
	print_row(out, &r, widths, NULL);
	for (size_t k = 0; k < v->count; k++) {
		fill(&r, &v->claims[k]);
		print_row(out, &r, widths,
		    colour ? paint(v->claims[k].result) : NULL);
	}
}

static void
print_conclusion(
    FILE *out, const char *title, const struct verdict *v, bool colour)
{
	const char *tone = v->outcome == VERDICT_VERIFIED ? GREEN
			   : v->outcome == VERDICT_FAILED ? RED
							  : YELLOW;
	char when[RFC3339_TEXT];

	fprintf(out, "%s: %s%s%s (%s)\n", title, colour ? tone : "",
	    verdict_outcome_name(v->outcome), colour ? PLAIN : "",
	    verdict_code_name(v->code));
	if (v->why != NULL)
		fprintf(out, "  why:      %s\n", v->why);
	time_to_rfc3339(v->judged_at, when);
	fprintf(out, "  judged:   as of %s\n", when);
	if (v->outcome == VERDICT_VERIFIED && v->renew_by != VERDICT_FOREVER) {
		time_to_rfc3339(v->renew_by, when);
		fprintf(out, "  renew by: %s\n", when);
	}
	if (v->status != NULL)
		fprintf(out, "  TCB:      %s", v->status);
	for (size_t i = 0; i < v->advisory_count; i++) {
		char advisory[80];

		text_escape(
		    text_of(v->advisories[i]), advisory, sizeof advisory);
		fprintf(out, "%s%s", i == 0 ? ", " : " ", advisory);
	}
	if (v->status != NULL)
		fputc('\n', out);
	if (v->test_root)
		fputs("  a test root stood in for a maker's\n", out);
}

void
verdict_print(
    FILE *out, const char *title, const struct verdict *v, bool colour)
{
	if (v->count > 0) {
		print_table(out, v, colour);
		fputc('\n', out);
	}
	print_conclusion(out, title, v, colour);
}

int
verdict_status(enum verdict_outcome o)
{
	switch (o) {
	case VERDICT_VERIFIED:
		return 0;
	case VERDICT_FAILED:
		return 1;
	case VERDICT_ERROR:
		break;
	}
	return 3;
}

enum verdict_outcome
verdict_worse(enum verdict_outcome a, enum verdict_outcome b)
{
	if (a == VERDICT_FAILED || b == VERDICT_FAILED)
		return VERDICT_FAILED;
	return a == VERDICT_ERROR ? a : b;
}
