/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a piece of collateral is published, and how the answers become the one
 * document that verifiers take. Pure. Names come from evidence, so they are
 * hostile: one that is not exactly of a known form has no place to come from.
 */
#ifndef GATEWAY_COLLATERAL_PLAN_H
#define GATEWAY_COLLATERAL_PLAN_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

#define COLLATERAL_NAME_MAX 300
#define COLLATERAL_BODY_MAX ((size_t)16 << 20)
#define COLLATERAL_STEPS_MAX 4

/* Base URLs without a trailing slash; NULL: never asked. */
struct collateral_urls {
	const char *pcs;	 /* Intel's service or a PCCS: TCB, PCK CRL */
	const char *root_crl;	 /* whole URL of Intel's root CRL */
	const char *kds;	 /* AMD's key distribution service */
	const char *nvidia_crl;	 /* folder of NVIDIA's revocation lists */
	const char *nvidia_ocsp; /* whole URL of NVIDIA's OCSP responder */
	const char *rim;	 /* NVIDIA's manifests */
	const char *nras;	 /* NVIDIA's attestation service: its keys */
};

struct collateral_plan {
	const char *url[COLLATERAL_STEPS_MAX];
	size_t count;
	/* One after another until the first that answers (a certificate whose
	 * product the name does not tell); otherwise all are needed. */
	bool is_choice;
	struct bytes question; /* to be posted; empty: what is there is got */
	const char *question_type;
};

/* Letters, digits, '.', '_', '-' and single '/' between parts that do not
 * begin with a dot: fit to be a path below a folder. */
bool collateral_name_is_sound(const char *name);

/* Fails UNAVAILABLE where no source is configured or known for the name. */
bool collateral_plan_make(struct arena *a, const struct collateral_urls *u,
    const char *name, struct collateral_plan *out, struct fault *f);

/* Why an answer with another status than 200 does not do. */
void collateral_refused(const char *url, int status, struct fault *out);

struct collateral_answer_part {
	struct bytes body;
	const char *chain; /* the issuer chain of its header fields, or NULL */
};
/* The document, in the arena, from the answers in the plan's order. */
bool collateral_assemble(struct arena *a, const char *name,
    const struct collateral_answer_part *parts, size_t count, struct bytes *out,
    struct fault *f);

#endif
