/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is accepted beyond "the signatures hold": which kinds of evidence must
 * be there together, which workloads, measurements and versions, how old.
 * Read from JSON, strictly: an unknown member, an empty list or a section that
 * is required and missing is an error and never an open door. A policy lives
 * in its arena and does not change.
 */
#ifndef ATTESTATION_POLICY_H
#define ATTESTATION_POLICY_H

#include <jansson.h>

#include "attestation/verdict.h"
#include "base/fault.h"
#include "base/mem.h"

/* Kinds of evidence that a policy may require; bits of `require`. */
#define REQUIRE_CPU 1u	  /* TDX or SNP, whichever section is there */
#define REQUIRE_GPU 2u	  /* NVIDIA */
#define REQUIRE_DEVICE 4u /* Apple: device-attested, not a TEE */

/* A list that pins: not given means "not asked"; given means one of these. */
struct policy_texts {
	bool given;
	size_t count;
	const char *const *at;
};
struct policy_digests {
	bool given;
	size_t count;
	size_t width;	   /* bytes of each */
	const uint8_t *at; /* count * width */
};

/* AMD firmware versions; -1 where the policy does not ask. */
struct policy_tcb {
	bool given;
	int fmc; /* Turin only */
	int bootloader;
	int tee;
	int snp;
	int microcode;
};
enum snp_product { SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_PRODUCTS };

struct policy_tdx {
	bool present;
	struct policy_texts accept_status; /* default: UpToDate alone */
	/* A status below UpToDate is accepted only if each of its advisories
	 * is listed; not given: no advisory is accepted. */
	struct policy_texts accept_advisories;
	int64_t min_tcb_evaluation; /* tcbEvaluationDataNumber; default 0 */
	struct policy_digests mrtd;
	struct policy_digests rtmr[4];
	struct policy_digests mrseam;
	struct policy_digests mrconfigid;
	struct policy_digests mrowner;
	struct policy_digests mrownerconfig;
	struct policy_digests xfam;	     /* 8 bytes, as in the quote */
	struct policy_digests td_attributes; /* 8 bytes, as in the quote */
	struct policy_digests piids;	     /* platform instance ids, 16 */
	struct policy_digests config_prefix; /* MRCONFIGID, first 32 bytes */
	bool any_workload;		     /* nothing need be pinned */
	bool static_platform; /* no dynamic platform (PCK extension) */
	bool smt_disabled;
	bool allow_pks;	       /* default true: keys for supervisor pages */
	bool allow_key_locker; /* default false */
	bool allow_perfmon;    /* default false */
	bool allow_migratable; /* default false */
	bool xfam_ignores_cet; /* Contrast compares without bits 11, 12 */
	bool memory_integrity; /* from manifests: SGX type 2 in the PCK */
};

struct policy_snp {
	bool present;
	struct policy_texts products; /* Milan, Genoa, Turin; default: all */
	struct policy_digests measurement;
	struct policy_digests host_data;
	struct policy_digests id_keys;	   /* digests, 48 */
	struct policy_digests author_keys; /* digests, 48 */
	struct policy_digests chip_ids;
	struct policy_digests report_ids;
	struct policy_digests family_ids;
	struct policy_digests image_ids;
	struct policy_tcb min_tcb[SNP_PRODUCTS];
	struct policy_tcb min_launch_tcb[SNP_PRODUCTS];
	int64_t max_vmpl; /* default 0 */
	int64_t min_guest_svn;
	int64_t min_abi_major, min_abi_minor; /* of the guest policy */
	int64_t min_build; /* of the committed firmware, -1: unasked */
	int64_t min_version_major, min_version_minor;
	int64_t guest_policy;	       /* exact value, -1: not asked */
	int64_t platform_info;	       /* exact value, -1: not asked */
	int64_t min_launch_mitigation; /* bits that must be set, v5 */
	int64_t min_current_mitigation;
	/* Bits of the guest policy and platform info that must or must not be
	 * set; from manifests, not from JSON policies. */
	uint64_t guest_must, guest_must_not;
	uint64_t platform_must, platform_must_not;
	bool any_workload;
	bool allow_smt;		    /* default true */
	bool allow_migration_agent; /* default false */
	bool allow_vlek;	    /* default true */
	bool allow_provisional;	    /* committed below current; default true */
	bool require_single_socket;
	bool require_ciphertext_hiding;
};

struct policy_nvidia {
	bool present;
	struct policy_texts architectures; /* HOPPER, BLACKWELL */
	struct policy_texts drivers;	   /* exact versions */
	struct policy_texts vbios;
	struct policy_texts modes; /* SPT, MPT, PPCIE; default SPT, PPCIE */
	int64_t gpus;		   /* exact number, -1: at least one */
	int64_t switches;	   /* exact number, -1: not asked */
	bool allow_no_rim;	   /* default false: manifests are needed */
	bool allow_hold;	   /* "on hold" in a list; default false */
	/* Of manifests' signers too: lists or answers must be at hand for
	 * each of their certificates. Default false: asked where they are. */
	bool require_rim_revocation;
};

struct policy_nras {
	bool present; /* an answer must be there too, as a second opinion */
	struct policy_texts issuers; /* default: NVIDIA's service */
	int64_t max_age_s;	     /* of the token; default 3600 */
};

struct policy_apple {
	bool present;
	struct policy_texts apps; /* TEAM.bundle.id */
	struct policy_texts serials;
	struct policy_texts udids;
	struct policy_texts os_versions;
	/* Least versions as Apple writes them ("15.5"), NULL: not asked. */
	const char *min_os_version, *min_sepos_version, *min_llb_version;
	bool allow_development; /* App Attest environment; default false */
	bool allow_no_posture;	/* 13.* extensions missing; default false */
	bool allow_reduced_security; /* default false */
	bool allow_sip_off;	     /* default false */
	bool allow_kexts;	     /* default false */
};

struct policy_dstack {
	bool present;
	struct policy_texts app_ids;	    /* hex */
	struct policy_texts compose_hashes; /* hex */
	struct policy_texts os_images;	    /* hex */
	struct policy_texts key_providers;  /* hex of the event's payload */
	bool allow_unpinned_base; /* MRTD, RTMR0-2 not pinned; default false */
};

struct policy {
	int64_t version;
	const char *name;
	const char *digest; /* SHA-256 of the canonical text, hex */
	unsigned require;
	bool revocation;	      /* default true */
	int64_t max_collateral_age_s; /* default 30 days */
	/* Of a revocation list since its maker signed it; default 400 days.
	 * Intel's PCK lists are held to the above, being signed monthly. */
	int64_t max_crl_age_s;
	int64_t max_verdict_age_s; /* default 1 hour */
	/* Hex of what the CPU carries about its workload: HOSTDATA (SNP);
	 * MRCONFIGID, its first 32 bytes, or the compose hash in it (TDX). */
	struct policy_texts workloads;
	struct policy_texts image_digests;
	struct policy_texts kms_roots;
	struct policy_texts signing_addresses;
	/* Forms of report data that open the tier for a tunnel; default:
	 * assay alone, the one that covers all of it. */
	struct policy_texts bindings;
	struct policy_tdx tdx;
	struct policy_snp snp;
	struct policy_nvidia nvidia;
	struct policy_nras nras;
	struct policy_apple apple;
	struct policy_dstack dstack;
};

#define POLICY_MAX_BYTES ((size_t)1 << 20)

/* Fails INVALID_JSON or INVALID with the member's path. */
bool policy_read(
    struct arena *a, struct text json, struct policy **out, struct fault *f);
bool policy_of_json(
    struct arena *a, const json_t *j, struct policy **out, struct fault *f);

/* A Contrast manifest as a policy source: one policy per reference value,
 * each with the manifest's workload hashes; evidence must satisfy one of
 * them. At most CONTRAST_POLICIES_MAX. */
#define CONTRAST_POLICIES_MAX 32
bool policy_of_contrast(struct arena *a, struct text json,
    struct policy *out[CONTRAST_POLICIES_MAX], size_t *count, struct fault *f);

/* Everything at its default: for tests and for building a policy in code. */
struct policy policy_defaults(void);

/* One value against a list that pins. Records nothing and holds when the list
 * is not given; CODE_POLICY otherwise. */
bool policy_check_digest(struct verdict *v, const struct policy_digests *l,
    const char *name, enum claim_source source, struct bytes seen);
bool policy_check_text(struct verdict *v, const struct policy_texts *l,
    const char *name, enum claim_source source, struct text seen);
bool policy_texts_have(const struct policy_texts *l, struct text t);

#endif
