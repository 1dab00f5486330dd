/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation lists of CPU makers as views on their DER, for the same reason as
 * certificates (cert.h): a long list decoded into objects costs as much as
 * verifying it. The profile is RFC 5280's version 2, in DER, and lists that
 * speak about all that their issuer issued; the rest is refused.
 */
#ifndef ATTESTATION_CERT_LIST_H
#define ATTESTATION_CERT_LIST_H

#include "attestation/cert.h"

struct cert_list {
	struct bytes tbs; /* what is signed */
	enum cert_signing signing;
	struct bytes signature;
	struct bytes issuer; /* whole name */
	struct window window;
	struct bytes entries; /* content of their SEQUENCE; may be empty */
};

/* Exactly one list, DER or one PEM block ("X509 CRL", into the arena). Every
 * entry has been looked at. INVALID, or UNSUPPORTED for algorithms and
 * critical extensions that are not known, and for lists that leave out some of
 * the issuer's certificates. */
bool cert_list_read(
    struct arena *a, struct bytes b, struct cert_list *out, struct fault *f);
/* Issued by the certificate's subject, which may sign lists, under its key.
 * CONFLICT (another issuer), UNTRUSTED, UNSUPPORTED, TAMPERED. */
bool cert_list_check(const struct cert_list *l, const struct cert *issuer,
    EVP_PKEY *issuer_key, struct fault *f);
/* The certificate's serial number stands in the list, whatever the entry's
 * reason. */
bool cert_list_has(const struct cert_list *l, const struct cert *c);

#endif
