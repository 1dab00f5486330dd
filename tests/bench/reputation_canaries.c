/* SPDX-License-Identifier: Apache-2.0 */
/* See reputation_canaries.h. A workspace has one provider here. */
#include "tests/bench/reputation_canaries.h"

#include <stdio.h>
#include <string.h>

struct name {
	char text[24];
};

static void
set_answer(enum kept_answer says, struct canary_answer *out)
{
	static const char *const tokens[] = {"", "true", "lie"};
	struct canary_position *p = &out->at[0];

	out->count = 1;
	p->count = 2;
	snprintf(p->token, sizeof(p->token), "%s", tokens[says]);
	p->top[0].probability = 0.9;
	snprintf(p->top[0].token, sizeof(p->top[0].token), "%s", tokens[says]);
	p->top[1].probability = 0.1;
	snprintf(
	    p->top[1].token, sizeof(p->top[1].token), "not %s", tokens[says]);
}

void
canary_market_renew(struct canary_market *m, int now)
{
	for (int p = 0; p < PROMPTS; p++) {
		int moment = p * PROMPT_HOURS / PROMPTS;

		if (now % PROMPT_HOURS != moment || now == m->stands_since[p])
			continue;
		m->stands_since[p] = now;
		for (size_t i = 0; i < SHARERS_MAX; i++)
			m->own[i][p] = m->voice[i][p] = NO_ANSWER;
	}
}

static void
add_known(struct canary_known *k, struct name *name, size_t who, bool has_tier,
    enum kept_answer says)
{
	snprintf(name->text, sizeof(name->text), "%zu", who);
	k->did = k->workspace = name->text;
	k->has_tier = has_tier;
	set_answer(says, &k->answer);
}

static enum canary_verdict
judge(const struct canary_market *m, size_t who, size_t prompt,
    enum kept_answer says, const bool has_tier[], size_t sharers)
{
	struct canary_known known[SHARERS_MAX + 1];
	struct name names[SHARERS_MAX + 1], own;
	struct canary_answer x;
	size_t count = 0;

	snprintf(own.text, sizeof(own.text), "%zu", who);
	set_answer(says, &x);
	if (m->own[who][prompt] != NO_ANSWER) {
		add_known(
		    &known[0], &names[0], who, false, m->own[who][prompt]);
		count++;
	}
	for (size_t i = 0; i < sharers; i++) {
		if (i == who || m->voice[i][prompt] == NO_ANSWER)
			continue;
		add_known(&known[count], &names[count], i, has_tier[i],
		    m->voice[i][prompt]);
		count++;
	}
	return canary_judge(&x, own.text, own.text, known, count).verdict;
}

enum canary_verdict
canary_market_ask(struct canary_market *m, size_t who, size_t prompt,
    bool would_lie, const bool has_tier[], size_t sharers)
{
	bool lies = would_lie && m->own[who][prompt] != TRUE_ANSWER;
	enum kept_answer says = lies ? LIE : TRUE_ANSWER;
	enum canary_verdict verdict =
	    judge(m, who, prompt, says, has_tier, sharers);

	m->voice[who][prompt] = says;
	if (verdict != CANARY_DISAGREES && m->own[who][prompt] == NO_ANSWER)
		m->own[who][prompt] = says;
	return verdict;
}
