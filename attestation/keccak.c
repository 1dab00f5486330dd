/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keccak-f[1600] (FIPS 202 section 3) and a sponge of rate 136 with the old
 * padding. Addresses and personal messages of Ethereum hash with it; eip191.c
 * is its only reader.
 */
#include "attestation/keccak.h"

#include <string.h>

enum { RATE = 136, ROUNDS = 24 };

struct sponge {
	uint64_t lane[25];
	size_t filled; /* bytes of the current block that were absorbed */
};

/* clang-format off */
static const uint64_t round_constant[ROUNDS] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a,
	0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
	0x8000000080008081, 0x8000000000008009, 0x000000000000008a,
	0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
	0x000000000000800a, 0x800000008000000a, 0x8000000080008081,
	0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Rho offsets and the lanes that pi visits, in the order of the walk. */
static const unsigned rho[24] = {
	1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14,
	27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44,
};
static const unsigned pi_lane[24] = {
	10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4,
	15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1,
};
/* clang-format on */

static uint64_t
rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static void
theta(uint64_t a[25])
{
	uint64_t c[5];

	for (unsigned x = 0; x < 5; x++)
		c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	for (unsigned x = 0; x < 5; x++) {
		uint64_t d = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);

		for (unsigned y = 0; y < 25; y += 5)
			a[x + y] ^= d;
	}
}

static void
rho_pi(uint64_t a[25])
{
	uint64_t carried = a[1];

	for (unsigned i = 0; i < 24; i++) {
		uint64_t kept = a[pi_lane[i]];

		a[pi_lane[i]] = rotate(carried, rho[i]);
		carried = kept;
	}
}

static void
chi(uint64_t a[25])
{
	for (unsigned y = 0; y < 25; y += 5) {
		uint64_t row[5];

		memcpy(row, a + y, sizeof(row));
		for (unsigned x = 0; x < 5; x++)
			a[y + x] =
			    row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
	}
}

static void
permute(uint64_t a[25])
{
	for (unsigned r = 0; r < ROUNDS; r++) {
		theta(a);
		rho_pi(a);
		chi(a);
		a[0] ^= round_constant[r];
	}
}

static void
absorb_byte(struct sponge *s, uint8_t byte)
{
	s->lane[s->filled / 8] ^= (uint64_t)byte << (8 * (s->filled % 8));
	if (++s->filled == RATE) {
		permute(s->lane);
		s->filled = 0;
	}
}

static void
finish(struct sponge *s, uint8_t out[32])
{
	s->lane[s->filled / 8] ^= (uint64_t)0x01 << (8 * (s->filled % 8));
	s->lane[(RATE - 1) / 8] ^= (uint64_t)0x80 << (8 * ((RATE - 1) % 8));
	permute(s->lane);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(s->lane[i / 8] >> (8 * (i % 8)));
}

void
keccak256_parts(const struct bytes *parts, size_t count, uint8_t out[32])
{
	struct sponge s = {.filled = 0};

	for (size_t p = 0; p < count; p++)
		for (size_t i = 0; i < parts[p].len; i++)
			absorb_byte(&s, parts[p].at[i]);
	finish(&s, out);
}

void
keccak256(struct bytes in, uint8_t out[32])
{
	keccak256_parts(&in, 1, out);
}
