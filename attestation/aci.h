/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACI, the attested inference interface of the private AI gateway: digests of
 * canonical JSON (RFC 8785), the statement that a quote's report data binds,
 * and receipts signed with Ed25519 by a key of the attested key set.
 */
#ifndef ATTESTATION_ACI_H
#define ATTESTATION_ACI_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum { ACI_DOCUMENT_MAX = 256 * 1024, ACI_EVENTS_MAX = 64 };

/* The canonical text of a JSON document, in the arena; NULL (with a fault)
 * where it is no JSON or holds a number that is not an integer. */
const char *aci_canonical(struct arena *a, struct text json, struct fault *f);
/* SHA-256 of it. */
bool aci_digest(struct text json, uint8_t out[32], struct fault *f);

/* SHA-256 of {keyset_digest, nonce, purpose} ‖ 32 zeros; an empty nonce is
 * null. The digest is that of the key set. */
void aci_report_data(
    const uint8_t keyset_digest[32], struct text nonce, uint8_t out[64]);

struct aci_receipt {
	const char *chat_id; /* all in the arena; "" where absent */
	const char *model;
	const char *receipt_id;
	const char *session_id; /* of the upstream's verification */
	bool upstream_verified;
	uint8_t request[32]; /* hash of the body as received */
	uint8_t response[32];
	int64_t served_at; /* Unix seconds */
};

/* The receipt is signed by an Ed25519 key of this very key set, which it
 * names by id and digest, inside the key set's validity. Faults: INVALID,
 * CONFLICT (another key set), NOT_FOUND (key), TAMPERED, EXPIRED. What it
 * says is then the gateway's word, as far as the key set is attested. */
bool aci_receipt_read(struct arena *a, struct text receipt, struct text keyset,
    struct aci_receipt *out, struct fault *f);

#endif
