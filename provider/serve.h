/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP surface of a daemon, the same for its tunnels and its own
 * listener: /v1/… behind the guard for both, /.well-known/assay/… for the
 * gateway alone.
 */
#ifndef PROVIDER_SERVE_H
#define PROVIDER_SERVE_H

#include "provider/bridge.h"
#include "provider/evidence.h"
#include "provider/signer.h"

struct statement_source {
	const char *const *direct_endpoints;
	size_t direct_endpoint_count;
	const char *tls_spki_sha256; /* hex; NULL: no own listener */
};

struct serve;
struct serve_settings {
	struct guard *guard;
	struct bridge_settings bridge;
	struct statement_source statement;
	struct evidence_settings evidence;
	const struct signer *signer; /* NULL: no evidence is given */
	struct loop *loop;
};
struct serve *serve_new(const struct serve_settings *s, const struct log *log);
void serve_free(struct serve **s);

/* A hello on its way to an answer: a look at the files, then evidence. */
struct serve_hello {
	struct serve_way *way;
	struct pending *asking;
	struct http_request *request; /* NULL: none is under way */
	json_t *statement;	      /* waits for its evidence */
};
/* A buyer's never stands in the way of the gateway's own. */
enum { HELLO_GATEWAY, HELLO_BUYER, HELLO_KINDS };

/* One way in. slot < 0: our own listener. The way must outlive its
 * requests; serve_way_gone closes its events stream. */
struct serve_way {
	struct serve *serve;
	int slot;
	struct http_request *events; /* the open stream, or NULL */
	struct serve_hello hellos[HELLO_KINDS];
	struct bytes spki; /* DER of the key that the tunnel shows; borrowed */
	char session[64];
	char verified[64]; /* "<status> <reason>", as the gateway last said */
};
/* An http_handler; arg is a struct serve_way *. */
void serve_request(struct http_request *r, void *arg);
void serve_way_gone(struct serve_way *w);

/* Writes one line to the way's events stream, if one is open. */
void serve_event(struct serve_way *w, const char *line);

/* What the gateway last said of each model; for status. New reference. */
json_t *serve_judgements(const struct serve *s);

#endif
