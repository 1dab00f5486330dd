/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence judged: what a statement carries, against the active policy, with
 * the collateral at hand, bound to the tunnel it came through. Judging is a
 * few milliseconds at each hello, never on a request's way: what comes out is
 * a status, a reason and a moment until which it counts. No policy, no
 * collateral, no answer from Postgres: nobody is verified by that.
 */
#ifndef GATEWAY_VERIFICATION_H
#define GATEWAY_VERIFICATION_H

#include "base/log.h"
#include "gateway/collateral.h"
#include "gateway/proof.h"
#include "gateway/session.h"
#include "gateway/statement.h"

struct verifications_settings {
	const char *instance;	   /* names the worker in rows */
	struct counters *counters; /* NULL: nothing is counted */
#ifdef ASSAY_TEST_BUILD
	const char *test_root; /* PEM in the place of makers' roots, or NULL */
#endif
};
struct verifications;
/* on_change(arg): the policy or collateral changed, or rows are owed, so that
 * proofs may be due (below); nothing is judged by that. Fails where the
 * settings name what cannot be read. */
bool verifications_new(struct loop *l, struct pg *pg, struct fetch *fetch,
    const struct verifications_settings *s,
    const struct collaterals_settings *c, void (*on_change)(void *arg),
    void *arg, const struct log *log, struct verifications **out,
    struct fault *f);
void verifications_free(struct verifications **v);
/* Reads the active policy anew. */
void verifications_policy_changed(struct verifications *v);

/* A verdict made by another policy than the active one is taken back:
 * "policy_changed". Returns whether it was. */
bool verification_lapse(const struct verifications *v, struct proof *p);
/* Whether judging again could say something else, or is owed: another policy,
 * a piece that its evidence needs has come or changed, its row is not in
 * Postgres. */
bool verification_is_due(const struct verifications *v, const struct proof *p);
/* Fills the verdict of *p. v may be NULL: then there is none. A verdict that
 * differs from the last is written with its evidence, and not waited for. */
void verification_judge(struct verifications *v, struct proof *p,
    const struct statement *st, const struct session *s);

/* What verdicts are made with at this moment; borrowed, good until the loop's
 * next turn. The policy is NULL where none is active, all is
 * where v is NULL. */
struct verification_means {
	const struct policy *policy;
	const struct anchors *anchors;
	struct collaterals *collaterals;
};
struct verification_means verification_means(const struct verifications *v);

#endif
