/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of an attestation service of our own: an RSA intermediate as its
 * pinned key, a P-384 signing key in a key set, tokens for two devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/nras.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"
#include "tests/unit/attestation_forge.h"

#define NONCE "0101010101010101010101010101010101010101010101010101010101010101"

struct service {
	struct arena *a;
	struct anchors *anchors;
	struct forged ca, signer;
	struct nras_rules rules;
	const char *jwks;
	/* What the tests change before an answer is made. */
	const char *header, *issuer, *claim, *measured, *debug, *device_nonce,
	    *ueid[2];
	int64_t iat, nbf, exp;
	bool overall;
};

static uint8_t nonce[32];

static const char *
base64url(struct service *s, const void *at, size_t len)
{
	char *out = arena_alloc(s->a, BASE64_SIZE(len));

	base64url_encode(bytes_of(at, len), out);
	return out;
}

static const char *
certificate(struct service *s, X509 *x)
{
	struct bytes der = forged_der(s->a, x);
	char *out = arena_alloc(s->a, BASE64_SIZE(der.len));

	base64_encode(der, out);
	return out;
}

/* A key set with the signer's certificate and the point of `key`. */
static const char *
key_set(struct service *s, EVP_PKEY *key, const char *kid)
{
	uint8_t point[97];

	assert_int_equal(forged_point(key, point), 97);
	return arena_printf(s->a,
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"%s\","
	    "\"x\":\"%s\",\"y\":\"%s\",\"x5c\":[\"%s\",\"%s\"]}]}",
	    kid, base64url(s, point + 1, 48), base64url(s, point + 49, 48),
	    certificate(s, s->signer.x509), certificate(s, s->ca.x509));
}

static int
service_make(void **state)
{
	struct service *s = mem_new(sizeof(*s));

	memset(nonce, 1, sizeof(nonce));
	s->a = arena_new();
	forge(&s->ca, NULL, &(struct forge_wish){.name = "CA", .ca = true});
	forge(&s->signer, &s->ca,
	    &(struct forge_wish){.name = "signer", .curve = "P-384"});
	s->anchors = anchors_test_new();
	anchors_test_set(s->anchors, ANCHOR_NRAS_INTERMEDIATE, s->ca.x509);
	s->jwks = key_set(s, s->signer.key, "k1");
	*state = s;
	return 0;
}

static int
service_free(void **state)
{
	struct service *s = *state;

	forged_free(&s->ca);
	forged_free(&s->signer);
	anchors_test_free(&s->anchors);
	arena_free(&s->a);
	mem_free(s);
	return 0;
}

static void
sound(struct service *s)
{
	s->header = "{\"alg\":\"ES384\",\"kid\":\"k1\"}";
	s->issuer = NRAS_ISSUER;
	s->claim = "x-nvidia-gpu-arch-check";
	s->measured = "success";
	s->debug = "disabled";
	s->device_nonce = NONCE;
	s->ueid[0] = "11";
	s->ueid[1] = "22";
	s->iat = s->nbf = FORGE_NOW - 60;
	s->exp = FORGE_NOW + 3540;
	s->overall = true;
	s->rules = (struct nras_rules){.anchors = s->anchors,
	    .nonce = bytes_of(nonce, sizeof(nonce)),
	    .now_ms = FORGE_NOW_MS,
	    .devices = 2};
}

static const char *
token(struct service *s, const char *claims)
{
	const char *head = base64url(s, s->header, strlen(s->header));
	const char *body = base64url(s, claims, strlen(claims));
	const char *text = arena_printf(s->a, "%s.%s", head, body);
	uint8_t rs[96];

	forge_sign(
	    s->signer.key, EVP_sha384(), bytes_of(text, strlen(text)), rs, 48);
	return arena_printf(s->a, "%s.%s", text, base64url(s, rs, 96));
}

static const char *
device_token(struct service *s, int i)
{
	static const char *const others[] = {"secboot",
	    "x-nvidia-gpu-attestation-report-parsed",
	    "x-nvidia-gpu-attestation-report-nonce-match",
	    "x-nvidia-gpu-attestation-report-signature-verified",
	    "x-nvidia-gpu-attestation-report-cert-chain-validated",
	    "x-nvidia-gpu-driver-rim-fetched",
	    "x-nvidia-gpu-driver-rim-schema-validated",
	    "x-nvidia-gpu-driver-rim-signature-verified",
	    "x-nvidia-gpu-driver-rim-cert-validated",
	    "x-nvidia-gpu-driver-rim-measurements-available",
	    "x-nvidia-gpu-vbios-rim-fetched",
	    "x-nvidia-gpu-vbios-rim-schema-validated",
	    "x-nvidia-gpu-vbios-rim-signature-verified",
	    "x-nvidia-gpu-vbios-rim-cert-validated",
	    "x-nvidia-gpu-vbios-rim-measurements-available",
	    "x-nvidia-gpu-vbios-index-no-conflict"};
	const char *claims = arena_printf(s->a,
	    "{\"iss\":\"%s\",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,"
	    "\"eat_nonce\":\"%s\",\"measres\":\"%s\",\"dbgstat\":"
	    "\"%s\",\"ueid\":\"%s\",\"%s\":true",
	    s->issuer, (long long)s->iat, (long long)s->nbf, (long long)s->exp,
	    s->device_nonce, s->measured, s->debug, s->ueid[i], s->claim);

	for (size_t n = 0; n < sizeof(others) / sizeof(*others); n++)
		claims =
		    arena_printf(s->a, "%s,\"%s\":true", claims, others[n]);
	return token(s, arena_printf(s->a, "%s}", claims));
}

static const char *
digest_of(struct service *s, const char *text)
{
	uint8_t digest[32];
	char *hex = arena_alloc(s->a, HEX_SIZE(32));

	sha256(bytes_of(text, strlen(text)), digest);
	hex_encode(bytes_of(digest, 32), hex);
	return hex;
}

/* The answer, with the second device's token as given where it is. */
static const char *
answer(struct service *s, const char *second)
{
	const char *one = device_token(s, 0), *two = device_token(s, 1);
	const char *overall = token(s,
	    arena_printf(s->a,
		"{\"iss\":\"%s\",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,"
		"\"eat_nonce\":\"" NONCE "\",\"x-nvidia-overall-att-result\":"
		"%s,\"submods\":{\"GPU-0\":[\"DIGEST\",[\"SHA-256\",\"%s\"]],"
		"\"GPU-1\":[\"DIGEST\",[\"SHA-256\",\"%s\"]]}}",
		s->issuer, (long long)s->iat, (long long)s->nbf,
		(long long)s->exp, s->overall ? "true" : "false",
		digest_of(s, one), digest_of(s, two)));

	return arena_printf(s->a,
	    "[[\"JWT\",\"%s\"],{\"GPU-0\":\"%s\",\"GPU-1\":\"%s\"}]", overall,
	    one, second != NULL ? second : two);
}

static void
judged(struct service *s, const char *text, const char *check,
    enum verdict_code code)
{
	struct verdict v;
	struct fault f = {0};
	json_t *j = NULL;

	assert_true(json_read(text_of(text), strlen(text), &j, &f));
	verdict_init(&v, s->a, FORGE_NOW_MS);
	nras_judge(&v, &s->rules, j, text_of(s->jwks));
	json_free(&j);
	verdict_conclude(&v);
	if (strcmp(v.failed != NULL ? v.failed : "", check) != 0)
		fail_msg(
		    "refused by %s (%s), wanted %s", v.failed, v.why, check);
	assert_int_equal(v.code, code);
	assert_int_equal(v.outcome == VERDICT_VERIFIED, *check == '\0');
}

static void
a_sound_answer_is_taken(void **state)
{
	struct service *s = *state;

	sound(s);
	judged(s, answer(s, NULL), "", CODE_OK);
	s->rules.devices = -1;
	judged(s, answer(s, NULL), "", CODE_OK);
	s->rules.devices = 8;
	judged(s, answer(s, NULL), "nras.devices", CODE_MISMATCH);
}

static void
signed_and_false(void **state)
{
	struct service *s = *state;

	sound(s);
	s->overall = false;
	judged(s, answer(s, NULL), "nras.result", CODE_MEASUREMENT);
	sound(s);
	s->measured = "fail";
	judged(s, answer(s, NULL), "nras.claims", CODE_MEASUREMENT);
	sound(s);
	s->claim = "x-another";
	judged(s, answer(s, NULL), "nras.claims", CODE_MEASUREMENT);
	sound(s);
	s->debug = "enabled";
	judged(s, answer(s, NULL), "nras.claims", CODE_DEBUG);
	sound(s);
	s->device_nonce = NONCE "00";
	judged(s, answer(s, NULL), "nras.nonce", CODE_NONCE);
	sound(s);
	s->ueid[1] = "";
	judged(s, answer(s, NULL), "nras.device_distinct", CODE_MISMATCH);
	sound(s);
	s->ueid[1] = "11";
	judged(s, answer(s, NULL), "nras.device_distinct", CODE_MISMATCH);
	sound(s);
	s->issuer = "https://example.org";
	judged(s, answer(s, NULL), "nras.issuer", CODE_UNTRUSTED);
}

/* A kept signature spares itself and nothing else. */
static void
signatures_are_kept(void **state)
{
	struct service *s = *state;
	struct nras_kept kept = {.count = 0};
	struct forged other;
	const char *text;

	sound(s);
	s->rules.kept = &kept;
	text = answer(s, NULL);
	judged(s, text, "", CODE_OK);
	assert_int_equal(kept.count, 3);
	judged(s, text, "", CODE_OK);
	assert_int_equal(kept.count, 3);
	s->rules.now_ms = s->exp * 1000;
	judged(s, text, "nras.time", CODE_EXPIRED);
	s->rules.now_ms = FORGE_NOW_MS;
	s->rules.devices = 3;
	judged(s, text, "nras.devices", CODE_MISMATCH);
	s->rules.devices = 2;
	/* The same tokens under another key of that id. */
	forge(&other, &s->ca,
	    &(struct forge_wish){.name = "x", .curve = "P-384"});
	forged_free(&s->signer);
	s->signer = other;
	s->jwks = key_set(s, s->signer.key, "k1");
	judged(s, text, "nras.signature", CODE_TAMPERED);
	judged(s, answer(s, NULL), "", CODE_OK);
	s->rules.kept = NULL;
}

static void
times(void **state)
{
	struct service *s = *state;

	sound(s);
	s->exp = FORGE_NOW;
	judged(s, answer(s, NULL), "nras.time", CODE_EXPIRED);
	s->exp = FORGE_NOW + 1;
	judged(s, answer(s, NULL), "", CODE_OK);
	s->nbf = FORGE_NOW + 1;
	s->exp = FORGE_NOW + 2;
	judged(s, answer(s, NULL), "nras.time", CODE_NOT_YET_VALID);
	sound(s);
	s->iat = FORGE_NOW + 1;
	judged(s, answer(s, NULL), "nras.time", CODE_NOT_YET_VALID);
	sound(s);
	s->rules.max_age_s = 59;
	judged(s, answer(s, NULL), "nras.time", CODE_STALE);
	sound(s);
	s->rules.nonce = bytes_of(nonce, 31);
	judged(s, answer(s, NULL), "nras.nonce", CODE_NONCE);
}

static void
headers_choose_nothing(void **state)
{
	static const char *const bad[] = {"{\"alg\":\"none\",\"kid\":\"k1\"}",
	    "{\"alg\":\"ES256\",\"kid\":\"k1\"}",
	    "{\"alg\":\"ES384\",\"kid\":\"k1\",\"jwk\":{}}",
	    "{\"alg\":\"ES384\",\"kid\":\"k1\",\"crit\":[\"b64\"]}",
	    "{\"alg\":\"ES384\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}"};
	struct service *s = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		sound(s);
		s->header = bad[i];
		judged(s, answer(s, NULL), "nras.token", CODE_UNSUPPORTED);
	}
	sound(s);
	s->header = "{\"alg\":\"ES384\"}";
	judged(s, answer(s, NULL), "nras.token", CODE_MALFORMED);
	s->header = "{\"alg\":\"ES384\",\"kid\":\"k2\"}";
	judged(s, answer(s, NULL), "nras.key", CODE_MISSING);
}

static void
keys_and_certificates_agree(void **state)
{
	struct service *s = *state;
	const char *good = s->jwks;
	struct forged other;

	sound(s);
	forge(
	    &other, NULL, &(struct forge_wish){.name = "x", .curve = "P-384"});
	s->jwks = key_set(s, other.key, "k1");
	judged(s, answer(s, NULL), "nras.key", CODE_MISMATCH);
	forged_free(&other);
	/* The same key twice under one id. */
	s->jwks = arena_printf(s->a, "{\"keys\":[%.*s,%.*s]}",
	    (int)strlen(good) - 11, good + 9, (int)strlen(good) - 11, good + 9);
	judged(s, answer(s, NULL), "nras.key", CODE_MISMATCH);
	s->jwks = "{\"keys\":7}";
	judged(s, answer(s, NULL), "nras.keys", CODE_MALFORMED);
	s->jwks = good;
	s->rules.anchors = anchors_pinned();
	judged(s, answer(s, NULL), "nras.key", CODE_UNTRUSTED);
}

static void
digests_cover_the_devices(void **state)
{
	struct service *s = *state;
	const char *text;

	sound(s);
	judged(s, answer(s, device_token(s, 0)), "nras.devices", CODE_TAMPERED);
	text = answer(s, NULL);
	judged(s,
	    arena_printf(
		s->a, "%.*s,\"GPU-2\":\"x\"}]", (int)strlen(text) - 2, text),
	    "nras.devices", CODE_MISMATCH);
	judged(s, "[]", "nras.answer", CODE_MALFORMED);
	judged(s, "[[\"JWT\",\"a.b\"],{}]", "nras.token", CODE_MALFORMED);
	judged(s, "[[\"JWT\",\"a.b.c.d\"],{}]", "nras.token", CODE_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_answer_is_taken),
	    cmocka_unit_test(signed_and_false),
	    cmocka_unit_test(signatures_are_kept),
	    cmocka_unit_test(times),
	    cmocka_unit_test(headers_choose_nothing),
	    cmocka_unit_test(keys_and_certificates_agree),
	    cmocka_unit_test(digests_cover_the_devices),
	};

	return cmocka_run_group_tests(tests, service_make, service_free);
}
