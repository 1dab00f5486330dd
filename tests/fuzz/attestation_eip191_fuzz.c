/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation/eip191: any bytes as an address, a signature, and the text that
 * is signed, each a line. What is recovered verifies; an address is written
 * and read again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/eip191.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct text
line(struct text *rest)
{
	const char *lf =
	    rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
	struct text t = {
	    rest->at, lf != NULL ? (size_t)(lf - rest->at) : rest->len};
	size_t gone = t.len + (lf != NULL);

	rest->at += gone;
	rest->len -= gone;
	return t;
}

static void
check_address(struct text t)
{
	uint8_t address[EIP191_ADDRESS], again[EIP191_ADDRESS];
	char text[2 * EIP191_ADDRESS + 3];
	struct fault f;

	if (!eip191_address_read(t, address, &f))
		return;
	eip191_address_write(address, text);
	if (!eip191_address_read(text_of(text), again, &f) ||
	    memcmp(address, again, sizeof(address)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text rest = {(const char *)at, len};
	struct chat_signature s = {0};
	uint8_t signer[EIP191_ADDRESS];
	struct chat_text text;
	struct bytes message;
	struct fault f = {0};

	s.address = line(&rest);
	s.signature = line(&rest);
	s.algorithm = line(&rest);
	s.text = rest;
	message = bytes_of(s.text.at, s.text.len);
	check_address(s.address);
	if (eip191_recover(message, s.signature, signer, &f) &&
	    !eip191_verify(message, s.signature, signer, &f))
		abort();
	ed25519_verify_text(message, s.signature, s.address, &f);
	if (chat_text_read(s.text, &text, &f) &&
	    text.model.len + 129 > s.text.len)
		abort();
	chat_signature_verify(&s, &text, &f);
	return 0;
}
