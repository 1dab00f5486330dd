/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See signing.h. Of each answer a running hash stands at some byte, and the
 * bytes behind it are kept: what the gateway can have seen ends among them,
 * as its window is bounded.
 */
#include "provider/signing.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/json.h"

#define PLACES 128 /* exchanges remembered */
/* Of each answer's end, not yet hashed: more than a gateway's window and its
 * buyer's backlog, so that what it has seen so far ends among these. */
#define TAIL_LEAST ((size_t)512 << 10)
#define TAIL_MOST (TAIL_LEAST + ((size_t)64 << 10))
#define QUESTION_BYTES 4096

struct place {
	uint64_t number; /* 0: none */
	char request_id[64];
	char model[257];
	uint8_t request[32];
	EVP_MD_CTX *hash; /* over the first `hashed` bytes */
	uint64_t hashed;
	struct evbuffer *tail; /* what follows them */
	bool is_stream, is_over;
};

struct signings {
	const struct signer *signer;
	uint64_t last;
	struct place at[PLACES];
};

struct signings *
signings_new(const struct signer *signer)
{
	struct signings *s = mem_new(sizeof(*s));

	s->signer = signer;
	return s;
}

static void
place_clear(struct place *p)
{
	EVP_MD_CTX_free(p->hash);
	if (p->tail != NULL)
		evbuffer_free(p->tail);
	memset(p, 0, sizeof(*p));
}

void
signings_free(struct signings **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < PLACES; i++)
		place_clear(&(*s)->at[i]);
	mem_free(*s);
	*s = NULL;
}

static struct place *
place_of(struct signing x)
{
	struct place *p;

	if (x.all == NULL)
		return NULL;
	p = &x.all->at[x.number % PLACES];
	return p->number == x.number ? p : NULL;
}

struct signing
signing_begin(struct signings *s, const char *request_id, const char *model,
    struct text request)
{
	struct signing x = {s, ++s->last};
	struct place *p = &s->at[x.number % PLACES];

	place_clear(p);
	p->number = x.number;
	if (!text_store(
		text_of(request_id), p->request_id, sizeof(p->request_id)) ||
	    !text_store(text_of(model), p->model, sizeof(p->model)))
		p->number = 0; /* nobody could ask for it */
	sha256(bytes_of(request.at, request.len), p->request);
	p->hash = EVP_MD_CTX_new();
	p->tail = evbuffer_new();
	if (p->hash == NULL || p->tail == NULL ||
	    EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL) != 1)
		abort();
	return x;
}

void
signing_head(struct signing x, const char *content_type)
{
	struct place *p = place_of(x);

	if (p != NULL)
		p->is_stream =
		    content_type != NULL &&
		    strncasecmp(content_type, "text/event-stream", 17) == 0;
}

/* Hashes the first `len` bytes of the tail into h. */
static void
hash_tail(EVP_MD_CTX *h, struct evbuffer *tail, size_t len)
{
	struct evbuffer_iovec *parts;
	int count = evbuffer_peek(tail, (ev_ssize_t)len, NULL, NULL, 0);

	if (len == 0 || count <= 0)
		return;
	parts = mem_array((size_t)count, sizeof(*parts));
	count = evbuffer_peek(tail, (ev_ssize_t)len, NULL, parts, count);
	for (int i = 0; i < count && len > 0; i++) {
		size_t n = parts[i].iov_len < len ? parts[i].iov_len : len;

		EVP_DigestUpdate(h, parts[i].iov_base, n);
		len -= n;
	}
	mem_free(parts);
}

static void
fold(struct place *p, size_t len)
{
	hash_tail(p->hash, p->tail, len);
	evbuffer_drain(p->tail, len);
	p->hashed += len;
}

void
signing_add(struct signing x, struct evbuffer *data)
{
	struct place *p = place_of(x);
	struct evbuffer_iovec part;
	struct evbuffer_ptr at;
	size_t len;

	if (p == NULL)
		return;
	evbuffer_ptr_set(data, &at, 0, EVBUFFER_PTR_SET);
	while (evbuffer_peek(data, -1, &at, &part, 1) > 0 && part.iov_len > 0) {
		evbuffer_add(p->tail, part.iov_base, part.iov_len);
		if (evbuffer_ptr_set(
			data, &at, part.iov_len, EVBUFFER_PTR_ADD) != 0)
			break;
	}
	len = evbuffer_get_length(p->tail);
	if (len > TAIL_MOST)
		fold(p, len - TAIL_LEAST);
}

void
signing_end(struct signing x)
{
	struct place *p = place_of(x);

	if (p != NULL)
		p->is_over = true;
}

/* -------------------------------------------------------------- signatures */

static struct place *
place_find(struct signings *s, const char *request_id)
{
	for (size_t i = 0; i < PLACES; i++)
		if (s->at[i].number != 0 &&
		    strcmp(s->at[i].request_id, request_id) == 0)
			return &s->at[i];
	return NULL;
}

static bool
hash_answer(const struct place *p, uint64_t bytes, uint8_t out[32])
{
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	bool ok = h != NULL && EVP_MD_CTX_copy_ex(h, p->hash) == 1;

	if (ok) {
		hash_tail(h, p->tail, (size_t)(bytes - p->hashed));
		ok = EVP_DigestFinal_ex(h, out, NULL) == 1;
	}
	EVP_MD_CTX_free(h);
	return ok;
}

bool
signing_sign(struct signings *s, const char *request_id, uint64_t bytes,
    struct signed_exchange *out, struct fault *f)
{
	struct place *p = place_find(s, request_id);
	char request[HEX_SIZE(32)], response[HEX_SIZE(32)];
	uint8_t hash[32];
	uint64_t all;

	if (p == NULL)
		return fault_set(
		    f, FAULT_NOT_FOUND, "no such exchange is remembered");
	all = p->hashed + evbuffer_get_length(p->tail);
	out->complete = p->is_over && bytes == all;
	if (bytes < p->hashed || bytes > all ||
	    (!out->complete && !p->is_stream))
		return fault_set(f, FAULT_REFUSED,
		    "this part of the answer cannot be signed");
	if (!hash_answer(p, bytes, hash))
		return fault_set(f, FAULT_INTERNAL, "no hash");
	hex_encode(bytes_of(p->request, 32), request);
	hex_encode(bytes_of(hash, 32), response);
	snprintf(out->text, sizeof(out->text), "%s:%s:%s", p->model, request,
	    response);
	signer_sign(s->signer, text_of(out->text), out->signature);
	return true;
}

static const char *
answer_of(struct signings *s, struct http_request *r, int *status)
{
	struct signed_exchange x;
	struct text t = {.len = evbuffer_get_length(r->body)};
	const char *id, *said;
	json_t *j = NULL, *o;
	struct fault f = {0};
	int64_t bytes;
	bool ok;

	t.at = (const char *)evbuffer_pullup(r->body, -1);
	ok =
	    json_read(t, QUESTION_BYTES, &j, &f) &&
	    json_get_string(j, "request_id", 63, &id, FAULT_INVALID, &f) &&
	    json_get_int(j, "bytes", 0, INT64_MAX, &bytes, FAULT_INVALID, &f) &&
	    (s != NULL || fault_set(&f, FAULT_NOT_FOUND, "no signer")) &&
	    signing_sign(s, id, (uint64_t)bytes, &x, &f);
	*status = ok			      ? 200
		  : f.kind == FAULT_NOT_FOUND ? 404
		  : f.kind == FAULT_REFUSED   ? 409
					      : 400;
	if (ok)
		o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "text", x.text,
		    "signature", x.signature, "signing_address",
		    signer_address_text(s->signer), "signing_algo", "ecdsa",
		    "bytes", (json_int_t)bytes, "complete", x.complete);
	else
		o = json_pack("{s:{s:s, s:s, s:s, s:n}}", "error", "message",
		    f.why, "type", "invalid_request_error", "code",
		    fault_code(f.kind), "param");
	said = json_write(r->arena, o);
	json_free(&o);
	json_free(&j);
	return said;
}

void
signing_serve(struct signings *s, struct http_request *r)
{
	int status;
	const char *said = answer_of(s, r, &status);

	http_reply_text(&r, status, "application/json", said);
}
