/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's reference integrity manifests: SWID tags (ISO/IEC 19770-2) with
 * golden measurements, signed inside (XML signature, enveloped). A manifest
 * comes out of here only as a whole: shape, signature, signer's chain to the
 * pinned root, validity and revocation have then all been checked.
 */
#ifndef ATTESTATION_RIM_H
#define ATTESTATION_RIM_H

#include "attestation/anchors.h"
#include "attestation/chain.h"
#include "attestation/revocation.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum {
	RIM_BYTES_MAX = 512 * 1024,
	RIM_INDEX_MAX = 253, /* index i stands for report block i + 1 */
	RIM_ALTERNATIVES_MAX = 16,
	RIM_DIGEST = 48
};

struct rim_entry {
	bool listed;
	bool active;
	unsigned alternatives;
	const uint8_t (*value)[RIM_DIGEST];
};

struct rim {
	char version[64]; /* of the driver or the VBIOS */
	char edition[32]; /* GPU or SWITCH */
	char product[32]; /* GH100, LS10, … */
	struct rim_entry entry[RIM_INDEX_MAX + 1];
	unsigned active;
	struct window signer; /* of the signer's chain */
	struct window window; /* of that, and of lists and answers */
	/* Lists and answers at hand stand for all of the signer's chain. */
	bool covered;
};

struct rim_rules {
	const struct anchors *anchors;
	const struct revocation *revocation; /* NULL: not asked */
	int64_t now_ms;
};

/* Values live in the arena. Faults: INVALID (not this shape, a DTD, an index
 * twice), UNSUPPORTED (another algorithm or reference than NVIDIA's),
 * TAMPERED (signature), and those of the chain and of revocation. */
bool rim_read(struct arena *a, struct bytes xml, const struct rim_rules *r,
    struct rim *out, struct fault *f);
/* The same; where it holds, the caller owns the signer's chain. */
bool rim_read_signed(struct arena *a, struct bytes xml,
    const struct rim_rules *r, struct rim *out, struct chain *signer,
    struct fault *f);
/* Whether a signer whose chain holds stands unrevoked, as far as is asked and
 * known: sets the rim's window and covered. The faults of revocation. */
bool rim_signer_ask(const struct chain *signer, const struct rim_rules *r,
    struct rim *rim, struct fault *f);
/* The certificates that a manifest carries, of which nothing is proven: for
 * the names of what to fetch. The caller owns the chain. */
bool rim_signer_peek(struct bytes xml, struct chain *signer, struct fault *f);

#endif
