/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's door. Steps ask and judge; one driver walks the table; one
 * line frees. Whatever ends a tunnel is one act: its offers and its path go
 * at once, its question is cancelled, and LEDGER writes how it ended. The
 * daemon is an untrusted server: nothing it says is believed before STATED.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "gateway/tunnel_priv.h"

#define ADMITTED_BYTES 4096
#define CAPACITY_UNSTATED 256  /* of a daemon that states no bound */
#define SUSPECT_PAUSE_MS 10000 /* between two probes on suspicion */

/* ---------------------------------------------------------- table of steps */

static enum step ask_statement(struct tunnel *t);
static enum step hear_statement(struct tunnel *t);
static enum step judge_statement(struct tunnel *t);
static enum step ask_admitted(struct tunnel *t);
static enum step got_admitted(struct tunnel *t);
static enum step serve(struct tunnel *t);
static enum step write_end(struct tunnel *t);

/* HELLO is also the re-probe of a tunnel that serves: offers stay out while
 * the question is open, and JUDGED withdraws what no longer holds. */
/* clang-format off */
static const struct {
	const char *name;
	enum step (*run)(struct tunnel *t);
} steps[] = {
/*	step		name		what happens	*/
[HELLO]		= { "hello",	ask_statement	},
[STATED]	= { "stated",	hear_statement	},
[JUDGED]	= { "judged",	judge_statement	},
[ADMIT]		= { "admit",	ask_admitted	},
[ADMITTED]	= { "admitted",	got_admitted	},
[SERVING]	= { "serving",	serve		},
[LEDGER]	= { "ledger",	write_end	},
};
/* clang-format on */

void
tunnel_advance(struct tunnel *t)
{
	while (t->step != CLOSE) {
		enum step next = steps[t->step].run(t);

		if (next == WAIT) {
			t->step++; /* the step below judges the answer */
			return;
		}
		t->step = next;
	}
	tunnel_free(t); /* here, and nowhere else */
}

static void
on_ending(void *arg)
{
	struct tunnel *t = arg;

	t->ending = NULL;
	t->step = LEDGER;
	tunnel_advance(t);
}

/* Nothing new goes down this tunnel from now on. */
static void
withdraw(struct tunnel *t)
{
	if (t->is_serving) {
		t->is_serving = false;
		t->all->counts.serving--;
		presence_leave(t->all->house.presence, t->session.id);
	}
	offers_close(t->all->house.offers, &t->source);
}

/* The end, from any step and any callback; the walk to LEDGER happens at the
 * top of the stack. */
void
tunnel_end(struct tunnel *t, const struct fault *why)
{
	if (t->ending != NULL)
		return;
	t->fault = *why;
	withdraw(t);
	pending_cancel(&t->question);
	pending_cancel(&t->hearing);
	timer_stop(t->probe);
	tidings_close(t->tidings);
	t->ending = loop_defer(t->all->house.loop, on_ending, t);
}

static enum step
fail(struct tunnel *t, const struct fault *why)
{
	tunnel_end(t, why);
	return WAIT; /* for on_ending */
}

/* -------------------------------------------------------------------- hello */

static void
on_statement(void *arg, const struct statement *st, const struct fault *f)
{
	struct tunnel *t = arg;

	t->question = NULL;
	t->has_next = st != NULL;
	if (st != NULL)
		t->next_statement = *st;
	else
		t->fault = *f;
	tunnel_advance(t);
}

static enum step
ask_statement(struct tunnel *t)
{
	t->wants_probe = false;
	t->probed_ms = clock_mono_ms();
	t->pause_ms = 0;
	t->all->counts.probes++;
	arena_free(&t->next_arena);
	t->next_arena = arena_new();
	t->question = probe_ask(t->link, &t->all->settings.probe, t->next_arena,
	    t->nonce, on_statement, t);
	return WAIT;
}

/* ------------------------------------------------------------------- stated */

static bool
check_statement(struct tunnel *t, struct fault *f)
{
	if (!t->has_next)
		return fault_set(f, t->fault.kind, "%s", t->fault.why);
	if (t->has_statement && t->next_statement.slot != t->session.slot)
		return fault_set(f, FAULT_INVALID,
		    "the statement moves from slot %lld to %lld",
		    (long long)t->session.slot,
		    (long long)t->next_statement.slot);
	return true;
}

static void
keep_statement(struct tunnel *t)
{
	if (!t->has_next)
		return;
	if (t->has_statement)
		statement_free(&t->statement);
	arena_free(&t->arena);
	t->statement = t->next_statement;
	t->arena = t->next_arena;
	t->next_arena = NULL;
	t->has_statement = true;
	t->has_next = false;
	t->session.slot = t->statement.slot;
	proof_heard(&t->proof, t->nonce, clock_unix_ms());
}

/* As stated; otherwise what its SETTINGS allow, within reason. */
static unsigned
capacity_of(const struct tunnel *t)
{
	unsigned streams = link_streams_max(t->link);

	if (t->statement.max_concurrency > 0)
		return (unsigned)t->statement.max_concurrency;
	return streams == 0		     ? 1
	       : streams > CAPACITY_UNSTATED ? CAPACITY_UNSTATED
					     : streams;
}

/* The facts of what is accepted: one for each (task, model). */
static size_t
list_facts(const struct tunnel *t, struct offer_facts *facts)
{
	const struct statement *st = &t->statement;
	size_t count = 0;

	for (size_t i = 0; i < st->model_count; i++) {
		const struct statement_model *m = &st->models[i];
		const struct catalog_artifact *a = t->verdicts[i].artifact;

		if (t->verdicts[i].reason != STATEMENT_ACCEPTED)
			continue;
		for (size_t k = 0; k < m->task_count; k++)
			facts[count++] =
			    (struct offer_facts){m->tasks[k], m->canonical,
				a->quantization, a->id, m->context_length};
	}
	return count;
}

static void
publish(struct tunnel *t)
{
	struct offers *offers = t->all->house.offers;
	struct offer_provider *p = t->source->provider;
	struct offer_facts *facts =
	    mem_array(STATEMENT_MODELS * STATEMENT_TASKS, sizeof(*facts));

	offers_state(offers, t->source, facts, list_facts(t, facts));
	mem_free(facts);
	p->capacity = capacity_of(t);
	p->is_in_doubt = false;
	offers_verify(offers, t->source, t->proof.until, t->proof.reason);
	offers_bind(t->source, t->proof.signing_address, t->proof.image_digest);
	if (tidings_is_absent(t->tidings))
		p->window_open = true;
	offers_set_direct(offers, p, t->statement.direct,
	    t->statement.direct_count, t->statement.direct_spki);
}

static bool
open_source(struct tunnel *t, struct fault *f)
{
	if (t->source != NULL)
		return true;
	t->source = offers_open(t->all->house.offers, t->session.did,
	    t->identity.workspace, t->session.id, true);
	if (t->source == NULL)
		return fault_set(f, FAULT_LIMIT,
		    "the device has too many tunnels here already");
	return true;
}

/* Nothing that the daemon was told has changed. */
static bool
is_as_told(const struct tunnel *t)
{
	return t->is_serving && t->status != NULL &&
	       t->catalog == catalogs_now(t->all->house.catalogs) &&
	       strcmp(t->status, t->proof.status) == 0 &&
	       strcmp(t->reason, t->proof.reason) == 0;
}

/* What came is held against the rules at once, and judged in its turn. */
static enum step
hear_statement(struct tunnel *t)
{
	struct fault f;

	if (!t->has_statement || t->has_next || t->fault.kind != FAULT_NONE)
		if (!check_statement(t, &f))
			return fail(t, &f);
	return hearing_ask(t) ? WAIT : JUDGED;
}

/* Evidence that is not new is judged again for its own reasons (hearing.c). */
static enum step
judge_statement(struct tunnel *t)
{
	struct verifications *v = t->all->settings.verifications;
	bool is_new = t->has_next;

	t->wants_judgement = false;
	if (!is_new && is_as_told(t))
		return SERVING;
	keep_statement(t);
	catalog_unref(&t->catalog);
	t->catalog = catalog_ref(catalogs_now(t->all->house.catalogs));
	t->accepted = statement_judge(
	    &t->statement, t->catalog, t->identity.workspace, t->verdicts);
	if (is_new)
		verification_judge(v, &t->proof, &t->statement, &t->session);
	if (t->is_serving)
		publish(t); /* what no longer holds is withdrawn at once */
	session_stated(&t->session, &t->statement, t->verdicts);
	return ADMIT;
}

/* -------------------------------------------------------------------- admit */

static void
on_admitted(void *arg, const struct http_answer *a, const struct fault *f)
{
	struct tunnel *t = arg;

	t->question = NULL;
	if (f != NULL)
		t->fault = *f;
	else if (a->status < 200 || a->status > 299)
		fault_set(&t->fault, FAULT_INVALID,
		    "admitted was answered with status %d", a->status);
	tunnel_advance(t);
}

static enum step
ask_admitted(struct tunnel *t)
{
	struct arena *a = arena_new();
	struct http_outgoing o = {
	    .method = "POST", .path = "/.well-known/assay/admitted"};

	http_fields_add(&o.fields, a, "content-type", "application/json");
	o.body = evbuffer_new();
	t->status = t->proof.status;
	t->reason = t->proof.reason;
	evbuffer_add_printf(o.body, "%s",
	    statement_answer(a, &t->statement, t->verdicts, t->session.id,
		t->proof.status, t->proof.reason));
	t->question = link_ask(t->link, &o, ADMITTED_BYTES,
	    t->all->settings.admitted_ms, on_admitted, t);
	evbuffer_free(o.body);
	arena_free(&a);
	return WAIT;
}

/* ------------------------------------------------------------------ serving */

static void on_end_of_place(struct path *p, const struct fault *why);

static void
enter(struct tunnel *t)
{
	struct presence_entry e = {.slot = t->session.slot,
	    .since_ms = t->session.opened_at,
	    .path = &t->path,
	    .on_end = on_end_of_place};

	memcpy(e.did, t->session.did, sizeof(e.did));
	memcpy(e.session, t->session.id, sizeof(e.session));
	presence_enter(t->all->house.presence, &e);
	t->is_serving = true;
	t->all->counts.serving++;
	log_info(&t->log, "tunnel_serving", LOG_STR("session", t->session.id),
	    LOG_STR("remote", t->session.remote),
	    LOG_INT("slot", t->session.slot),
	    LOG_STR("daemon", t->statement.daemon),
	    LOG_INT("models", t->statement.model_count),
	    LOG_INT("accepted", t->accepted));
}

static enum step
got_admitted(struct tunnel *t)
{
	struct fault f;

	if (t->fault.kind != FAULT_NONE)
		return fail(t, &t->fault);
	if (!t->is_serving) {
		if (!open_source(t, &f))
			return fail(t, &f);
		publish(t);
		enter(t);
	}
	return SERVING;
}

static int64_t
random_between(int64_t least, int64_t most)
{
	if (most <= least)
		return least;
	return least + (int64_t)random_below((uint64_t)(most - least));
}

/* At a random time after the last hello, however often what it brought is
 * judged anew meanwhile; sooner where a verdict would end before. */
static int64_t
next_probe_in(struct tunnel *t)
{
	const struct tunnels_settings *s = &t->all->settings;
	int64_t renewal = t->proof.renew_at - clock_unix_ms();
	int64_t in;

	if (t->pause_ms == 0)
		t->pause_ms =
		    random_between(s->reprobe_least_ms, s->reprobe_most_ms);
	in = t->probed_ms + t->pause_ms - clock_mono_ms();
	if (t->proof.renew_at != 0 && renewal < in)
		in = renewal;
	return in > 0 ? in : 0;
}

/* Rests here until something leads back to HELLO or STATED. */
static enum step
serve(struct tunnel *t)
{
	if (t->wants_probe)
		return HELLO;
	if (t->wants_judgement)
		return STATED;
	tidings_open(t->tidings);
	timer_start(t->probe, next_probe_in(t));
	return WAIT;
}

/* Out of the rest in SERVING; in any other step it waits for it. */
static bool
is_resting(const struct tunnel *t)
{
	return t->step == SERVING + 1 && t->question == NULL &&
	       t->ending == NULL && t->is_serving;
}

/* Not from inside the caller's step: through the loop. */
void
tunnel_wake(struct tunnel *t)
{
	if (is_resting(t))
		timer_start(t->probe, 0);
}

static void
on_probe(void *arg)
{
	struct tunnel *t = arg;

	if (!t->wants_judgement)
		t->wants_probe = true;
	if (!is_resting(t))
		return;
	t->step = SERVING;
	tunnel_advance(t);
}

static void
on_lease(void *arg)
{
	struct tunnel *t = arg;
	struct fault f;

	if (t->identity.expires_at <= clock_unix_ms()) {
		fault_set(&f, FAULT_EXPIRED,
		    "the device certificate expired while it was connected");
		tunnel_end(t, &f);
	} else if (t->has_statement) {
		session_touch(&t->session, &t->statement, t->verdicts);
	}
}

/* ------------------------------------------------------------------- events */

static void
on_load(struct tunnel *t, const struct event_line *e)
{
	struct offer_provider *p = t->source->provider;
	double others = (double)(e->active + e->queued) - (double)p->active;

	p->load = others <= 0 ? 0 : others / (double)p->capacity;
	if (p->load > 1)
		p->load = 1;
}

static void
on_event(void *arg, const struct event_line *e)
{
	struct tunnel *t = arg;

	if (t->source == NULL)
		return;
	switch (e->kind) {
	case EVENT_MODELS:
		t->wants_probe = true;
		tunnel_wake(t);
		break;
	case EVENT_LOAD:
		on_load(t, e);
		break;
	case EVENT_WINDOW:
		t->source->provider->window_open = e->is_open;
		break;
	case EVENT_DRAINING:
		t->source->is_draining = true;
		break;
	case EVENT_UNKNOWN:
		break;
	}
}

static void
on_wrong(void *arg, const struct fault *f)
{
	tunnel_end(arg, f);
}

static const struct tidings_events tidings_events = {on_event, on_wrong};

/* --------------------------------------------------------------------- path */

static struct http_call *
call_path(struct path *p, struct http_outgoing *o,
    const struct http_events *events, void *arg, struct fault *f)
{
	struct tunnel *t = (struct tunnel *)(void *)p;

	return link_call(t->link, o, events, arg, f);
}

static void
suspect_path(struct path *p, const struct fault *why)
{
	struct tunnel *t = (struct tunnel *)(void *)p;

	if (clock_mono_ms() - t->probed_ms < SUSPECT_PAUSE_MS)
		return;
	log_info(&t->log, "tunnel_suspected",
	    LOG_STR("code", fault_code(why->kind)), LOG_STR("why", why->why));
	t->wants_probe = true;
	tunnel_wake(t);
}

static const struct path_ops path_ops = {call_path, suspect_path};

/* A newer tunnel took the place: streams under way may finish here. */
void
tunnel_retire(struct tunnel *t, const struct fault *why)
{
	t->fault = *why;
	t->is_draining = true;
	withdraw(t);
	pending_cancel(&t->question);
	pending_cancel(&t->hearing);
	tidings_close(t->tidings);
	timer_stop(t->probe);
	link_drain(t->link, t->all->settings.drain_ms);
}

static void
on_end_of_place(struct path *p, const struct fault *why)
{
	tunnel_retire((struct tunnel *)(void *)p, why);
}

/* ------------------------------------------------------------------- ledger */

static enum step
write_end(struct tunnel *t)
{
	const struct fault *f = &t->fault;

	if (t->has_statement) {
		t->all->counts.ended++;
		session_ended(&t->session, f);
	} else {
		t->all->counts.refused++;
	}
	log_info(&t->log, t->has_statement ? "tunnel" : "tunnel_refused",
	    LOG_STR("session", t->session.id),
	    LOG_STR("remote", t->session.remote),
	    LOG_STR("serial", t->session.serial),
	    LOG_STR("code", fault_code(f->kind)), LOG_STR("why", f->why),
	    LOG_INT("lived_ms", clock_unix_ms() - t->session.opened_at));
	link_tell(t->link, f);
	return CLOSE;
}

/* -------------------------------------------------------- link and its life */

static bool
know(struct tunnel *t, X509 *peer, struct fault *f)
{
	const struct catalog *c = catalogs_now(t->all->house.catalogs);
	bool ok = identity_read(peer, c, clock_unix_ms(), &t->identity, f);

	memcpy(t->session.did, t->identity.did, sizeof(t->session.did));
	memcpy(
	    t->session.serial, t->identity.serial, sizeof(t->session.serial));
	t->log = log_child(t->all->house.log, "did", t->session.did);
	proof_know(&t->proof, peer);
	return ok;
}

static void
on_up(struct link *l, X509 *peer, void *arg)
{
	struct tunnel *t = arg;
	struct fault f;

	text_store(text_of(link_remote(l)), t->session.remote,
	    sizeof(t->session.remote));
	if (t->all->is_draining) {
		fault_set(&f, FAULT_DRAINING, "this gateway is going away");
		tunnel_end(t, &f);
		return;
	}
	if (!know(t, peer, &f)) {
		tunnel_end(t, &f);
		return;
	}
	t->is_known = true;
	timer_every(t->lease, t->all->settings.lease_ms);
	tunnel_advance(t);
}

static void
on_down(struct link *l, const struct fault *why, void *arg)
{
	struct tunnel *t = arg;

	if (t->session.remote[0] == '\0')
		text_store(text_of(link_remote(l)), t->session.remote,
		    sizeof(t->session.remote));
	tunnel_end(t, t->is_draining ? &t->fault : why);
}

static void
on_goaway(struct link *l, void *arg)
{
	struct tunnel *t = arg;

	(void)l;
	if (t->source != NULL)
		t->source->is_draining = true;
}

static const struct link_events link_events = {on_up, on_down, NULL, on_goaway};

static void
new_session_id(char out[UUID_TEXT])
{
	uint8_t random[10];

	random_bytes(random, sizeof(random));
	uuid_v7(clock_unix_ms(), random, out);
}

void
tunnel_accept(struct link *l, void *arg, const struct link_events **events,
    void **events_arg)
{
	struct tunnels *all = arg;
	struct tunnel *t = mem_new(sizeof(*t));

	t->path.ops = &path_ops;
	t->all = all;
	t->link = l;
	t->log = *all->house.log;
	t->step = HELLO;
	t->session.pg = all->house.pg;
	t->session.log = all->house.log;
	t->session.instance = all->settings.holder;
	t->session.opened_at = clock_unix_ms();
	new_session_id(t->session.id);
	t->probe = timer_new(all->house.loop, on_probe, t);
	t->lease = timer_new(all->house.loop, on_lease, t);
	t->tidings = tidings_new(all->house.loop, l, &tidings_events, t);
	TAILQ_INSERT_TAIL(&all->list, t, entry);
	all->counts.accepted++;
	*events = &link_events;
	*events_arg = t;
}

void
tunnel_free(struct tunnel *t)
{
	struct tunnels *all = t->all;

	TAILQ_REMOVE(&all->list, t, entry);
	withdraw(t);
	session_forget(&t->session);
	pending_cancel(&t->question);
	pending_cancel(&t->hearing);
	pending_cancel(&t->ending);
	tidings_free(&t->tidings);
	link_free(&t->link);
	timer_free(&t->probe);
	timer_free(&t->lease);
	if (t->has_statement)
		statement_free(&t->statement);
	if (t->has_next)
		statement_free(&t->next_statement);
	arena_free(&t->arena);
	arena_free(&t->next_arena);
	proof_free(&t->proof);
	catalog_unref(&t->catalog);
	mem_free(t);
	tunnels_left(all);
}

const char *
tunnel_step(const struct tunnel *t)
{
	if (t->is_draining)
		return "drain";
	if (is_resting(t))
		return "serving";
	return t->step < CLOSE ? steps[t->step].name : "close";
}
