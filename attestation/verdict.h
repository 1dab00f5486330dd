/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict: what came out of judging evidence, with every check by name,
 * what was seen and what was wanted. It starts as an error ("nothing was
 * judged") and must earn any other outcome. Everything in it lives in the
 * caller's arena and dies with it.
 */
#ifndef ATTESTATION_VERDICT_H
#define ATTESTATION_VERDICT_H

#include <jansson.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

/* Failed: the evidence was judged and does not hold. Error: no trustworthy
 * verdict could be reached (no policy, collateral missing, forged or past its
 * time). Both close the door. */
enum verdict_outcome { VERDICT_ERROR, VERDICT_FAILED, VERDICT_VERIFIED };

/* X(NAME, "stable_code"). Codes may be added, never changed. */
#define VERDICT_CODES(X)                                                       \
	X(OK, "ok")                                                            \
	X(MALFORMED, "malformed")	  /* bytes break their format */       \
	X(UNSUPPORTED, "unsupported")	  /* well formed, of no known kind */  \
	X(TAMPERED, "tampered")		  /* a signature or digest fails */    \
	X(UNTRUSTED, "untrusted")	  /* no path to a pinned anchor */     \
	X(EXPIRED, "expired")		  /* a validity has ended */           \
	X(NOT_YET_VALID, "not_yet_valid") /* a validity has not begun */       \
	X(STALE, "stale")		  /* past next update, or too old */   \
	X(REVOKED, "revoked")                                                  \
	X(MISMATCH, "mismatch")	       /* parts contradict each other */       \
	X(NONCE, "nonce_mismatch")     /* made for another question */         \
	X(BINDING, "binding_mismatch") /* made for another party */            \
	X(MEASUREMENT, "measurement_mismatch") /* differs from a signed RIM */ \
	X(DEBUG, "debug")		       /* the owner can look inside */ \
	X(POLICY, "not_accepted")   /* sound, but policy refuses it */         \
	X(MISSING, "missing")	    /* something needed is not there */        \
	X(BAD_POLICY, "bad_policy") /* absent or contradictory policy */

enum verdict_code {
#define X(name, code) CODE_##name,
	VERDICT_CODES(X)
#undef X
	    CODE_COUNT
};

/* How strong a claim is, and whose word it is (docs/trust.md). */
enum claim_result { CLAIM_ASSERTED, CLAIM_REFUTED, CLAIM_UNKNOWN };
enum claim_source {
	SOURCE_HARDWARE, /* signed by the device, chained to its maker */
	SOURCE_VERIFIER, /* computed here from what others signed */
	SOURCE_PROVIDER, /* the provider's own word */
	SOURCE_OPERATOR	 /* pinned or configured by the operator */
};

/* What a verifier says as it checks: the name is "kind.check"; code is the
 * reason if it does not hold; seen and wanted may be NULL and must live as
 * long as the verdict's arena. */
struct check {
	const char *name;
	enum claim_source source;
	enum verdict_code code;
	const char *seen;
	const char *wanted;
};

struct claim {
	struct check check;
	enum claim_result result;
	const char *subject; /* "gpu 3"; NULL for the node itself */
};

#define VERDICT_CLAIMS_MAX 4096
/* Of three parts (platform, module, enclave), 128 each: none is left out. */
#define VERDICT_ADVISORIES_MAX 384
#define VERDICT_FOREVER INT64_MAX

struct verdict {
	struct arena *arena;
	enum verdict_outcome outcome;
	enum verdict_code code; /* of the first refusal */
	const char *failed;	/* name of the check that refused first */
	const char *why;	/* one sentence for it */
	int64_t judged_at;	/* the caller's now, Unix ms */
	int64_t renew_by;	/* least of all validity ends, Unix ms */
	const char *subject;	/* goes into each claim as it is recorded */
	const char *status;	/* TCB status of the CPU, if there is one */
	const char *advisories[VERDICT_ADVISORIES_MAX];
	size_t advisory_count;
	bool test_root; /* some anchor was a test root (test builds only) */
	struct claim *claims;
	size_t count;
	size_t room;
};

void verdict_init(struct verdict *v, struct arena *a, int64_t now_ms);

/* Records and returns `holds`: if (!verdict_check(…)) return false;
 * A check that does not hold makes the outcome FAILED. */
bool verdict_check(struct verdict *v, bool holds, struct check c);
/* As above for what is not the provider's doing (collateral, policy): when
 * it does not hold the outcome is ERROR. */
bool verdict_need(struct verdict *v, bool holds, struct check c);
/* Recorded as unknown: neither helps nor harms. */
void verdict_unknown(struct verdict *v, struct check c);
/* A function of chain.h (or another with a fault) that failed or not, told as
 * a check: the code comes from the fault, the sentence becomes `seen`. */
bool verdict_check_fault(struct verdict *v, bool holds, const char *name,
    enum claim_source source, const struct fault *f);
bool verdict_need_fault(struct verdict *v, bool holds, const char *name,
    enum claim_source source, const struct fault *f);

/* Verified if nothing was refused and something was asserted. */
bool verdict_conclude(struct verdict *v);

/* renew_by becomes the lesser of the two. */
void verdict_until(struct verdict *v, int64_t end_ms);
/* Once each; the list is bounded. */
void verdict_advise(struct verdict *v, const char *advisory);

/* Text for seen and wanted, in the verdict's arena. */
const char *verdict_hex(struct verdict *v, struct bytes b);
const char *verdict_text(struct verdict *v, struct text t); /* escaped */
const char *verdict_format(struct verdict *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *verdict_time(struct verdict *v, int64_t unix_ms);

const struct claim *verdict_find(const struct verdict *v, const char *name);

const char *verdict_outcome_name(enum verdict_outcome o);
const char *verdict_code_name(enum verdict_code c);
bool verdict_code_of(const char *name, enum verdict_code *out);
enum verdict_code verdict_code_of_fault(const struct fault *f);
const char *claim_result_name(enum claim_result r);
const char *claim_source_name(enum claim_source s);

/* {"outcome","code","failed","why","judged_at","renew_by","status",
 * "advisories":[…],"checks":[{"name","subject","result","source","code",
 * "seen","wanted"}]}; the caller owns it. */
json_t *verdict_json(const struct verdict *v);

#endif
