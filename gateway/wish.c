/* SPDX-License-Identifier: Apache-2.0 */
/* See wish.h: the two forms in which it comes. */
#include "gateway/wish.h"

#include <string.h>

#include "attestation/binding.h"
#include "base/codec.h"
#include "base/json.h"
#include "gateway/endpoint.h"

#define BODY_MAX 4096
#define MODEL_MAX 200

static bool
read_nonce(const char *hex, struct wish *w, struct fault *f)
{
	uint8_t nonce[BINDING_NONCE];

	if (!binding_nonce_read(text_of(hex), nonce, f)) {
		f->kind = FAULT_INVALID_REQUEST;
		return false;
	}
	hex_encode(bytes_of(nonce, sizeof(nonce)), w->nonce);
	return true;
}

bool
wish_read(struct text body, struct arena *a, struct wish *w, struct fault *f)
{
	const enum fault_kind k = FAULT_INVALID_REQUEST;
	const char *nonce;
	json_t *j = NULL;
	bool ok;

	memset(w, 0, sizeof(*w));
	ok = json_read(body, BODY_MAX, &j, f) &&
	     json_get_string(j, "model_id", MODEL_MAX, &w->model, k, f) &&
	     json_get_string(j, "nonce", 64, &nonce, k, f) &&
	     read_nonce(nonce, w, f);
	w->model = ok ? arena_string(a, w->model) : NULL;
	json_free(&j);
	return ok;
}

bool
wish_of_query(
    const char *query, struct arena *a, struct wish *w, struct fault *f)
{
	const char *nonce = endpoint_parameter(query, "nonce", a);
	const char *algorithm = endpoint_parameter(query, "signing_algo", a);
	const char *collateral = endpoint_parameter(query, "collateral", a);

	memset(w, 0, sizeof(*w));
	w->model = endpoint_parameter(query, "model", a);
	if (w->model == NULL || nonce == NULL)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "give model and nonce as parameters");
	if (algorithm != NULL && strcmp(algorithm, "ecdsa") != 0)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "workers here sign with ecdsa alone");
	w->collateral = collateral != NULL && strcmp(collateral, "true") == 0;
	if (collateral != NULL && !w->collateral &&
	    strcmp(collateral, "false") != 0)
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "collateral is true or false");
	return read_nonce(nonce, w, f);
}
