/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as CBOR, as Apple's objects and as an assertion: what is read
 * lies inside the input, and nothing is verified.
 */
#include <stdlib.h>

#include "attestation/app_attest.h"
#include "attestation/apple_mda.h"
#include "attestation/cbor_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
inside(struct bytes b, const uint8_t *at, size_t len)
{
	if (b.len > 0 && (b.at < at || b.at + b.len > at + len))
		abort();
}

static void
objects(struct arena *a, struct bytes raw)
{
	static const uint8_t hash[32];
	static const uint8_t point[65] = {4};
	struct app_attest_rules app = {.anchors = anchors_pinned(),
	    .app_id = text_of("T.app"),
	    .client_data_hash = bytes_of(hash, 32),
	    .allow_production = true,
	    .now_ms = 1768435200000};
	struct apple_mda_rules mda = {.anchors = anchors_pinned(),
	    .freshness = bytes_of(hash, 32),
	    .now_ms = 1768435200000};
	struct app_assertion_rules assertion = {.app_id = text_of("T.app"),
	    .client_data_hash = bytes_of(hash, 32),
	    .point = point};
	struct app_attest_facts app_facts;
	struct apple_mda_facts mda_facts;
	struct verdict v;
	uint32_t counter;

	verdict_init(&v, a, 0);
	if (app_attest_judge(&v, &app, raw, &app_facts) ||
	    apple_mda_judge(&v, &mda, raw, &mda_facts) ||
	    app_assertion_judge(&v, &assertion, raw, &counter))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct bytes in = bytes_of(at, len), rest = in;
	struct arena *a = arena_new();
	struct cbor_read_item item;
	struct apple_object o;

	while (cbor_read_next(&rest, &item))
		inside(item.content, at, len);
	rest = in;
	if (cbor_read_skip(&rest))
		inside(rest, at, len);
	if (apple_object_read(in, &o, NULL)) {
		inside(o.auth_data, at, len);
		for (size_t i = 0; i < o.certificates; i++)
			inside(o.x5c[i], at, len);
	}
	objects(a, in);
	arena_free(&a);
	return 0;
}
