/* SPDX-License-Identifier: Apache-2.0 */
/* See scorer.h. A row is a pair; evidence in it is a text of whole numbers. */
#include "reputation/worker/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "reputation/rater.h"

/* The columns of EVIDENCE in reputation_db.c. */
enum {
	PAIR,
	ASKED, /* the rows of score_due that a score answers */
	TIER,
	SILVER_DAYS,
	GOLD_DAYS,
	CLOSED,
	AUDIT_FAILED,
	WEIGHT,	  /* of one event of the day */
	OUTCOMES, /* delivered, failed, fast, slow of each bucket */
	VERDICTS, /* good, bad, in hundredths, and the rater's weight or -1 */
	AUDITS	  /* good, bad */
};

/* What is written of each pair. */
enum { COLUMNS = 9, CHANGED = 4 };

struct batch {
	const struct scorer_moment *moment;
	struct arena *arena;
	size_t pairs;
	const char **columns[COLUMNS];
	size_t changes;
	const char **changed[CHANGED];
};

/* One pair as its row tells it. */
struct pair {
	const char *id;
	const char *asked;
	struct tier_state tier;
	bool audit_failed;
	size_t buckets;
	struct evidence *delivery;
	struct evidence *speed;
	size_t raters;
	struct voice *voices;
	struct evidence audit;
};

char *
scorer_day(int64_t day, struct arena *a)
{
	char text[RFC3339_TEXT];

	time_to_rfc3339(day * DAY_MS, text);
	return arena_copy(a, text, 10);
}

static enum standing
standing_of(const char *name)
{
	for (int i = 0; i < STANDINGS; i++)
		if (strcmp(name, standing_name((enum standing)i)) == 0)
			return (enum standing)i;
	return STANDING_BRONZE;
}

/* ---------------------------------------------------------------- reading */

/* A whole number of any size, deterministically: from the first 18 digits and
 * the count of those that follow. Its end is in *at. */
static double
whole(const char **at)
{
	double sign = **at == '-' ? -1 : 1, value;
	uint64_t digits = 0;
	int more = 0, kept = 0;

	if (**at == '-')
		++*at;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		if (kept < 18) {
			digits = digits * 10 + (uint64_t)(**at - '0');
			kept += digits > 0;
		} else {
			more++;
		}
	}
	value = (double)digits;
	return sign * (more > 0 ? value * pow(10, more) : value);
}

/* Steps over one number of a text; zero where there is none left. */
static double
next_number(const char **text)
{
	const char *at = *text;
	char *end;
	double out;

	if (at == NULL || *at == '\0')
		return 0;
	out = whole(&at);
	if (*at != ' ' && *at != '\0') { /* not whole: what a rater weighs */
		out = strtod(*text, &end);
		at = end;
	}
	*text = *at == ' ' ? at + 1 : NULL;
	return out;
}

static struct evidence
two(const char **text, double unit)
{
	double good = next_number(text) / unit;

	return (struct evidence){good, next_number(text) / unit};
}

/* How many runs of so many numbers there are. */
static size_t
count_runs(const char *text, size_t numbers)
{
	size_t count = text != NULL;

	for (; text != NULL && *text != '\0'; text++)
		count += *text == ' ';
	return count / numbers;
}

static void
read_outcomes(struct pair *p, const char *text, double unit)
{
	p->buckets = count_runs(text, 4);
	p->delivery = mem_array(p->buckets + 1, sizeof(*p->delivery));
	p->speed = mem_array(p->buckets + 1, sizeof(*p->speed));
	for (size_t i = 0; i < p->buckets; i++) {
		p->delivery[i] = two(&text, unit);
		p->speed[i] = two(&text, unit);
	}
}

static void
read_verdicts(struct pair *p, const char *text, double unit)
{
	p->raters = count_runs(text, 3);
	p->voices = mem_array(p->raters + 1, sizeof(*p->voices));
	for (size_t i = 0; i < p->raters; i++) {
		struct voice *v = &p->voices[i];

		v->verdicts = two(&text, 100 * unit);
		v->weight = next_number(&text);
		if (v->weight < 0)
			v->weight = rater_variety(0, 0);
	}
}

static void
read_pair(struct pair *p, const struct pg_rows *rows, int row)
{
	const char *weight = pg_text(rows, row, WEIGHT);
	const char *audits = pg_text(rows, row, AUDITS);
	double unit = next_number(&weight);

	p->id = pg_text(rows, row, PAIR);
	p->asked = pg_text(rows, row, ASKED);
	p->tier.tier = standing_of(pg_text(rows, row, TIER));
	p->tier.days[STANDING_SILVER] = (int)pg_i64(rows, row, SILVER_DAYS);
	p->tier.days[STANDING_GOLD] = (int)pg_i64(rows, row, GOLD_DAYS);
	p->tier.has_closed = !pg_is_null(rows, row, CLOSED);
	p->tier.closed = pg_i64(rows, row, CLOSED);
	p->audit_failed = pg_bool(rows, row, AUDIT_FAILED);
	read_outcomes(p, pg_text(rows, row, OUTCOMES), unit);
	read_verdicts(p, pg_text(rows, row, VERDICTS), unit);
	p->audit = two(&audits, unit);
}

/* ---------------------------------------------------------------- judging */

static void
add_change(struct batch *b, const char *pair, enum standing was,
    enum standing now, enum tier_reason reason)
{
	size_t i = b->changes;

	if (reason == TIER_SAME)
		return;
	b->changes++;
	b->changed[0][i] = arena_string(b->arena, pair);
	b->changed[1][i] = standing_name(was);
	b->changed[2][i] = standing_name(now);
	b->changed[3][i] = tier_reason_name(reason);
}

static void
judge_tier(struct batch *b, struct pair *p, const struct score *s)
{
	double score = s->has_data ? s->value : -1;
	enum standing was = p->tier.tier;
	enum tier_reason reason;

	if (b->moment->is_closing) {
		/* A day on which an audit failed closes below every line. */
		reason = tier_close(&p->tier, b->moment->day,
		    p->audit_failed ? -1 : score, b->moment->is_excused);
		add_change(b, p->id, was, p->tier.tier, reason);
		was = p->tier.tier;
	}
	reason =
	    tier_run(&p->tier, s->has_data ? s->kept : -1, p->audit_failed);
	add_change(b, p->id, was, p->tier.tier, reason);
}

char *
scorer_parts(const struct score *s, const struct tier_state *t, struct arena *a)
{
	json_t *j = json_object();
	enum standing next;
	int days;
	char *out;

	for (int i = 0; i < STREAMS; i++) {
		if (!s->parts[i].has_data)
			continue;
		json_object_set_new(j, stream_name((enum stream)i),
		    json_pack("{s:f, s:f, s:f, s:f}", "value",
			s->parts[i].value, "weight",
			stream_weight((enum stream)i), "good",
			s->parts[i].evidence.good, "bad",
			s->parts[i].evidence.bad));
	}
	json_object_set_new(
	    j, "held_by_quality", json_boolean(s->is_held_by_quality));
	if (tier_missing(t, &next, &days))
		json_object_set_new(j, "next",
		    json_pack("{s:s, s:f, s:i, s:i}", "tier",
			standing_name(next), "line", standing_line(next),
			"days_in_a_row", t->days[next], "days_missing", days));
	out = json_write(a, j);
	json_free(&j);
	return out;
}

static char *
number(struct arena *a, double x)
{
	return arena_printf(a, "%.17g", x);
}

static void
judge_pair(struct batch *b, struct pair *p)
{
	struct evidence streams[STREAMS] = {
	    [STREAM_DELIVERY] = score_shares(p->delivery, p->buckets),
	    [STREAM_QUALITY] = score_voices(p->voices, p->raters),
	    [STREAM_SPEED] = score_shares(p->speed, p->buckets),
	    [STREAM_AUDIT] = p->audit,
	};
	size_t i = b->pairs;
	struct score s;

	score_make(streams, &s);
	judge_tier(b, p, &s);
	b->columns[0][i] = arena_string(b->arena, p->id);
	b->columns[1][i] = standing_name(p->tier.tier);
	b->columns[2][i] = s.has_data ? number(b->arena, s.value) : NULL;
	b->columns[3][i] = number(b->arena, s.samples);
	b->columns[4][i] = scorer_parts(&s, &p->tier, b->arena);
	b->columns[5][i] = pg_int(b->arena, p->tier.days[STANDING_SILVER]);
	b->columns[6][i] = pg_int(b->arena, p->tier.days[STANDING_GOLD]);
	b->columns[7][i] =
	    p->tier.has_closed ? pg_int(b->arena, p->tier.closed) : NULL;
	b->columns[8][i] = arena_string(b->arena, p->asked);
	b->pairs++;
}

static void
judge_row(struct batch *b, const struct pg_rows *rows, int row)
{
	struct pair p = {0};

	read_pair(&p, rows, row);
	judge_pair(b, &p);
	mem_free(p.delivery);
	mem_free(p.speed);
	mem_free(p.voices);
}

int64_t
scorer_last(const struct pg_rows *rows)
{
	int count = pg_count(rows);

	return count > 0 ? pg_i64(rows, count - 1, PAIR) : 0;
}

size_t
scorer_judge(const struct pg_rows *rows, const struct scorer_moment *m,
    struct arena *a, const char *params[SCORER_PARAMS])
{
	size_t most = (size_t)pg_count(rows) + 1;
	struct batch b = {.moment = m, .arena = a};

	for (size_t i = 0; i < COLUMNS; i++)
		b.columns[i] = mem_array(most, sizeof(char *));
	for (size_t i = 0; i < CHANGED; i++)
		b.changed[i] = mem_array(2 * most, sizeof(char *));
	for (int i = 0; i < pg_count(rows); i++)
		judge_row(&b, rows, i);
	for (size_t i = 0; i < COLUMNS; i++) {
		*params++ = pg_array(a, b.columns[i], b.pairs);
		mem_free(b.columns[i]);
	}
	*params++ = m->is_closing ? scorer_day(m->day, a) : NULL;
	*params++ = m->is_excused ? "t" : "f";
	*params++ = pg_int(a, m->now_ms);
	for (size_t i = 0; i < CHANGED; i++) {
		*params++ = pg_array(a, b.changed[i], b.changes);
		mem_free(b.changed[i]);
	}
	return b.pairs;
}
