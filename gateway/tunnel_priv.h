/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tunnel and all of them, for the three files that are they: tunnel.c
 * (the table, the driver, the steps of one), tunnels.c (the listener, and what
 * concerns every one) and hearing.c (when evidence is judged). Nobody else
 * includes this.
 */
#ifndef GATEWAY_TUNNEL_PRIV_H
#define GATEWAY_TUNNEL_PRIV_H

#include <sys/queue.h>

#include "gateway/docket.h"
#include "gateway/identity.h"
#include "gateway/session.h"
#include "gateway/tidings.h"
#include "gateway/tunnel.h"

enum step {
	HELLO,
	STATED,
	JUDGED,
	ADMIT,
	ADMITTED,
	SERVING,
	LEDGER,
	CLOSE,
	WAIT
};

struct tunnel {
	struct path path; /* first member */
	TAILQ_ENTRY(tunnel) entry;
	struct tunnels *all;
	struct link *link;
	struct log log;
	enum step step;
	struct pending *question;
	struct pending *ending; /* the deferred walk to LEDGER */
	struct session session;
	struct identity identity;
	bool is_known;	 /* the certificate was accepted */
	bool is_serving; /* it is in presence, its offers are out */
	bool is_draining;
	bool wants_probe, wants_judgement;
	struct offer_source *source;
	struct fault fault; /* why it ends, or why a question failed */
	/* What it stated last, and how that was judged. */
	struct arena *arena;	  /* of the statement now held */
	struct arena *next_arena; /* of the one asked for */
	struct statement statement, next_statement;
	bool has_statement, has_next;
	struct proof proof;	     /* what evidence came with it */
	struct pending *hearing;     /* until it is judged again */
	const char *status, *reason; /* as the daemon was told last */
	char nonce[65];
	const struct catalog *catalog; /* the one it was judged by */
	struct statement_verdict verdicts[STATEMENT_MODELS];
	size_t accepted;
	struct timer *probe;
	struct timer *lease;
	int64_t probed_ms; /* clock_mono_ms */
	int64_t pause_ms;  /* from then to the next hello; 0: not drawn yet */
	struct tidings *tidings;
};

struct tunnels {
	struct tunnels_house house;
	struct tunnels_settings settings;
	struct link_listener *listener;
	TAILQ_HEAD(, tunnel) list;
	struct docket *docket;
	struct tunnels_counts counts;
	bool is_draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

/* tunnel.c. As link_listen's on_accept; arg is the tunnels. */
void tunnel_accept(struct link *l, void *arg, const struct link_events **events,
    void **events_arg);
/* The end, from any step and any callback; it is freed from the loop. */
void tunnel_end(struct tunnel *t, const struct fault *why);
/* Nothing new comes here; streams under way may finish within the drain. */
void tunnel_retire(struct tunnel *t, const struct fault *why);
/* Walks the table; from a callback of the tunnel's own question. */
void tunnel_advance(struct tunnel *t);
/* Out of the rest in SERVING, for what it wants; elsewhere that waits. */
void tunnel_wake(struct tunnel *t);
/* The name of the step it is in. */
const char *tunnel_step(const struct tunnel *t);
/* At once, with no word of it. */
void tunnel_free(struct tunnel *t);

/* hearing.c: waits for a turn to judge the statement that has come; false
 * where there is no evidence to judge. */
bool hearing_ask(struct tunnel *t);

/* tunnels.c: one has gone. */
void tunnels_left(struct tunnels *all);

#endif
