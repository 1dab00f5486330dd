/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/trial: any JSON as a buyer's {"report", "policy"?}. What is judged
 * has a verdict in JSON, and nothing that is made up here is verified; what is
 * refused is the buyer's mistake, said in words.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
judge(struct trial *t, struct arena *a, const struct verification_means *m,
    const json_t *report)
{
	json_t *verdict = NULL, *into = json_object();
	const json_t *evidence = json_object_get(report, "evidence");
	struct fault f;

	if (!json_read(text_of(trial_judge(t)), 4 << 20, &verdict, &f))
		abort();
	if (strcmp(json_string_value(json_object_get(verdict, "outcome")),
		"verified") == 0)
		abort();
	trial_collateral(m, evidence != NULL ? evidence : report, a, into);
	if (json_object_size(into) != 0)
		abort(); /* nothing is at hand */
	json_free(&verdict);
	json_free(&into);
}

static struct collaterals *
nothing_at_hand(void)
{
	static const struct collaterals_settings settings = {.folder = NULL};
	static struct collaterals *c;
	static struct log log;

	if (c == NULL) {
		log_init(&log, "fuzz", LOG_ERROR_ + 1);
		c = collaterals_new(
		    loop_new(), NULL, NULL, &settings, NULL, NULL, &log);
	}
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct verification_means means = {
	    NULL, anchors_pinned(), nothing_at_hand()};
	const json_t *report, *policy;
	struct arena *a = arena_new();
	struct trial *trial;
	struct fault f = {0};
	json_t *j = NULL;

	if (json_read((struct text){(const char *)at, len}, 1 << 20, &j, &f) &&
	    json_get_object(j, "report", &report, FAULT_INVALID_REQUEST, &f) &&
	    json_get_object_or(
		j, "policy", &policy, FAULT_INVALID_REQUEST, &f)) {
		if (trial_prepare(&means, report, policy, a, &trial, &f))
			judge(trial, a, &means, report);
		else if (f.kind != FAULT_INVALID_REQUEST &&
			 f.kind != FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE)
			abort();
	}
	json_free(&j);
	arena_free(&a);
	return 0;
}
