/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's signature over one private exchange: what it must be over, and
 * the judging of what a provider gives. Pure. Nothing is handed on that was
 * not signed by the key its evidence binds, over these very bytes.
 */
#ifndef GATEWAY_SIGNATURE_H
#define GATEWAY_SIGNATURE_H

#include "base/mem.h"
#include "gateway/attestation_db.h"

#define SIGNATURE_ANSWER_MAX 4096
#define SIGNATURE_CHAT_ID_MAX 200

/* What was seen here of the exchange. */
struct signature_wish {
	const char *model;    /* as the buyer named it */
	uint8_t request[32];  /* SHA-256 of the body as it came */
	uint8_t response[32]; /* and of the answer as it went out */
	uint64_t bytes;	      /* of that answer */
	const char *address;  /* bound by the provider's evidence */
};

/* {"text", "signature", "signing_address", "signing_algo"}: fills those four
 * of *out, in the arena. Fails SIGNATURE_INVALID. */
bool signature_read(struct text json, const struct signature_wish *w,
    struct arena *a, struct signature_row *out, struct fault *f);

/* The id that the answer itself carries, from its first bytes: the member
 * `id` of a JSON document, or of the first event of a stream. False where
 * there is none that could be asked for, or one that could be mistaken for
 * one of ours. */
bool signature_chat_id(
    struct text head, bool is_stream, char out[SIGNATURE_CHAT_ID_MAX + 1]);

#endif
