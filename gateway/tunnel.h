/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE PROVIDER'S DOOR. A daemon dials in; its certificate says who it is, its
 * statement what it runs; what the catalog confirms becomes offers, and the
 * tunnel a path. Each tunnel is one struct and one table of steps. The page
 * docs/tunnel.md is the protocol.
 */
#ifndef GATEWAY_TUNNEL_H
#define GATEWAY_TUNNEL_H

#include <jansson.h>

#include "base/link.h"
#include "base/pg.h"
#include "gateway/catalog.h"
#include "gateway/offer.h"
#include "gateway/presence.h"
#include "gateway/probe.h"
#include "gateway/verification.h"

struct tunnels_settings {
	const char *address;
	SSL_CTX *tls; /* server, client certificate required, rh2 */
	const char *proxy_from;
	unsigned links;
	struct probe_settings probe;
	const char *holder;	  /* this worker, in tunnel_session */
	int64_t admitted_ms;	  /* patience for the answer to admitted */
	int64_t reprobe_least_ms; /* a re-probe comes at a random time */
	int64_t reprobe_most_ms;  /* between these two after the last */
	int64_t lease_ms;	  /* tunnel_session is touched so often */
	int64_t drain_ms;
	struct verifications *verifications; /* NULL: nobody is verified */
};
/* What tunnels work with; all borrowed. */
struct tunnels_house {
	struct loop *loop;
	struct catalogs *catalogs;
	struct offers *offers;
	struct presence *presence;
	struct pg *pg;
	const struct log *log;
};

struct tunnels;
bool tunnels_open(const struct tunnels_house *h,
    const struct tunnels_settings *s, struct tunnels **out, struct fault *f);
unsigned tunnels_port(const struct tunnels *t);
void tunnels_set_tls(struct tunnels *t, SSL_CTX *tls);
/* Devices changed: tunnels whose device or certificate is revoked, or whose
 * device is gone, are closed now. */
void tunnels_devices_changed(struct tunnels *t);
/* The catalog changed: each statement is judged again. */
void tunnels_catalog_changed(struct tunnels *t);
/* The policy or collateral changed: verdicts of another policy count no more
 * from now on, and each proof that is due is judged again in its turn. */
void tunnels_evidence_changed(struct tunnels *t);
/* Accept no more, drain each; fn(arg), once, when the last has ended. */
void tunnels_drain(struct tunnels *t, void (*fn)(void *arg), void *arg);
/* For the admin listener: an array of objects. The caller owns it. */
json_t *tunnels_describe(const struct tunnels *t);
struct tunnels_counts {
	uint64_t accepted; /* connections */
	uint64_t refused;  /* of them, before serving */
	uint64_t ended;	   /* of them, after */
	uint64_t probes;
	unsigned serving;
	unsigned waiting; /* for their evidence to be judged */
};
void tunnels_counts(const struct tunnels *t, struct tunnels_counts *out);
/* Ends everything at once. */
void tunnels_free(struct tunnels **t);

#endif
