/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker signs of private exchanges: the model asked for and the
 * hashes of the request and of the answer, byte for byte as they passed. The
 * gateway asks for the signature when the answer is over, and for how many of
 * its bytes, as of a stream that was cut only a part may have reached the
 * buyer. Bounded: the oldest exchange is forgotten for a new one.
 */
#ifndef PROVIDER_SIGNING_H
#define PROVIDER_SIGNING_H

#include "base/http.h"
#include "provider/signer.h"

#define SIGNING_FIELD "x-assay-private" /* "1": leave it as it is and sign */

struct signings;
struct signings *signings_new(const struct signer *signer); /* borrowed */
void signings_free(struct signings **s);

/* One exchange, fed by its bridge; a plain value that names a place. */
struct signing {
	struct signings *all; /* NULL: this exchange is not signed */
	uint64_t number;
};
/* Begins one. The texts are copied. */
struct signing signing_begin(struct signings *s, const char *request_id,
    const char *model, struct text request);
/* A head came: only of a stream may less than the whole be signed. */
void signing_head(struct signing x, const char *content_type);
void signing_add(struct signing x, struct evbuffer *data); /* copied */
/* The answer is whole. */
void signing_end(struct signing x);

struct signed_exchange {
	char text[256 + 1 + 64 + 1 + 64 + 1];
	char signature[SIGNATURE_TEXT];
	bool complete; /* these are all bytes of a whole answer */
};
/* Signs the first `bytes` of the answer. Fails NOT_FOUND for an exchange that
 * is not (or no longer) known, and REFUSED where so many bytes cannot be
 * signed. */
bool signing_sign(struct signings *s, const char *request_id, uint64_t bytes,
    struct signed_exchange *out, struct fault *f);

/* POST /.well-known/assay/signature {"request_id", "bytes"}. s may be NULL. */
void signing_serve(struct signings *s, struct http_request *r);

#endif
