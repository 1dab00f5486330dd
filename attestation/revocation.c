/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA publishes one list per issuer (l1-root, l2-gh100, l2-gb100, …), and
 * none for the per-device issuers below; which ones a chain needs is said by
 * the caller as a number of levels counted from the anchor.
 */
#include "attestation/revocation.h"

#include <openssl/x509v3.h>

/* RFC 5280 5.3.1: certificateHold is 6. */
static bool
entry_is_hold(X509_REVOKED *entry)
{
	ASN1_ENUMERATED *reason =
	    X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
	bool hold = reason != NULL &&
		    ASN1_ENUMERATED_get(reason) == CRL_REASON_CERTIFICATE_HOLD;

	ASN1_ENUMERATED_free(reason);
	return hold;
}

static bool
only_held(X509_CRL *list, X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(list);

	for (int i = 0; i < sk_X509_REVOKED_num(all); i++) {
		X509_REVOKED *entry = sk_X509_REVOKED_value(all, i);

		if (ASN1_INTEGER_cmp(
			X509_REVOKED_get0_serialNumber(entry), serial) == 0 &&
		    !entry_is_hold(entry))
			return false;
	}
	return true;
}

static bool
list_clears(
    X509_CRL *list, X509 *subject, const struct revocation *r, struct fault *f)
{
	char name[64];

	if (!crl_lists(list, subject) ||
	    (r->allow_hold && only_held(list, subject)))
		return true;
	if (!certificate_common_name(subject, name, sizeof(name)))
		name[0] = '\0';
	return fault_set(f, FAULT_REVOKED,
	    "certificate '%s' is on its issuer's revocation list", name);
}

/* One list against the chain: finds its issuer, if it is there at all. */
static bool
list_judge(struct bytes raw, const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, bool covered[CHAIN_MAX],
    struct fault *f)
{
	X509_CRL *list = NULL;
	bool ok = true;

	if (!crl_read(raw, &list, f))
		return false;
	for (size_t i = 1; ok && i < c->count; i++) {
		struct window own;

		if (X509_NAME_cmp(X509_CRL_get_issuer(list),
			X509_get_subject_name(c->at[i])) != 0)
			continue;
		ok = crl_verify(list, c->at[i], now_ms, &own, f) &&
		     list_clears(list, c->at[i - 1], r, f);
		if (ok)
			*window = window_meet(*window, own);
		covered[i] = ok;
	}
	X509_CRL_free(list);
	return ok;
}

bool
revocation_check(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, struct fault *f)
{
	bool covered[CHAIN_MAX] = {false};

	if (r->count > REVOCATION_LISTS_MAX)
		return fault_set(
		    f, FAULT_LIMIT, "%zu revocation lists", r->count);
	for (size_t i = 0; i < r->count; i++)
		if (!list_judge(r->lists[i], r, c, now_ms, window, covered, f))
			return false;
	if (!r->required)
		return true;
	for (size_t n = 0; n < r->levels && n + 1 < c->count; n++)
		if (!covered[c->count - 1 - n])
			return fault_set(f, FAULT_NOT_FOUND,
			    "no revocation list of issuer %zu below the "
			    "anchor",
			    n);
	return true;
}
