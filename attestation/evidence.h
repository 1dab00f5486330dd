/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One verdict over everything that a node shows: CPU, GPUs, switches, event
 * log, application, bindings. Verifiers are registered by evidence kind; each
 * adds its checks and the facts that later ones lean on. Pure: bytes, policy,
 * collateral and now come in, a verdict goes out.
 *
 * The bundle, as it travels in a statement or stands in a file:
 * {"binding": "assay" | "dstack" | "dstack-tls", "nonce": hex (32 bytes),
 *  "bound": {"did", "tls_spki_sha256", "statement_sha256", "signing_key"},
 *  "items": [
 *   {"kind": "tdx", "quote": base64},
 *   {"kind": "snp", "report": base64, "certificates": [base64 DER, …]},
 *   {"kind": "nvidia", "arch": "HOPPER", "evidence_list":
 *     [{"evidence": base64, "certificate": base64 of PEM}, …]},
 *   {"kind": "nvswitch", "evidence_list": […]},
 *   {"kind": "nras", "token": […]},
 *   {"kind": "dstack", "event_log": […], "app_compose": text},
 *   {"kind": "apple-mda", "attestation": base64},
 *   {"kind": "apple-app-attest", "attestation": base64, "key_id": base64}]}
 */
#ifndef ATTESTATION_EVIDENCE_H
#define ATTESTATION_EVIDENCE_H

#include <jansson.h>

#include "attestation/anchors.h"
#include "attestation/policy.h"
#include "attestation/verdict.h"

#define EVIDENCE_MAX_BYTES ((size_t)4 << 20)
#define EVIDENCE_ITEMS_MAX 32
#define EVIDENCE_GPUS_MAX 32

/* What others published about the hardware, by name. `fetched_at` is when it
 * came from its source (Unix ms), for the policy's maximum age. Names:
 *   "tdx/tcb/<fmspc hex>"  answer of the TDX TCB info service, bundled form
 *                          with its issuer chain (tdx_collateral.h); with
 *                          ".processor" behind it where the PCK certificate
 *                          is of the Processor CA and not the Platform CA
 *   "amd/crl/<Product>/<vcek|vlek>", "amd/chain/<Product>/<vcek|vlek>",
 *   "amd/vcek/<hwid hex>/<tcb hex>", "nvidia/crl/<name>",
 *   "nvidia/ocsp/<issuer's name>/<issuer's key>/<serial>" (ocsp.h),
 *   "nvidia/rim/<id>", "nras/jwks" */
struct collateral_item {
	const char *name;
	struct bytes body;
	int64_t fetched_at;
};
struct tdx_collateral;
struct nvidia_device;
struct nvidia_kept;
struct rim_kept;
struct apple_mda_facts;
struct collateral {
	const struct collateral_item *items;
	size_t count;
	/* Already verified and kept by the caller; may be NULL. */
	const struct tdx_collateral *tdx;
	/* Device chains verified before, of these anchors; may be NULL. */
	struct nvidia_kept *nvidia;
	/* And manifests; may be NULL. */
	struct rim_kept *rims;
};
const struct collateral_item *collateral_find(
    const struct collateral *c, const char *name);

/* What the evidence must be bound to; members that are empty are not asked
 * for, but a binding that needs one of them then fails. */
struct evidence_bound {
	struct bytes nonce; /* 32 bytes, the asker's */
	struct text did;
	struct bytes tls_spki;	       /* DER of the tunnel's or TLS key */
	struct bytes tls_spki_sha256;  /* where no more is known of it; of use
					* to the form "dstack-tls" alone */
	struct bytes statement_sha256; /* of the statement without evidence */
	struct bytes signing_key;      /* as the statement names it */
};

/* What the verified evidence says; filled by the verifiers in turn. */
struct evidence_facts {
	bool cpu;    /* a TEE was proven: the fields below hold */
	bool is_tdx; /* else SNP */
	uint8_t report_data[64];
	uint8_t mrtd[48];
	uint8_t rtmr[4][48];
	uint8_t mrconfigid[48];
	uint8_t measurement[48];
	uint8_t host_data[32];
	/* SNP: the product line, the TCB that the key is for, and at launch. */
	enum snp_product product;
	struct policy_tcb reported_tcb, launch_tcb;
	size_t gpus;
	const struct nvidia_device *gpu; /* of them, in the arena */
	size_t switches;
	uint8_t gpu_ids[EVIDENCE_GPUS_MAX][32]; /* SHA-256 of leaf keys */
	uint8_t nonce[32];			/* of the bundle */
	bool device;			   /* an Apple device was attested */
	const struct apple_mda_facts *mac; /* in the arena; NULL: no Mac */
};

/* Everything that one examination is judged by. */
struct examination {
	const struct policy *policy;
	const struct anchors *anchors;
	const struct collateral *collateral;
	const struct evidence_bound *bound;
	/* Forms of binding that are accepted; NULL: every known one. The
	 * sender names the form, and some cover less than the tunnel. */
	const struct policy_texts *bindings;
	int64_t now_ms;
	struct evidence_facts facts;
};

/* One kind. `rank` orders the examination: CPU 0, GPU 1, what leans on
 * either 2. verify judges one item of the bundle; it may fail the verdict and
 * go on, and returns whether all its checks held. */
struct verifier {
	const char *kind;
	int rank;
	bool (*verify)(
	    struct examination *x, const json_t *item, struct verdict *v);
};
const struct verifier *verifier_find(const char *kind);

/* The verifiers of "tdx" and "snp" (cpu_evidence.c). */
extern const struct verifier tdx_verifier;
extern const struct verifier snp_verifier;
bool cpu_needs(struct arena *a, const json_t *item, const char **out,
    size_t *count, struct fault *f);

/* Judges a bundle. Always concludes *v (verdict_init first). */
void evidence_judge(
    struct examination *x, const json_t *bundle, struct verdict *v);

/* The bytes of a base64 member, in the arena; FAULT_INVALID. */
bool evidence_member(struct arena *a, const json_t *item, const char *name,
    size_t max_bytes, struct bytes *out, struct fault *f);

/* The names of collateral that a bundle needs, for whoever fetches it. */
#define EVIDENCE_NEEDS_MAX 64
bool evidence_needs(struct arena *a, const json_t *bundle,
    const char *out[EVIDENCE_NEEDS_MAX], size_t *count, struct fault *f);

#endif
