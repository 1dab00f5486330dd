/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and the certificates that name them. A device's DID is made from
 * the key it enrolled with and stays when that key is replaced; a certificate
 * binds the DID (its only URI name) to the key of the day. Authorities issue;
 * time and serial numbers come in.
 */
#ifndef AUTH_DEVICE_H
#define AUTH_DEVICE_H

#include <openssl/x509.h>

#include "base/crypto.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

#define CSR_BYTES_MAX 8192
#define DEVICE_DID_TEXT 80
#define SERIAL_BYTES 16

/* "did:assay:z" + base58btc of the multicodec p256-pub (0x1200) and the
 * compressed point, as did:key writes keys. */
void device_did(const struct ec_key *first_key, char out[DEVICE_DID_TEXT]);

/* One PEM PKCS#10 block: P-256, signed by its own key, nothing after it. Its
 * subject and extensions are not looked at: what a certificate says is the
 * authority's to decide. Fails CSR_INVALID. */
bool csr_read(struct text pem, struct ec_key **out, struct fault *f);
/* A request for the key, as a device writes it. */
char *csr_write(struct arena *a, struct ec_key *k, struct fault *f);

/* A certificate authority: its certificate and its key. */
struct authority;
struct leaf {
	const char *common_name;
	const char *uri; /* a DID, or NULL */
	/* Host names and addresses for the subject alternative name. */
	const char *const *hosts;
	size_t host_count;
	bool client; /* extended key usage clientAuth */
	bool server; /* and serverAuth */
	int64_t not_before_ms;
	int64_t not_after_ms;
	uint8_t serial[SERIAL_BYTES]; /* random; made positive here */
};

/* Self-signed, path length 0, may sign certificates only. Takes the key. */
struct authority *authority_make(struct ec_key **k, const struct leaf *l);
/* Takes both; fails INVALID (and frees them) where the key is not the
 * certificate's or the certificate is no CA. */
bool authority_of(X509 *certificate, struct ec_key **k, struct authority **out,
    struct fault *f);
bool authority_read(const char *certificate_file, const char *key_file,
    struct authority **out, struct fault *f);
X509 *authority_certificate(const struct authority *a);	 /* borrowed */
struct ec_key *authority_key(const struct authority *a); /* borrowed */
/* The caller frees with X509_free. Never outlives the authority's own
 * certificate. Fails INTERNAL. */
X509 *authority_issue(struct authority *a, struct ec_key *subject,
    const struct leaf *l, struct fault *f);
void authority_free(struct authority **a);

char *certificate_pem(struct arena *a, X509 *certificate);

#endif
