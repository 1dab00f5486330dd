/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Personal messages signed here with a test key: recovered, and refused in
 * every second spelling. The texts of chat signatures, held to their forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <string.h>

#include "attestation/eip191.h"
#include "attestation/keccak.h"
#include "base/codec.h"
#include "base/crypto.h"

static const uint8_t secret[32] = {[31] = 1};
/* The address of private key 1, published in many places. */
static const char address_text[] = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf";

static void
sign(const char *message, uint8_t out[65])
{
	secp256k1_context *ctx =
	    secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	secp256k1_ecdsa_recoverable_signature s;
	char head[64];
	uint8_t hash[32];
	struct bytes parts[2];
	int id, n = snprintf(head, sizeof(head),
		    "\x19"
		    "Ethereum Signed Message:\n%zu",
		    strlen(message));

	parts[0] = bytes_of(head, (size_t)n);
	parts[1] = bytes_of(message, strlen(message));
	keccak256_parts(parts, 2, hash);
	assert_int_equal(
	    secp256k1_ecdsa_sign_recoverable(ctx, &s, hash, secret, NULL, NULL),
	    1);
	secp256k1_ecdsa_recoverable_signature_serialize_compact(
	    ctx, out, &id, &s);
	out[64] = (uint8_t)(27 + id);
	secp256k1_context_destroy(ctx);
}

static bool
verified(const char *message, const uint8_t *raw, size_t len, struct fault *f)
{
	char hex[HEX_SIZE(80)];
	uint8_t wanted[EIP191_ADDRESS];

	assert_true(eip191_address_read(text_of(address_text), wanted, f));
	hex_encode(bytes_of(raw, len), hex);
	return eip191_verify(
	    bytes_of(message, strlen(message)), text_of(hex), wanted, f);
}

static void
signer_is_recovered(void **state)
{
	uint8_t raw[65];
	struct fault f = {0};

	(void)state;
	sign("hello", raw);
	assert_true(verified("hello", raw, 65, &f));
	raw[64] = (uint8_t)(raw[64] - 27);
	assert_true(verified("hello", raw, 65, &f));
	assert_false(verified("hello!", raw, 65, &f));
	assert_int_equal(f.kind, FAULT_UNTRUSTED);
	raw[64] ^= 1;
	assert_false(verified("hello", raw, 65, &f));
}

static void
one_spelling_only(void **state)
{
	/* The group order, to turn s into n - s. */
	static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
	    0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0,
	    0x36, 0x41, 0x41};
	uint8_t raw[66], high[65];
	struct fault f = {0};
	int borrow = 0;

	(void)state;
	sign("hello", raw);
	memcpy(high, raw, 65);
	for (int i = 31; i >= 0; i--) {
		int d = n[i] - raw[32 + i] - borrow;

		borrow = d < 0;
		high[32 + i] = (uint8_t)(d + 256 * borrow);
	}
	high[64] = (uint8_t)(27 + 28 - raw[64]);
	assert_false(verified("hello", high, 65, &f));
	assert_int_equal(f.kind, FAULT_TAMPERED);
	assert_non_null(strstr(f.why, "upper half"));
	raw[65] = 0;
	assert_false(verified("hello", raw, 66, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_false(verified("hello", raw, 64, &f));
	for (unsigned v = 0; v < 256; v++) {
		raw[64] = (uint8_t)v;
		if (v != 0 && v != 1 && v != 27 && v != 28) {
			assert_false(verified("hello", raw, 65, &f));
			assert_int_equal(f.kind, FAULT_INVALID);
		}
	}
	memcpy(raw, n, 32);
	raw[64] = 27;
	assert_false(verified("hello", raw, 65, &f));
	assert_int_equal(f.kind, FAULT_TAMPERED);
}

static void
addresses_in_text(void **state)
{
	uint8_t a[EIP191_ADDRESS], b[EIP191_ADDRESS];
	char text[2 * EIP191_ADDRESS + 3];
	struct fault f = {0};

	(void)state;
	assert_true(eip191_address_read(text_of(address_text), a, &f));
	eip191_address_write(a, text);
	assert_string_equal(text, "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
	assert_true(eip191_address_read(text_of(text), b, &f));
	assert_memory_equal(a, b, sizeof(a));
	assert_true(eip191_address_read(text_of(text + 2), b, &f));
	/* Mixed case must be the checksum. */
	assert_false(eip191_address_read(
	    text_of("0x7e5F4552091A69125d5DfCb7b8C2659029395Bdf"), b, &f));
	assert_non_null(strstr(f.why, "EIP-55"));
	assert_false(eip191_address_read(text_of("0x7e5f"), b, &f));
	assert_false(eip191_address_read(text_of(""), b, &f));
	assert_false(eip191_address_read(
	    text_of("0X7e5f4552091a69125d5dfcb7b8c2659029395bdf"), b, &f));
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define U64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void
chat_texts(void **state)
{
	static const char *const bad[] = {"", A64, A64 ":", A64 ":" B64 ":",
	    ":" A64 ":" B64, A64 ":" U64, "m:" A64 "." B64, "m" A64 ":" B64,
	    "m x:" A64 ":" B64, "m\n:" A64 ":" B64, A64 ":" B64 "\n",
	    " " A64 ":" B64};
	struct chat_text t;
	struct fault f = {0};

	(void)state;
	assert_true(chat_text_read(text_of(A64 ":" B64), &t, &f));
	assert_int_equal(t.model.len, 0);
	assert_int_equal(t.request[0], 0xaa);
	assert_int_equal(t.response[31], 0xbb);
	assert_true(chat_text_read(text_of("a:b/c:" A64 ":" B64), &t, &f));
	assert_true(text_is(t.model, "a:b/c"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(chat_text_read(text_of(bad[i]), &t, &f));
		assert_int_equal(f.kind, FAULT_INVALID);
	}
}

static void
chat_signature_covers_its_bytes(void **state)
{
	uint8_t raw[65], hash[32];
	char hex[HEX_SIZE(65)], text[200], q[65], r[65];
	struct chat_signature s;
	struct chat_text t;
	struct fault f = {0};

	(void)state;
	sha256(bytes_of("question", 8), hash);
	hex_encode(bytes_of(hash, 32), q);
	sha256(bytes_of("answer\n\n", 8), hash);
	hex_encode(bytes_of(hash, 32), r);
	snprintf(text, sizeof(text), "lovelace:7b:%s:%s", q, r);
	sign(text, raw);
	hex_encode(bytes_of(raw, 65), hex);
	s = (struct chat_signature){text_of(text), text_of(hex),
	    text_of(address_text), text_of("ecdsa")};
	assert_true(chat_signature_verify(&s, &t, &f));
	assert_true(chat_text_covers(&t, text_of("lovelace:7b"),
	    bytes_of("question", 8), bytes_of("answer\n\n", 8), &f));
	assert_false(chat_text_covers(&t, text_of("lovelace:7b"),
	    bytes_of("question", 8), bytes_of("answer\n", 7), &f));
	assert_non_null(strstr(f.why, "another response"));
	assert_false(chat_text_covers(&t, text_of("lovelace:70b"),
	    bytes_of("question", 8), bytes_of("answer\n\n", 8), &f));
	assert_non_null(strstr(f.why, "another model"));
	s.algorithm = text_of("ed25519");
	assert_false(chat_signature_verify(&s, &t, &f));
	s.algorithm = text_of("ECDSA");
	assert_false(chat_signature_verify(&s, &t, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
}

static void
ed25519_signatures(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t raw[64], public_key[32];
	char hex[HEX_SIZE(64)], key_hex[HEX_SIZE(32)];
	size_t len = sizeof(raw), key_len = sizeof(public_key);
	struct fault f = {0};

	(void)state;
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, key), 1);
	assert_int_equal(
	    EVP_DigestSign(c, raw, &len, (const uint8_t *)"text", 4), 1);
	EVP_PKEY_get_raw_public_key(key, public_key, &key_len);
	hex_encode(bytes_of(raw, 64), hex);
	hex_encode(bytes_of(public_key, 32), key_hex);
	assert_true(ed25519_verify_text(
	    bytes_of("text", 4), text_of(hex), text_of(key_hex), &f));
	assert_false(ed25519_verify_text(
	    bytes_of("test", 4), text_of(hex), text_of(key_hex), &f));
	assert_int_equal(f.kind, FAULT_TAMPERED);
	hex[126] = '\0';
	assert_false(ed25519_verify_text(
	    bytes_of("text", 4), text_of(hex), text_of(key_hex), &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signer_is_recovered),
	    cmocka_unit_test(one_spelling_only),
	    cmocka_unit_test(addresses_in_text),
	    cmocka_unit_test(chat_texts),
	    cmocka_unit_test(chat_signature_covers_its_bytes),
	    cmocka_unit_test(ed25519_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
