/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA GPUs and switches in confidential mode: one signed report and one
 * device certificate chain each, judged alone, against the maker's manifests,
 * and together as the devices of one machine. Nothing here asks a service.
 */
#ifndef ATTESTATION_NVIDIA_H
#define ATTESTATION_NVIDIA_H

#include "attestation/evidence.h"
#include "attestation/revocation.h"
#include "attestation/rim.h"
#include "attestation/spdm.h"
#include "attestation/verdict.h"

enum { NVIDIA_PDIS_MAX = 32, NVIDIA_PDI = 8 };

enum nvidia_kind { NVIDIA_GPU, NVIDIA_SWITCH };

/* How a GPU was given to the guest: alone, among several over encrypted
 * NVLink, or with its switches inside the trust boundary. Drivers before the
 * field existed say nothing (legacy). */
enum nvidia_mode { NVIDIA_LEGACY, NVIDIA_SPT, NVIDIA_MPT, NVIDIA_PPCIE };
const char *nvidia_mode_name(enum nvidia_mode m);

/* Chains that were found good before, so that a device seen again costs one
 * signature. The caller's, zeroed to begin with, for one set of anchors; an
 * entry holds for these bytes of chain and lists, inside their window. */
enum {
	NVIDIA_KEPT_MAX = 1024, /* 128 nodes of eight */
	NVIDIA_IDENTITIES_MAX = 16,
	NVIDIA_ASKED_MAX = 64,
	NVIDIA_SIGNERS_MAX = 32
};
struct nvidia_kept {
	struct {
		uint8_t digest[32];
		struct window window;
		X509 *leaf;
	} at[NVIDIA_KEPT_MAX];
	size_t next; /* the entry to overwrite */
	/* Issuers that good chains have shown, whatever was then said of their
	 * revocation: those right below the root, which issue lists, and those
	 * about whose certificates a responder may be asked. For whoever takes
	 * in such lists and answers. NULL: free. */
	X509 *identities[NVIDIA_IDENTITIES_MAX];
	X509 *asked[NVIDIA_ASKED_MAX];
	/* The same of manifests: issuers in their signers' chains. */
	X509 *signers[NVIDIA_SIGNERS_MAX];
	size_t next_identity, next_asked, next_signer;
};
void nvidia_kept_clear(struct nvidia_kept *k); /* frees what it holds */
/* Notes the issuers of a manifest's signer; the chain is good. */
void nvidia_kept_signer(struct nvidia_kept *k, const struct chain *signer);

struct nvidia_rules {
	const struct anchors *anchors;
	struct revocation revocation;
	struct bytes nonce; /* the verifier's, 32 bytes */
	int64_t now_ms;
	struct nvidia_kept *kept; /* NULL: verify every chain anew */
};

struct nvidia_device {
	enum nvidia_kind kind;
	struct spdm_report report; /* borrows the evidence */
	uint8_t key[32];	   /* SHA-256 of the leaf's public key */
	char chip[32];		   /* of the leaf's name: GH100, LS10 */
	char driver[64];	   /* empty for a switch */
	char vbios[32];		   /* dotted */
	enum nvidia_mode mode;
	/* Identifiers of the switches that it is linked to (a switch: its
	 * own), each once, in ascending order. */
	uint8_t pdi[NVIDIA_PDIS_MAX][NVIDIA_PDI];
	unsigned pdis;
};

/* Report, chain, revocation, nonce, signature, firmware id, mode. Checks are
 * named nvidia.report, .chain, .revocation, .nonce, .signature, .fwid, .kind,
 * .mode. True when all held; *out may be used only then. */
bool nvidia_device_judge(struct verdict *v, const struct nvidia_rules *r,
    enum nvidia_kind kind, struct bytes evidence, struct text chain_pem,
    struct nvidia_device *out);

/* The facts of a device without judging anything: for the names of what must
 * be fetched to judge it. Nothing of it is proven. */
bool nvidia_device_peek(enum nvidia_kind kind, struct bytes evidence,
    struct text chain_pem, struct nvidia_device *out, struct fault *f);

/* The names of the OCSP answers (ocsp.h) that a chain's certificates offer;
 * how many. */
size_t nvidia_chain_answers(
    struct arena *a, const struct chain *c, const char *out[CHAIN_MAX]);
/* The same of a chain in PEM: none for one that cannot be read. */
size_t nvidia_answer_names(
    struct arena *a, struct text chain_pem, const char *out[CHAIN_MAX]);

/* The names of the manifests for a device, as NVIDIA's service knows them, in
 * the arena; NULL where the report lacks what makes the name. A switch has no
 * driver manifest. */
const char *nvidia_driver_rim_id(
    struct arena *a, const struct nvidia_device *d);
const char *nvidia_vbios_rim_id(struct arena *a, const struct nvidia_device *d);

/* Versions and product, then every active measurement. A manifest may be
 * NULL: then nothing is said about it. Checks: nvidia.driver_version,
 * .vbios_version, .product, .rim_conflict, .measurements. */
bool nvidia_manifests_judge(struct verdict *v, const struct nvidia_device *d,
    const struct rim *driver, const struct rim *vbios);

/* The GPUs of one machine: each its own device, of one mode, linked to the
 * same switches; as many as wanted (-1: at least one). Checks: nvidia.count,
 * .distinct, .modes_agree, .pdis_agree. */
bool nvidia_set_judge(struct verdict *v, const struct nvidia_device *gpus,
    size_t count, int64_t wanted);

/* Switches by themselves: each its own device with an id of its own; as many
 * as wanted (-1: at least one). Checks: nvswitch.count, .distinct. */
bool nvidia_switches_judge(struct verdict *v,
    const struct nvidia_device *switches, size_t count, int64_t wanted);

/* The switches are those that the GPUs name, all of them and no others.
 * Checks: nvswitch.distinct, nvswitch.topology. */
bool nvidia_topology_judge(struct verdict *v, const struct nvidia_device *gpus,
    size_t gpu_count, const struct nvidia_device *switches,
    size_t switch_count);

/* "HOPPER", "BLACKWELL", "LS10"; "UNKNOWN" for another chip. */
const char *nvidia_architecture(const struct nvidia_device *d);

#endif
