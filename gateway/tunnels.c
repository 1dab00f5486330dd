/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All tunnels of a worker: where they come in, and what concerns every one of
 * them, when devices, the catalog or the evidence's policy have changed, and
 * when the worker goes away.
 */
#include "gateway/tunnel_priv.h"

void
tunnels_left(struct tunnels *all)
{
	void (*fn)(void *arg) = all->on_drained;

	if (fn == NULL || !TAILQ_EMPTY(&all->list))
		return;
	all->on_drained = NULL;
	fn(all->drained_arg);
}

bool
tunnels_open(const struct tunnels_house *h, const struct tunnels_settings *s,
    struct tunnels **out, struct fault *f)
{
	struct tunnels *all = mem_new(sizeof(*all));
	struct link_listener_settings ls = {.address = s->address,
	    .tls = s->tls,
	    .role = LINK_CLIENT,
	    .links = s->links,
	    .proxy_from = s->proxy_from};

	all->house = *h;
	all->settings = *s;
	TAILQ_INIT(&all->list);
	all->docket = docket_new(h->loop);
	link_limits_default(&ls.limits);
	all->listener =
	    link_listen(h->loop, &ls, tunnel_accept, all, h->log, f);
	if (all->listener == NULL) {
		docket_free(&all->docket);
		mem_free(all);
		return false;
	}
	*out = all;
	return true;
}

unsigned
tunnels_port(const struct tunnels *t)
{
	return link_listener_port(t->listener);
}

void
tunnels_set_tls(struct tunnels *t, SSL_CTX *tls)
{
	link_listener_set_tls(t->listener, tls);
}

void
tunnels_devices_changed(struct tunnels *all)
{
	struct tunnel *t;
	struct fault f;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = TAILQ_NEXT(t, entry))
		if (t->is_known && !identity_check(&t->identity,
				       catalogs_now(all->house.catalogs), &f))
			tunnel_end(t, &f);
}

void
tunnels_catalog_changed(struct tunnels *all)
{
	struct tunnel *t;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = TAILQ_NEXT(t, entry)) {
		t->wants_judgement = true;
		tunnel_wake(t);
	}
}

void
tunnels_drain(struct tunnels *all, void (*fn)(void *arg), void *arg)
{
	struct tunnel *t;
	struct fault f;

	fault_set(&f, FAULT_DRAINING, "this gateway is going away");
	all->is_draining = true;
	link_listener_pause(all->listener);
	all->on_drained = fn;
	all->drained_arg = arg;
	for (t = TAILQ_FIRST(&all->list); t != NULL; t = TAILQ_NEXT(t, entry)) {
		if (t->is_serving)
			tunnel_retire(t, &f);
		else
			tunnel_end(t, &f);
	}
	tunnels_left(all);
}

void
tunnels_counts(const struct tunnels *t, struct tunnels_counts *out)
{
	*out = t->counts;
	out->waiting = (unsigned)docket_count(t->docket);
}

static json_t *
describe(const struct tunnel *t)
{
	json_t *models = json_array();
	char since[RFC3339_TEXT];

	time_to_rfc3339(t->session.opened_at, since);
	for (size_t i = 0; t->has_statement && i < t->statement.model_count;
	     i++)
		json_array_append_new(models,
		    json_pack("{s:s, s:s}", "canonical",
			t->statement.models[i].canonical, "verdict",
			t->verdicts[i].reason == STATEMENT_ACCEPTED
			    ? "accepted"
			    : statement_reason_name(t->verdicts[i].reason)));
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:I, s:o,"
			 " s:{s:s?, s:s?}}",
	    "session", t->session.id, "did", t->session.did, "workspace",
	    t->identity.workspace, "slot", (json_int_t)t->session.slot,
	    "remote", t->session.remote, "since", since, "step", tunnel_step(t),
	    "streams", (int)link_streams(t->link), "rtt_us",
	    (json_int_t)link_rtt_us(t->link), "models", models, "verified",
	    "status", t->proof.status, "reason", t->proof.reason);
}

json_t *
tunnels_describe(const struct tunnels *all)
{
	json_t *list = json_array();
	const struct tunnel *t;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = TAILQ_NEXT(t, entry))
		json_array_append_new(list, describe(t));
	return list;
}

void
tunnels_free(struct tunnels **ap)
{
	struct tunnels *all = *ap;

	if (all == NULL)
		return;
	link_listener_free(&all->listener);
	all->on_drained = NULL;
	while (!TAILQ_EMPTY(&all->list))
		tunnel_free(TAILQ_FIRST(&all->list));
	docket_free(&all->docket);
	mem_free(all);
	*ap = NULL;
}
