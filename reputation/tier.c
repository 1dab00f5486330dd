/* SPDX-License-Identifier: Apache-2.0 */
/* See tier.h. The table of lines is the rule. */
#include "reputation/tier.h"

static const struct {
	const char *name;
	double line;
	int days;
} rule[STANDINGS] = {
    [STANDING_BRONZE] = {"bronze", 0, 0},
    [STANDING_SILVER] = {"silver", 70, 7},
    [STANDING_GOLD] = {"gold", 85, 14},
};

static const char *const reasons[TIER_REASONS] = {
    [TIER_SAME] = "same",
    [TIER_RUN_COMPLETE] = "run_complete",
    [TIER_SCORE_FELL] = "score_fell",
    [TIER_AUDIT_FAILED] = "audit_failed",
    [TIER_NO_DATA] = "no_data",
};

const char *
standing_name(enum standing x)
{
	return rule[x].name;
}

double
standing_line(enum standing x)
{
	return rule[x].line;
}

int
standing_days(enum standing x)
{
	return rule[x].days;
}

const char *
tier_reason_name(enum tier_reason x)
{
	return reasons[x];
}

int64_t
tier_day(int64_t unix_ms)
{
	int64_t day = unix_ms / DAY_MS;

	return unix_ms % DAY_MS < 0 ? day - 1 : day;
}

static void
restart(struct tier_state *s, enum standing from)
{
	for (int i = (int)from; i < STANDINGS; i++)
		s->days[i] = 0;
}

enum tier_reason
tier_close(struct tier_state *s, int64_t day, double score, bool is_excused)
{
	enum tier_reason out = TIER_SAME;

	/* A clock that stepped back closes no day a second time. */
	if (s->has_closed && day <= s->closed)
		return TIER_SAME;
	if (s->has_closed && day > s->closed + 1)
		restart(s, STANDING_SILVER); /* days nobody closed */
	s->has_closed = true;
	s->closed = day;
	if (is_excused)
		return TIER_SAME;
	for (int i = STANDING_SILVER; i < STANDINGS; i++) {
		s->days[i] = score >= rule[i].line ? s->days[i] + 1 : 0;
		if (s->days[i] >= rule[i].days && s->tier < (enum standing)i) {
			s->tier = (enum standing)i;
			out = TIER_RUN_COMPLETE;
		}
	}
	return out;
}

static enum standing
held_at(enum standing tier, double score)
{
	while (
	    tier > STANDING_BRONZE && score < rule[tier].line - TIER_HYSTERESIS)
		tier--;
	return tier;
}

enum tier_reason
tier_run(struct tier_state *s, double score, bool audit_failed)
{
	enum standing held = held_at(s->tier, score);

	if (audit_failed) {
		held = s->tier;
		s->tier = STANDING_BRONZE;
		restart(s, STANDING_SILVER);
		return held == STANDING_BRONZE ? TIER_SAME : TIER_AUDIT_FAILED;
	}
	if (held == s->tier)
		return TIER_SAME;
	s->tier = held;
	restart(s, held + 1);
	return score < 0 ? TIER_NO_DATA : TIER_SCORE_FELL;
}

bool
tier_missing(const struct tier_state *s, enum standing *next, int *days)
{
	if (s->tier == STANDING_GOLD)
		return false;
	*next = s->tier + 1;
	*days = rule[*next].days - s->days[*next];
	return true;
}
