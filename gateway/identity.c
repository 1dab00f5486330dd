/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate against the devices, check by check. */
#include "gateway/identity.h"

bool
identity_check(struct identity *x, const struct catalog *c, struct fault *f)
{
	const struct catalog_device *d;

	if (!catalog_is_whole(c))
		return fault_set(f, FAULT_UNAVAILABLE,
		    "the devices have not been read from Postgres yet");
	d = catalog_device_find(c, x->did);
	if (d == NULL)
		return fault_set(
		    f, FAULT_DEVICE_UNKNOWN, "no such device is enrolled here");
	if (d->is_revoked)
		return fault_set(
		    f, FAULT_DEVICE_REVOKED, "the device is revoked");
	if (catalog_certificate_is_revoked(c, x->serial))
		return fault_set(f, FAULT_DEVICE_REVOKED,
		    "the certificate %s is revoked", x->serial);
	if (d->is_suspended)
		return fault_set(
		    f, FAULT_REFUSED, "the device's workspace is suspended");
	return text_store(
		   text_of(d->workspace), x->workspace, sizeof(x->workspace)) ||
	       fault_set(f, FAULT_INTERNAL, "the workspace id is too long");
}

bool
identity_read(X509 *peer, const struct catalog *c, int64_t now_ms,
    struct identity *out, struct fault *f)
{
	int64_t not_before;

	if (peer == NULL)
		return fault_set(
		    f, FAULT_UNTRUSTED, "no client certificate came");
	if (!certificate_serial(peer, out->serial, sizeof(out->serial)) ||
	    !certificate_times(peer, &not_before, &out->expires_at))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the client certificate can not be read");
	if (!certificate_did(peer, out->did, sizeof(out->did), f))
		return false;
	/* RFC 5280 section 4.1.2.5: both ends are inclusive, to the second */
	if (now_ms < not_before)
		return fault_set(f, FAULT_NOT_YET_VALID,
		    "the client certificate is not valid yet");
	if (now_ms > out->expires_at)
		return fault_set(
		    f, FAULT_EXPIRED, "the client certificate has expired");
	return identity_check(out, c, f);
}
