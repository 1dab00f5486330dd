/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-256 against published digests, and at the edges of its block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "attestation/keccak.h"
#include "base/codec.h"
#include "base/crypto.h"

static void
digest_is(const char *in, const char *wanted)
{
	uint8_t out[32];
	char hex[HEX_SIZE(32)];

	keccak256(bytes_of(in, strlen(in)), out);
	hex_encode(bytes_of(out, 32), hex);
	assert_string_equal(hex, wanted);
}

static void
published_digests(void **state)
{
	(void)state;
	digest_is("", "c5d2460186f7233c927e7db2dcc703c0"
		      "e500b653ca82273b7bfad8045d85a470");
	digest_is("abc", "4e03657aea45a94fc7d47ba826c8d667"
			 "c0d1e6e33a64a036ec44f58fa12d6c45");
	digest_is("The quick brown fox jumps over the lazy dog",
	    "4d741b6f1eb29cb2a9b9911c82f56fa8"
	    "d73b04959d3d9d222895df6c0b28aa15");
}

/* The sponge's permutation is FIPS 202's: with SHA-3's padding byte instead
 * of Keccak's the digests must differ, block boundary or not. */
static void
not_sha3(void **state)
{
	uint8_t ours[32], sha3[32];
	unsigned len = 32;

	(void)state;
	keccak256(bytes_of("abc", 3), ours);
	assert_int_equal(
	    EVP_Digest("abc", 3, sha3, &len, EVP_sha3_256(), NULL), 1);
	assert_memory_not_equal(ours, sha3, 32);
}

static void
parts_equal_the_whole(void **state)
{
	uint8_t in[300], whole[32], split[32];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t len = 130; len < sizeof(in); len++) {
		struct bytes parts[] = {bytes_of(in, len / 3),
		    bytes_of(in + len / 3, 0),
		    bytes_of(in + len / 3, len - len / 3)};

		keccak256(bytes_of(in, len), whole);
		keccak256_parts(parts, 3, split);
		assert_memory_equal(whole, split, 32);
	}
}

/* 135 and 136 bytes: padding in one byte, and in a block of its own. */
static void
block_edges(void **state)
{
	char in[138];

	(void)state;
	memset(in, 'a', sizeof(in));
	in[135] = '\0';
	digest_is(in, "34367dc248bbd832f4e3e69dfaac2f92"
		      "638bd0bbd18f2912ba4ef454919cf446");
	in[135] = 'a';
	in[136] = '\0';
	digest_is(in, "a6c4d403279fe3e0af03729caada8374"
		      "b5ca54d8065329a3ebcaeb4b60aa386e");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_digests),
	    cmocka_unit_test(not_sha3),
	    cmocka_unit_test(parts_equal_the_whole),
	    cmocka_unit_test(block_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
