/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When evidence is judged: each verdict in a turn of its own (docket.h),
 * whether the evidence has just come or what it was judged by has changed.
 * However many tunnels come or are concerned at once, streams go on.
 */
#include "gateway/tunnel_priv.h"

/* ------------------------------------------------------------ what has come */

static void
on_turn(void *arg)
{
	struct tunnel *t = arg;

	t->question = NULL;
	tunnel_advance(t);
}

bool
hearing_ask(struct tunnel *t)
{
	if (!t->has_next || t->next_statement.evidence == NULL ||
	    t->all->settings.verifications == NULL)
		return false;
	t->question = docket_add(t->all->docket, on_turn, t);
	return true;
}

/* --------------------------------------------------------- what has changed */

static void
publish_verdict(struct tunnel *t)
{
	if (t->source == NULL)
		return;
	offers_verify(
	    t->all->house.offers, t->source, t->proof.until, t->proof.reason);
	offers_bind(t->source, t->proof.signing_address, t->proof.image_digest);
}

/* What routing reads changes now; the daemon is told in turn. */
static void
on_hearing(void *arg)
{
	struct tunnel *t = arg;
	struct verifications *v = t->all->settings.verifications;

	t->hearing = NULL;
	if (!t->has_statement || !verification_is_due(v, &t->proof))
		return;
	verification_judge(v, &t->proof, &t->statement, &t->session);
	publish_verdict(t);
	t->wants_judgement = true;
	tunnel_wake(t);
}

void
tunnels_evidence_changed(struct tunnels *all)
{
	struct tunnel *t;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = TAILQ_NEXT(t, entry)) {
		if (!t->has_statement || t->statement.evidence == NULL ||
		    t->is_draining || t->ending != NULL)
			continue;
		if (verification_lapse(all->settings.verifications, &t->proof))
			publish_verdict(t);
		if (t->hearing == NULL)
			t->hearing = docket_add(all->docket, on_hearing, t);
	}
}
