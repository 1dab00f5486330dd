/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both of Apple's attestation objects are made of: a CBOR map of format
 * and statement, whose x5c chains under one of Apple's roots. A device that
 * passes is device-attested; that is not a memory-encrypted TEE, and nothing
 * here measures the program that runs or its memory.
 */
#ifndef ATTESTATION_APPLE_H
#define ATTESTATION_APPLE_H

#include "attestation/anchors.h"
#include "attestation/chain.h"
#include "attestation/verdict.h"
#include "base/fault.h"
#include "base/text.h"

enum { APPLE_OBJECT_MAX = 64 * 1024, APPLE_CHAIN_MAX = 4 };

struct apple_object {
	struct text format;
	struct bytes x5c[APPLE_CHAIN_MAX]; /* leaf first, as sent */
	size_t certificates;
	struct bytes receipt;	/* App Attest; not looked at */
	struct bytes auth_data; /* App Attest; empty where there is none */
};

/* The whole of `raw` is one map {fmt, attStmt {x5c[, receipt]}[, authData]},
 * each member once and no other. Fails INVALID. Borrows. */
bool apple_object_read(
    struct bytes raw, struct apple_object *out, struct fault *f);

struct apple_chain_rules {
	const struct anchors *anchors;
	enum anchor_kind anchor;
	int64_t now_ms;
	const char *check; /* name of the check in the verdict */
};

/* The certificates followed by the pinned root, walked at that time. On
 * success *leaf is the first one, which the caller frees. */
bool apple_chain_judge(struct verdict *v, const struct apple_object *o,
    const struct apple_chain_rules *r, X509 **leaf);

/* The uncompressed point of a P-256 key (65 bytes). */
bool apple_point(X509 *leaf, uint8_t out[65]);

#endif
