/* SPDX-License-Identifier: Apache-2.0 */
/* See scorer.h. Rows come sorted by pair, the state of a pair first. */
#include "reputation/worker/scorer.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "reputation/rater.h"

enum { DID, TASK, CANONICAL, KIND, FIRST, STATE_AUDIT = FIRST + 4 };
enum { KIND_STATE, KIND_OUTCOMES, KIND_VERDICTS, KIND_AUDITS };

struct change {
	size_t place;
	enum standing was;
	enum standing now;
	enum tier_reason reason;
};

struct batch {
	const struct scorer_moment *moment;
	struct arena *arena;
	size_t pairs;
	const char **columns[10];
	size_t changes;
	const char **changed[4];
};

/* One pair as its rows tell it. */
struct pair {
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

static struct evidence
two(const struct pg_rows *rows, int row, int column)
{
	return (struct evidence){
	    pg_f64(rows, row, column), pg_f64(rows, row, column + 1)};
}

static void
read_state(struct pair *p, const struct pg_rows *rows, int row)
{
	p->tier.tier = standing_of(pg_text(rows, row, FIRST));
	p->tier.days[STANDING_SILVER] = (int)pg_i64(rows, row, FIRST + 1);
	p->tier.days[STANDING_GOLD] = (int)pg_i64(rows, row, FIRST + 2);
	p->tier.has_closed = !pg_is_null(rows, row, FIRST + 3);
	p->tier.closed = pg_i64(rows, row, FIRST + 3);
	p->audit_failed = strcmp(pg_text(rows, row, STATE_AUDIT), "true") == 0;
}

static void
read_row(struct pair *p, const struct pg_rows *rows, int row)
{
	struct voice *v;

	switch (pg_i64(rows, row, KIND)) {
	case KIND_STATE:
		read_state(p, rows, row);
		break;
	case KIND_OUTCOMES:
		p->delivery[p->buckets] = two(rows, row, FIRST);
		p->speed[p->buckets++] = two(rows, row, FIRST + 2);
		break;
	case KIND_VERDICTS:
		v = &p->voices[p->raters++];
		v->verdicts = two(rows, row, FIRST);
		v->weight = pg_is_null(rows, row, FIRST + 2)
				? rater_variety(0, 0)
				: pg_f64(rows, row, FIRST + 2);
		break;
	case KIND_AUDITS:
		p->audit = two(rows, row, FIRST);
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------- judging */

static void
add_change(struct batch *b, enum standing was, enum standing now,
    enum tier_reason reason)
{
	size_t i = b->changes;

	if (reason == TIER_SAME)
		return;
	b->changes++;
	b->changed[0][i] = pg_int(b->arena, (int64_t)b->pairs + 1);
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
		add_change(b, was, p->tier.tier, reason);
		was = p->tier.tier;
	}
	reason = tier_run(&p->tier, score, p->audit_failed);
	add_change(b, was, p->tier.tier, reason);
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
judge_pair(struct batch *b, struct pair *p, const char *const names[3])
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
	for (int k = 0; k < 3; k++)
		b->columns[k][i] = arena_string(b->arena, names[k]);
	b->columns[3][i] = standing_name(p->tier.tier);
	b->columns[4][i] = s.has_data ? number(b->arena, s.value) : NULL;
	b->columns[5][i] = number(b->arena, s.samples);
	b->columns[6][i] = scorer_parts(&s, &p->tier, b->arena);
	b->columns[7][i] = pg_int(b->arena, p->tier.days[STANDING_SILVER]);
	b->columns[8][i] = pg_int(b->arena, p->tier.days[STANDING_GOLD]);
	b->columns[9][i] =
	    p->tier.has_closed ? pg_int(b->arena, p->tier.closed) : NULL;
	b->pairs++;
}

static bool
is_same_pair(const struct pg_rows *rows, int i, int k)
{
	for (int column = DID; column <= CANONICAL; column++)
		if (strcmp(pg_text(rows, i, column), pg_text(rows, k, column)))
			return false;
	return true;
}

/* The rows of the pair that begins at `from`; returns where the next does. */
static int
judge_rows(struct batch *b, const struct pg_rows *rows, int from)
{
	const char *names[3] = {pg_text(rows, from, DID),
	    pg_text(rows, from, TASK), pg_text(rows, from, CANONICAL)};
	struct pair p = {0};
	int to = from;
	size_t most;

	while (to < pg_count(rows) && is_same_pair(rows, from, to))
		to++;
	most = (size_t)(to - from);
	p.delivery = mem_array(most, sizeof(*p.delivery));
	p.speed = mem_array(most, sizeof(*p.speed));
	p.voices = mem_array(most, sizeof(*p.voices));
	for (int i = from; i < to; i++)
		read_row(&p, rows, i);
	judge_pair(b, &p, names);
	mem_free(p.delivery);
	mem_free(p.speed);
	mem_free(p.voices);
	return to;
}

size_t
scorer_judge(const struct pg_rows *rows, const struct scorer_moment *m,
    struct arena *a, const char *params[SCORER_PARAMS])
{
	size_t most = (size_t)pg_count(rows) + 1;
	struct batch b = {.moment = m, .arena = a};
	int at = 0;

	for (size_t i = 0; i < 10; i++)
		b.columns[i] = mem_array(most, sizeof(char *));
	for (size_t i = 0; i < 4; i++)
		b.changed[i] = mem_array(2 * most, sizeof(char *));
	while (at < pg_count(rows))
		at = judge_rows(&b, rows, at);
	for (size_t i = 0; i < 10; i++) {
		params[i] = pg_array(a, b.columns[i], b.pairs);
		mem_free(b.columns[i]);
	}
	params[10] = m->is_closing ? scorer_day(m->day, a) : NULL;
	params[11] = m->is_excused ? "t" : "f";
	params[12] = pg_int(a, m->now_ms);
	for (size_t i = 0; i < 4; i++) {
		params[13 + i] = pg_array(a, b.changed[i], b.changes);
		mem_free(b.changed[i]);
	}
	return b.pairs;
}
