/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker counts, declared once with every label value it can have.
 * The help line of each says what it is.
 */
#ifndef GATEWAY_COUNTERS_H
#define GATEWAY_COUNTERS_H

#include "base/metrics.h"
#include "gateway/endpoint.h"

struct counters {
	struct metrics *all;
	struct metric *requests;     /* endpoint, outcome */
	struct metric *faults;	     /* code */
	struct metric *attempts;     /* outcome */
	struct metric *seconds;	     /* endpoint */
	struct metric *first_byte;   /* endpoint */
	struct metric *step_seconds; /* step */
	struct metric *sent_bytes;
	struct metric *tokens; /* direction */
	struct metric *open;
	struct metric *tunnels;
	struct metric *tunnels_total; /* what: accepted, refused, ended */
	struct metric *hearings;
	struct metric *private_held;
	struct metric *probes;
	struct metric *offers;
	struct metric *backlog;
	struct metric *signatures;	   /* not in Postgres yet */
	struct metric *dependency;	   /* which: postgres, mint */
	struct metric *collateral_answers; /* source, code */
	struct metric *collateral_kept;	   /* source */
	struct metric *collateral_older;   /* source */
	struct metric *verdicts;	   /* kind, code */
	struct metric *verdict_cpu;	   /* kind */
	struct metric *verdict_chains;	   /* kind, how: full, kept */
};

enum counted_step { COUNTED_AUTH, COUNTED_ROUTE, COUNTED_MINT };
enum counted_dependency { COUNTED_POSTGRES, COUNTED_MINT_LINK };
/* What was judged: the CPU's kind, alone or with GPUs. */
enum counted_evidence {
	COUNTED_TDX,
	COUNTED_TDX_GPU,
	COUNTED_SNP,
	COUNTED_SNP_GPU,
	COUNTED_GPU,
	COUNTED_DEVICE,
	COUNTED_EVIDENCE
};
enum counted_chain { COUNTED_FULL, COUNTED_KEPT };
enum counted_tunnel { COUNTED_ACCEPTED, COUNTED_REFUSED, COUNTED_ENDED };

struct counters *counters_new(void);
void counters_free(struct counters **c);

/* The index of an endpoint (or NULL), and of an assay.outcome, as label. */
size_t counters_endpoint(const struct endpoint *e);
size_t counters_outcome(const char *outcome);

#endif
