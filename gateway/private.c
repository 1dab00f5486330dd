/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private exchange: the buyer's bytes go unchanged to a worker whose
 * evidence was verified, and the worker's come back unchanged, hashed here as
 * they pass. When the answer is over, or cut, the worker is asked to sign both
 * hashes (the steps SIGN and SIGNED); a whole answer that it does not sign as
 * its evidence says is its failure.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "gateway/exchange_priv.h"

#define HEAD_MAX 16384 /* of an answer, in which its own id is looked for */

struct private_part {
	EVP_MD_CTX *hash; /* over what was sent to the buyer */
	uint64_t sent;
	char head[HEAD_MAX]; /* how that begins */
	size_t head_len;
	char
	    address[OFFER_ADDRESS]; /* bound by the evidence of the way taken */
	char image[OFFER_DIGEST];
	bool is_asked;
	const char *text, *signature; /* once it is signed */
	struct fault fault;	      /* why it is not */
	bool is_signed;
};

static void
on_sent(void *arg, const void *at, size_t len)
{
	struct exchange *x = arg;
	struct private_part *p = x->private;
	size_t room = HEAD_MAX - p->head_len;

	EVP_DigestUpdate(p->hash, at, len);
	p->sent += len;
	memcpy(p->head + p->head_len, at, len < room ? len : room);
	p->head_len += len < room ? len : room;
}

/* Before each try: the keys of the last one are not those of this. */
static struct private_part *
part_new(struct exchange *x)
{
	struct private_part *p;

	private_free(x);
	p = x->private = arena_alloc(x->arena, sizeof(*p));
	p->hash = EVP_MD_CTX_new();
	if (p->hash == NULL ||
	    EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL) != 1)
		abort();
	return p;
}

bool
private_begin(struct exchange *x, struct relay_order *o)
{
	const struct offer_source *s =
	    offers_source(x->house->offers, x->route.session);
	struct private_part *p = part_new(x);

	if (s == NULL || s->signing_address[0] == '\0') {
		x->relayed.end = RELAY_FAILED;
		return fault_set(&x->relayed.fault, FAULT_NO_VERIFIED_PROVIDER,
		    "its evidence binds no key that could sign");
	}
	memcpy(p->address, s->signing_address, sizeof(p->address));
	memcpy(p->image, s->image_digest, sizeof(p->image));
	o->is_exact = true;
	o->on_sent = on_sent;
	o->holding = &x->house->holding;
	o->holding_most = x->house->settings->private_held;
	return true;
}

void
private_free(struct exchange *x)
{
	if (x->private != NULL)
		EVP_MD_CTX_free(x->private->hash);
	x->private = NULL; /* the arena has it */
}

bool
private_is_unsigned(const struct exchange *x)
{
	const struct private_part *p = x->private;
	const struct relay_result *r = &x->relayed;

	return p != NULL && !p->is_asked && r->status >= 200 &&
	       r->status < 300 &&
	       (r->end == RELAY_WHOLE || r->end == RELAY_TRUNCATED);
}

/* ------------------------------------------------------------------ signing */

static void
hash_request(struct exchange *x, uint8_t out[32])
{
	struct text body = exchange_body(x);

	sha256(bytes_of(body.at, body.len), out);
}

/* What the buyer will have: all that was sent, and of a whole answer what is
 * still held. */
static void
hash_held(struct exchange *x)
{
	size_t len = evbuffer_get_length(x->held);

	if (len > 0)
		on_sent(x, evbuffer_pullup(x->held, -1), len);
}

static struct pending *
take(struct exchange *x, signatures_answer *fn)
{
	struct private_part *p = x->private;
	char chat_id[SIGNATURE_CHAT_ID_MAX + 1];
	struct signature_order o = {
	    .path = presence_find(x->house->presence, x->route.session),
	    .account = x->principal.account,
	    .request_id = x->id,
	    .did = x->route.did,
	    .wish = {.model = x->query.model_asked, .address = p->address},
	    .is_whole =
		x->relayed.end == RELAY_WHOLE && x->fault.kind == FAULT_NONE,
	    .is_sent = client_is_started(x->client)};

	if (signature_chat_id(
		(struct text){p->head, p->head_len}, x->query.stream, chat_id))
		o.chat_id = chat_id;
	hash_request(x, o.wish.request);
	EVP_DigestFinal_ex(p->hash, o.wish.response, NULL);
	o.wish.bytes = p->sent;
	p->is_asked = true;
	return signatures_take(x->house->signatures, &o, fn, x);
}

static void
on_signature(void *arg, const struct signature_row *row, const struct fault *f)
{
	struct exchange *x = arg;
	struct private_part *p = x->private;

	x->question = NULL;
	p->is_signed = row != NULL;
	if (row != NULL) {
		p->text = arena_string(x->arena, row->text);
		p->signature = arena_string(x->arena, row->signature);
	} else {
		p->fault = *f;
	}
	exchange_advance(x);
}

enum step
private_ask(struct exchange *x)
{
	if (x->relayed.end == RELAY_WHOLE)
		hash_held(x);
	x->question = take(x, on_signature);
	return WAIT;
}

/* A cut answer stays what it is; a whole one that is not signed is not. */
enum step
private_got(struct exchange *x)
{
	struct relay_result *r = &x->relayed;

	if (!client_is_started(x->client) && r->first_byte_us != 0)
		x->first_byte_us = r->first_byte_us - x->began_us;
	if (!x->private->is_signed && r->end == RELAY_WHOLE) {
		r->end = client_is_started(x->client) ? RELAY_TRUNCATED
						      : RELAY_FAILED;
		r->fault = x->private->fault;
		evbuffer_drain(x->held, evbuffer_get_length(x->held));
	}
	return RELAYED;
}

void
private_left(struct exchange *x)
{
	if (x->private != NULL && !x->private->is_asked &&
	    client_is_started(x->client))
		take(x, NULL);
}

/* ---------------------------------------------------------------- answering */

void
private_add_fields(const struct exchange *x, struct http_fields *fs)
{
	const struct private_part *p = x->private;

	if (p == NULL)
		return;
	http_fields_add(fs, x->arena, "signing_address", p->address);
	http_fields_add(fs, x->arena, "signing_algo", "ecdsa");
	if (p->image[0] != '\0')
		http_fields_add(fs, x->arena, "image_digest", p->image);
	if (!p->is_signed)
		return;
	http_fields_add(fs, x->arena, "text", p->text);
	http_fields_add(fs, x->arena, "signature", p->signature);
}

/* What a buyer's socket has not taken yet: it outlives the exchange, and
 * counts among what the worker holds. */
struct untaken {
	size_t *holding;
	size_t counted;
	struct evbuffer *held;
};

static void
on_taken(const void *at, size_t len, void *arg)
{
	struct untaken *u = arg;

	(void)at;
	(void)len;
	*u->holding -= u->counted;
	evbuffer_free(u->held);
	mem_free(u);
}

/* The same bytes, lent: they are counted until the last of them is gone. */
static struct evbuffer *
lend(struct exchange *x)
{
	struct untaken *u = mem_new(sizeof(*u));
	struct evbuffer *out = evbuffer_new();

	*u = (struct untaken){&x->house->holding, x->holding, x->held};
	x->held = evbuffer_new();
	x->holding = 0;
	evbuffer_add_reference(out, evbuffer_pullup(u->held, -1),
	    evbuffer_get_length(u->held), on_taken, u);
	return out;
}

void
private_answer(struct exchange *x)
{
	struct http_fields fields = x->relayed.fields;
	struct evbuffer *body;

	attempt_start(x, &fields);
	client_start(x->client, x->relayed.status, &fields);
	if (evbuffer_get_length(x->held) > 0) {
		body = lend(x);
		client_write(x->client, body);
		evbuffer_free(body);
	}
	client_end(x->client);
}
