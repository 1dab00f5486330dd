/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with a worker that signs: the request's and the answer's bytes
 * and the signature over both hashes. By itself it is worth what its signer
 * is worth: a policy names the signer, or evidence binds the signer's key.
 */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include "attestation/eip191.h"
#include "attestation/verdict.h"
#include "client/command.h"

struct exchange {
	struct chat_signature signature;
	struct fault unread; /* why there is no signature; else FAULT_NONE */
	struct bytes request;
	struct bytes response;
	struct text model; /* --model, or empty */
};

#define EXCHANGE_OPTIONS                                                       \
	{"request", "FILE", "the request's body, byte for byte"},              \
	    {"response", "FILE", "the response's body, byte for byte"},        \
	    {"signature", "FILE", "JSON as GET /v1/signature/{id} gives it"},  \
	{                                                                      \
		"id", "ID", "instead: ask the gateway for the signature"       \
	}

/* Whether the call names one. */
bool exchange_is_given(const struct cli *c);
/* A signature that is no signature is kept as e->unread, for the verdict. */
bool exchange_read(const struct cli *c, struct exchange *out, struct fault *f);

/* Pure: a signature as GET /v1/signature/{id} gives it. */
bool exchange_signature_read(struct arena *a, struct text file,
    struct chat_signature *out, struct fault *f);

/* The signature, both hashes and the model, as checks; false where the
 * signature itself does not hold. Whose it is, the caller checks next. */
bool exchange_check(const struct exchange *e, struct verdict *v);
/* The signer in one spelling: lower case, with 0x for an address. */
const char *exchange_signer(const struct exchange *e, struct verdict *v);

#endif
