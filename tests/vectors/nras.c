/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of NVIDIA's remote attestation service: an answer and a key set. */
#include "attestation/nras.h"

#include "base/codec.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

/* A case of its own making names the certificate that its key set ends at. */
static bool
judge(struct vector *x, struct anchors *anchors)
{
	const char *root = vector_string(x, "root");
	uint8_t nonce[32];
	struct nras_rules r = {.anchors = anchors};
	struct bytes answer, jwks;
	struct fault f = {0};
	struct verdict v;
	json_t *j = NULL;

	if (!vector_member_file(x, "token", &answer) ||
	    !vector_member_file(x, "jwks", &jwks) ||
	    !vector_time(x, &r.now_ms) ||
	    (root != NULL &&
		!vector_anchor(x, anchors, ANCHOR_NRAS_INTERMEDIATE, root)))
		return false;
	if (!hex_decode(
		text_of(vector_string(x, "nonce")), nonce, sizeof(nonce), NULL))
		return vector_fail(x, "the nonce is not 32 bytes");
	r.nonce = bytes_of(nonce, sizeof(nonce));
	r.devices = -1;
	if (json_is_integer(json_object_get(x->c, "devices")))
		r.devices =
		    json_integer_value(json_object_get(x->c, "devices"));
	r.kept = x->tokens;
	verdict_init(&v, x->a, r.now_ms);
	if (verdict_check_fault(&v,
		json_read((struct text){(const char *)answer.at, answer.len},
		    NRAS_ANSWER_MAX, &j, &f),
		"nras.answer", SOURCE_PROVIDER, &f))
		nras_judge(
		    &v, &r, j, (struct text){(const char *)jwks.at, jwks.len});
	json_free(&j);
	verdict_conclude(&v);
	return vector_expect(x, &v, vector_string(x, "expect"));
}

bool
vector_nras(struct vector *x)
{
	struct anchors *anchors = anchors_test_new();
	bool passed = judge(x, anchors);

	anchors_test_free(&anchors);
	return passed;
}
