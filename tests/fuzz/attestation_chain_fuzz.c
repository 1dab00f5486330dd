/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, chains and lists. Where the view of cert.h and OpenSSL both
 * read a certificate, they read the same key in it.
 */
#include <string.h>

#include "attestation/cert.h"
#include "attestation/chain.h"
#include "attestation/tdx_pck.h"
#include "base/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_cert(struct bytes b)
{
	struct cert c;
	struct text name;
	struct tdx_pck pck;
	struct fault f;
	X509 *other = NULL;
	EVP_PKEY *key;
	uint8_t ours[32], theirs[32];

	if (!cert_read(b, &c, &f))
		return;
	cert_common_name(&c, &name);
	tdx_pck_read(&c, &pck, &f);
	key = cert_key(&c, NULL);
	if (key != NULL)
		cert_check_link(&c, &c, key, 0, CHAIN_ECDSA, &f);
	EVP_PKEY_free(key);
	if (!certificate_read_der(b, &other, &f))
		return;
	spki_sha256(other, theirs);
	cert_spki_sha256(&c, ours);
	if (memcmp(ours, theirs, 32) != 0)
		__builtin_trap();
	X509_free(other);
}

static void
read_chain(struct bytes b)
{
	struct chain_rules rules = {.anchors = anchors_pinned(),
	    .anchor = ANCHOR_NVIDIA_DEVICE,
	    .now_ms = 1768435200000};
	struct chain c;
	struct window w;
	struct fault f;

	if (!chain_read_pem((struct text){(const char *)b.at, b.len}, &c, &f))
		return;
	if (chain_walk(&c, &rules, &w, &f))
		__builtin_trap();
	chain_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b;
	struct fault f;
	X509_CRL *crl = NULL;

	if (size == 0)
		return 0;
	b = bytes_of(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		read_cert(b);
		break;
	case 1:
		read_chain(b);
		break;
	default:
		if (crl_read(b, &crl, &f))
			X509_CRL_free(crl);
		break;
	}
	return 0;
}
