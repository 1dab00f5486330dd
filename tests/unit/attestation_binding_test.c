/* SPDX-License-Identifier: Apache-2.0 */
/* Report data: each form against a digest computed apart, and what differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "attestation/aci.h"
#include "attestation/binding.h"
#include "attestation/sealed.h"
#include "base/codec.h"
#include "base/crypto.h"

static void
tunnel_form(void **state)
{
	struct binding_tunnel b = {.nonce = {9},
	    .did = text_of("did:assay:zX"),
	    .spki = bytes_of("\x30\x01\x00", 3),
	    .statement = {7},
	    .signing_key = bytes_of("12345678901234567890", 20)};
	uint8_t plain[32 + 12 + 3 + 32 + 20] = {9}, wanted[64], seen[64];
	struct fault f = {0};

	(void)state;
	memcpy(plain + 32, "did:assay:zX\x30\x01\x00", 15);
	plain[47] = 7;
	memcpy(plain + 79, "12345678901234567890", 20);
	sha512(bytes_of(plain, sizeof(plain)), wanted);
	binding_tunnel(&b, seen);
	assert_memory_equal(seen, wanted, 64);
	assert_true(binding_holds(seen, bytes_of(wanted, 64), &f));
	b.nonce[31] = 1;
	binding_tunnel(&b, seen);
	assert_false(binding_holds(seen, bytes_of(wanted, 64), &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
}

static void
address_forms(void **state)
{
	uint8_t nonce[32] = {0xaa}, spki[32] = {0xdd}, out[64], plain[52];
	struct binding_key k;
	struct fault f = {0};

	(void)state;
	assert_true(binding_key_read(text_of("ecdsa"),
	    text_of("0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"), &k, &f));
	binding_address(&k, nonce, out);
	assert_int_equal(out[19], 0xc0);
	assert_int_equal(out[20], 0);
	assert_int_equal(out[31], 0);
	assert_int_equal(out[32], 0xaa);
	binding_address_tls(&k, spki, nonce, out);
	memset(plain, 0xc0, 20);
	memcpy(plain + 20, spki, 32);
	sha256(bytes_of(plain, 52), plain);
	assert_memory_equal(out, plain, 32);
	assert_memory_equal(out + 32, nonce, 32);
	assert_false(binding_key_read(text_of("rsa"), text_of("00"), &k, &f));
	assert_false(
	    binding_key_read(text_of("ed25519"), text_of("00"), &k, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
}

static void
too_little_is_no_binding(void **state)
{
	uint8_t seen[64] = {0};
	struct fault f = {0};

	(void)state;
	assert_false(binding_holds(seen, bytes_of(seen, 31), &f));
	assert_true(binding_holds(seen, bytes_of(seen, 32), &f));
}

static void
nonces_are_filled_with_zeros(void **state)
{
	static const char asked[] = "87ebbef3ceb69d2d6d7edc1b05c42ad9";
	char answer[65];
	struct fault f = {0};

	(void)state;
	snprintf(answer, sizeof(answer), "%s%032d", asked, 0);
	assert_true(binding_nonce_answers(text_of(asked), text_of(answer), &f));
	answer[63] = '1';
	assert_false(
	    binding_nonce_answers(text_of(asked), text_of(answer), &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_false(binding_nonce_answers(text_of(asked), text_of(asked), &f));
	assert_false(binding_nonce_answers(text_of("00"), text_of(answer), &f));
	assert_int_equal(f.kind, FAULT_INVALID);
}

static void
contrast_and_actions(void **state)
{
	struct binding_contrast b = {bytes_of("nonce", 5),
	    bytes_of("transition", 10), bytes_of("root", 4),
	    bytes_of("mesh", 4)};
	uint8_t plain[15 + 64], wanted[32], out[64], nonce[32] = {3};
	struct fault f = {0};

	(void)state;
	memcpy(plain, "noncetransition", 15);
	sha256(bytes_of("root", 4), plain + 15);
	sha256(bytes_of("mesh", 4), plain + 47);
	sha256(bytes_of(plain, sizeof(plain)), wanted);
	binding_contrast(&b, out);
	assert_memory_equal(out, wanted, 32);
	assert_int_equal(out[63], 0);
	assert_true(
	    binding_actions(text_of("[ {\"b\": 1, \"a\": \"\xc3\xa9\"} ]"),
		BINDING_SORTED, nonce, out, &f));
	sha256(bytes_of("[{\"a\":\"\xc3\xa9\",\"b\":1}]", 18), wanted);
	assert_memory_equal(out, wanted, 32);
	assert_memory_equal(out + 32, nonce, 32);
	assert_true(binding_actions_hold(
	    out, text_of("[{\"a\":\"\xc3\xa9\",\"b\":1}]"), nonce, &f));
	assert_true(binding_actions(text_of("[{\"b\": 1, \"a\": 2}]"),
	    BINDING_AS_WRITTEN, nonce, out, &f));
	assert_true(binding_actions_hold(
	    out, text_of("[{\"b\":1,\"a\":2}]"), nonce, &f));
	assert_false(binding_actions_hold(
	    out, text_of("[{\"a\":2,\"b\":1}]"), nonce, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_false(
	    binding_actions(text_of("{}"), BINDING_SORTED, nonce, out, &f));
	assert_false(
	    binding_actions(text_of("[1.5]"), BINDING_SORTED, nonce, out, &f));
	assert_false(binding_actions(
	    text_of("[{\"a\":1,\"a\":2}]"), BINDING_SORTED, nonce, out, &f));
}

/* A key set and a receipt made and signed here. */
static void
receipts(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct arena *a = arena_new();
	uint8_t raw[64], public_key[32], digest[32];
	char hex[HEX_SIZE(64)], key_hex[HEX_SIZE(32)], digest_hex[65];
	const char *keyset, *body, *receipt;
	size_t len = 64, key_len = 32;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct aci_receipt r;
	struct fault f = {0};

	(void)state;
	EVP_PKEY_get_raw_public_key(key, public_key, &key_len);
	hex_encode(bytes_of(public_key, 32), key_hex);
	keyset = arena_printf(a,
	    "{\"not_after\":200,\"receipt_signing_keys\":[{\"algo\":"
	    "\"ed25519\",\"key_id\":\"k\",\"public_key\":\"%s\"}]}",
	    key_hex);
	assert_true(aci_digest(text_of(keyset), digest, &f));
	hex_encode(bytes_of(digest, 32), digest_hex);
	body = arena_printf(a,
	    "{\"event_log\":[{\"body_hash\":\"sha256:%s\",\"type\":"
	    "\"request.received\"},{\"body_hash\":\"sha256:%s\",\"type\":"
	    "\"response.returned\"}],\"key_id\":\"k\",\"served_at\":100,"
	    "\"workload_keyset_digest\":\"sha256:%s\"}",
	    digest_hex, digest_hex, digest_hex);
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, key), 1);
	assert_int_equal(
	    EVP_DigestSign(c, raw, &len, (const uint8_t *)body, strlen(body)),
	    1);
	hex_encode(bytes_of(raw, 64), hex);
	receipt = arena_printf(a, "{\"signature\": \"%s\", %s", hex, body + 1);
	assert_true(
	    aci_receipt_read(a, text_of(receipt), text_of(keyset), &r, &f));
	assert_memory_equal(r.request, digest, 32);
	assert_false(r.upstream_verified);
	/* The same, after the end of the key set's life. */
	keyset = arena_printf(a, "{\"not_after\":99%s", keyset + 16);
	assert_false(
	    aci_receipt_read(a, text_of(receipt), text_of(keyset), &r, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	arena_free(&a);
}

/* Refusals; what opens is shown by the published values of the vectors. */
static void
sealed_values(void **state)
{
	struct arena *a = arena_new();
	struct sealed_member m = {.secret = {5}, .nonce = {6}, .sequence = 2};
	uint8_t seed[32] = {1}, small[71] = {4};
	struct text id;
	struct bytes out;
	struct fault f = {0};

	(void)state;
	assert_false(
	    sealed_open_ed25519(a, seed, bytes_of(small, 71), &out, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_false(sealed_open_ecdsa(a, seed, bytes_of(small, 71), &out, &f));
	assert_false(
	    sealed_open_member(a, &m, text_of("id:00:00:00"), &id, &out, &f));
	assert_false(sealed_open_member(a, &m, text_of("id"), &id, &out, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_false(sealed_open_member(a, &m,
	    text_of("id:000000000000000000000000:000000000000000000000000:"
		    "00000000000000000000000000000000"),
	    &id, &out, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_false(sealed_open_member(a, &m,
	    text_of("id:060000000000000000000000:000000000000000000000000:"
		    "00000000000000000000000000000000"),
	    &id, &out, &f));
	assert_int_equal(f.kind, FAULT_TAMPERED);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tunnel_form),
	    cmocka_unit_test(address_forms),
	    cmocka_unit_test(too_little_is_no_binding),
	    cmocka_unit_test(nonces_are_filled_with_zeros),
	    cmocka_unit_test(contrast_and_actions),
	    cmocka_unit_test(receipts),
	    cmocka_unit_test(sealed_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
