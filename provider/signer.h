/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's signing key (secp256k1): made when the daemon starts, beside
 * the runtime, never written anywhere, gone when it ends. Evidence binds its
 * address; what it signs, only software with that evidence can have signed.
 */
#ifndef PROVIDER_SIGNER_H
#define PROVIDER_SIGNER_H

#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/text.h"

/* "0x" and 65 bytes in hex. */
#define SIGNATURE_TEXT (2 + HEX_SIZE(EIP191_SIGNATURE))

struct signer;
struct signer *signer_new(void);
void signer_free(struct signer **s); /* wipes the key */

const uint8_t *signer_address(const struct signer *s); /* EIP191_ADDRESS */
/* The same as text: "0x" and lower-case hex. */
const char *signer_address_text(const struct signer *s);

/* An EIP-191 personal message; the last byte is 27 or 28. */
void signer_sign(
    const struct signer *s, struct text message, char out[SIGNATURE_TEXT]);

#endif
