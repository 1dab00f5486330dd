/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live offers: which provider serves which (task, model) right now, and over
 * which ways. Tunnels publish and withdraw; everybody else only reads. Found
 * by (task, model), so a decision never looks at providers of other models.
 *
 *	provider   one daemon by its DID: capacity, load, window, proof
 *	  source   one way to it: a tunnel, or a peer that holds one
 *	  offer    one (task, model) of it, over one or more of its sources
 *
 * Offers live until the next call that publishes or withdraws; what waits
 * keeps the DID and the session and looks them up again.
 */
#ifndef GATEWAY_OFFER_H
#define GATEWAY_OFFER_H

#include "gateway/catalog.h"

#define OFFER_SOURCES 8 /* ways to one provider at a time */
#define DIRECT_ENDPOINTS 4
#define OFFER_ADDRESS 43 /* 0x and 40 hex digits */
#define OFFER_DIGEST 72	 /* sha256: and 64 hex digits */

struct offer;

/* What the catalog says of an offer, kept under the id of the part it was
 * found in (catalog_part_id): most decisions see the same snapshot. */
struct offer_memo {
	uint64_t devices;
	uint64_t scores;
	const struct catalog_device *device;
	const struct catalog_score *score;
};

struct offer_provider {
	char did[DID_SIZE];
	char workspace[UUID_TEXT];
	/* As the daemon states and streams them. */
	unsigned capacity; /* concurrent requests, at least 1 */
	double load;	   /* 0..1, what others sent it; 0: unknown */
	bool window_open;  /* the marketplace is welcome */
	bool is_draining;
	bool is_in_doubt; /* a probe failed: nothing new until it holds */
	/* Ours. */
	unsigned active;	/* requests under way from this worker */
	int64_t verified_until; /* Unix ms; 0: not verified */
	const char *unverified; /* why not: the verdict's stable code */
	const char *direct[DIRECT_ENDPOINTS]; /* https URLs, or NULL */
	char direct_spki[65];		      /* hex, or "" */
	struct offer_source *sources[OFFER_SOURCES];
	size_t source_count;
	struct offer *offers;	      /* a list through of_provider */
	char *priv[DIRECT_ENDPOINTS]; /* offer.c */
};

struct offer_source {
	struct offer_provider *provider;
	char session[UUID_TEXT]; /* as presence knows its path */
	bool is_local;		 /* this worker holds the tunnel */
	bool is_draining;	 /* GOAWAY: no new streams on this way */
	int64_t verified_until;	 /* Unix ms; 0: this way is not verified */
	const char *verdict;	 /* stable code of the last one, or NULL */
	/* What the evidence of this way binds, or "". */
	char signing_address[OFFER_ADDRESS];
	char image_digest[OFFER_DIGEST];
	unsigned active;
};

struct offer {
	struct offer_provider *provider;
	char task[TASK_SIZE];
	char model[CANONICAL_SIZE];
	char quantization[40];
	char artifact[UUID_TEXT];
	int64_t context_length;
	struct offer_memo *memo;		     /* admission.c */
	struct offer_source *sources[OFFER_SOURCES]; /* that state it */
	size_t source_count;
	struct offer *of_provider; /* next of the same provider */
};

struct offers;
struct offers *offers_new(void);
void offers_free(struct offers **o);

/* A new way to a provider; offers nothing yet. NULL when it has OFFER_SOURCES
 * already, or this session is there. The provider is made with its first way
 * and goes with its last; workspace must be the device's. The source lives
 * until offers_close. */
struct offer_source *offers_open(struct offers *o, const char *did,
    const char *workspace, const char *session, bool is_local);
/* The way is gone, with what only it stated. Accepts NULL, leaves NULL. */
void offers_close(struct offers *o, struct offer_source **s);

/* Evidence binds one way each, so a provider is verified for as long as all
 * its ways are. Unix ms; 0: not. The verdict's code is borrowed for good. */
void offers_verify(struct offers *o, struct offer_source *s, int64_t until,
    const char *verdict);
/* What its evidence binds: the worker's signing key, and its image. */
void offers_bind(
    struct offer_source *s, const char *address, const char *image);

/* Where its own HTTPS listener is reached; copied, at most DIRECT_ENDPOINTS.
 * spki is hex or "". */
void offers_set_direct(struct offers *o, struct offer_provider *p,
    const char *const *urls, size_t count, const char *spki);

struct offer_facts {
	const char *task;
	const char *model;
	const char *quantization;
	const char *artifact;
	int64_t context_length;
};
/* This way now states exactly these and nothing else. Facts that differ from
 * another way's replace them: the newest statement holds. */
void offers_state(struct offers *o, struct offer_source *s,
    const struct offer_facts *facts, size_t count);
/* Withdraws a model over every way to this provider (a failed probe). NULL
 * model: everything. */
void offers_withdraw(struct offers *o, const char *did, const char *model);

struct offer_provider *offers_provider(const struct offers *o, const char *did);
struct offer_source *offers_source(const struct offers *o, const char *session);
/* In no order; *count may be 0. */
struct offer *const *offers_of(
    const struct offers *o, const char *task, const char *model, size_t *count);
struct offer *offers_find(const struct offers *o, const char *did,
    const char *task, const char *model);
size_t offers_count(const struct offers *o);
size_t offers_provider_count(const struct offers *o);
/* fn for each provider, in no order; fn must not publish or withdraw. */
void offers_each(const struct offers *o,
    void (*fn)(void *arg, const struct offer_provider *p), void *arg);

/* A request goes down this way; every begin has one finish, which does
 * nothing where the way has gone meanwhile. */
void offers_begin(struct offers *o, const char *session);
void offers_finish(struct offers *o, const char *session);

/* Does the provider take one more now? */
bool offer_provider_has_room(const struct offer_provider *p);
/* 0 idle .. 1 full, ours and what the daemon says of others. */
double offer_provider_load(const struct offer_provider *p);

#endif
