/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with the padding of
 * the first Keccak submission (0x01), which is why OpenSSL's SHA3-256 gives
 * other digests. Only ever hashes what is already in memory.
 */
#ifndef ATTESTATION_KECCAK_H
#define ATTESTATION_KECCAK_H

#include "base/text.h"

/* Keccak-256 over the parts in turn. */
void keccak256_parts(const struct bytes *parts, size_t count, uint8_t out[32]);
void keccak256(struct bytes in, uint8_t out[32]);

#endif
