/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the body of a request to assay-auth: a gateway's order, with
 * claims that are checked and signed, a device's with a code and without. All
 * that is refused is refused as the caller's mistake.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "auth/server/order.h"
#include "auth/server/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
expect_mistake(const struct fault *f)
{
	int status = reply_status(f->kind);

	if (f->why[0] == '\0' || status < 400 || status >= 500)
		abort();
}

static void
order_handoff(struct arena *a, const json_t *body)
{
	static struct ec_key *key; /* the fuzzer's own process */
	struct handoff_claims c = {.iss = "https://auth.test",
	    .jti = "0196c5f0-0000-7000-8000-000000000000",
	    .iat = 1700000000};
	struct jwt_signer s;
	struct fault f = {0};
	char *token = NULL;

	if (key == NULL)
		key = ec_key_generate();
	s = jwt_signer_of(key);
	if (!handoff_order_read(body, &c, &f) ||
	    !handoff_make(a, &s, &c, &token, &f))
		expect_mistake(&f);
	else if (token == NULL || !text_is_did(text_of(c.aud)))
		abort();
}

static void
order_device(const json_t *body, uint8_t *code_sha256)
{
	char did[DEVICE_DID_TEXT];
	struct fault f = {0};
	struct ec_key *key;

	if (device_order_read(body, code_sha256, &key, &f)) {
		device_did(key, did);
		if (!text_is_did(text_of(did)))
			abort();
	} else if (key != NULL) {
		abort();
	} else {
		expect_mistake(&f);
	}
	ec_key_free(&key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct http_request r = {.body = evbuffer_new(), .arena = arena_new()};
	uint8_t code_sha256[32];
	json_t *body = NULL;
	struct fault f = {0};

	evbuffer_add(r.body, at, len);
	if (body_read(&r, HANDOFF_ORDER_MAX, &body, &f)) {
		order_handoff(r.arena, body);
		order_device(body, code_sha256);
		order_device(body, NULL);
	} else {
		expect_mistake(&f);
	}
	json_free(&body);
	evbuffer_free(r.body);
	arena_free(&r.arena);
	return 0;
}
