/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a statement: chain, freshness, device, posture. The contents
 * of Apple's extensions are raw texts and bytes, not DER, but for the two
 * integers of the posture.
 */
#include "attestation/apple_mda.h"

#include <string.h>

#include "base/crypto.h"

#define APPLE_OID "1.2.840.113635.100.8."

enum { FACT_MAX = 256 };

static struct bytes
fact(struct arena *a, X509 *leaf, const char *oid)
{
	struct bytes b;

	if (!certificate_extension(leaf, oid, &b) || b.len > FACT_MAX)
		return (struct bytes){NULL, 0};
	return bytes_of(arena_copy(a, b.at, b.len), b.len);
}

void
apple_mda_facts_read(struct arena *a, X509 *leaf, struct apple_mda_facts *out)
{
	*out = (struct apple_mda_facts){
	    .serial = fact(a, leaf, APPLE_OID "9.1"),
	    .udid = fact(a, leaf, APPLE_OID "9.2"),
	    .software_update_device = fact(a, leaf, APPLE_OID "9.4"),
	    .os_version = fact(a, leaf, APPLE_OID "10.1"),
	    .sepos_version = fact(a, leaf, APPLE_OID "10.2"),
	    .llb_version = fact(a, leaf, APPLE_OID "10.3"),
	    .freshness = fact(a, leaf, APPLE_OID "11.1"),
	    .sip = fact(a, leaf, APPLE_OID "13.1"),
	    .secure_boot = fact(a, leaf, APPLE_OID "13.2"),
	    .kexts = fact(a, leaf, APPLE_OID "13.3"),
	};
}

static struct text
as_text(struct bytes b)
{
	return (struct text){(const char *)b.at, b.len};
}

static struct bytes
as_bytes(struct text t)
{
	return bytes_of(t.at, t.len);
}

static bool
device_judge(struct verdict *v, const struct apple_mda_rules *r,
    const struct apple_mda_facts *facts)
{
	bool known = facts->serial.len > 0 || facts->udid.len > 0;
	struct check c = {"apple_mda.device", SOURCE_HARDWARE,
	    known ? CODE_BINDING : CODE_MISSING, NULL, NULL};

	c.seen = verdict_text(
	    v, as_text(facts->serial.len > 0 ? facts->serial : facts->udid));
	if (r->device.len == 0) {
		verdict_unknown(v, c);
		return true;
	}
	c.wanted = verdict_text(v, r->device);
	return verdict_check(v,
	    bytes_equal(facts->serial, as_bytes(r->device)) ||
		bytes_equal(facts->udid, as_bytes(r->device)),
	    c);
}

static bool
posture_judge(struct verdict *v, const char *name, struct bytes wanted,
    struct bytes seen, bool as_hex)
{
	if (wanted.len == 0)
		return true;
	return verdict_check(v, bytes_equal(seen, wanted),
	    (struct check){name, SOURCE_HARDWARE,
		seen.len > 0 ? CODE_POLICY : CODE_MISSING,
		as_hex ? verdict_hex(v, seen) : verdict_text(v, as_text(seen)),
		as_hex ? verdict_hex(v, wanted)
		       : verdict_text(v, as_text(wanted))});
}

static bool
facts_judge(struct verdict *v, const struct apple_mda_rules *r,
    const struct apple_mda_facts *facts)
{
	bool ok = verdict_check(v,
	    r->freshness.len == 32 &&
		bytes_equal(facts->freshness, r->freshness),
	    (struct check){"apple_mda.freshness", SOURCE_HARDWARE, CODE_NONCE,
		verdict_hex(v, facts->freshness),
		verdict_hex(v, r->freshness)});

	ok &= device_judge(v, r, facts);
	ok &= posture_judge(v, "apple_mda.sip", r->sip, facts->sip, true);
	ok &= posture_judge(v, "apple_mda.secure_boot",
	    as_bytes(r->secure_boot), facts->secure_boot, false);
	ok &= posture_judge(v, "apple_mda.kexts", r->kexts, facts->kexts, true);
	return ok;
}

static bool
statement_judge(struct verdict *v, const struct apple_mda_rules *r,
    const struct apple_object *o, struct apple_mda_facts *out)
{
	const struct apple_chain_rules chain = {
	    r->anchors, ANCHOR_APPLE_ENTERPRISE, r->now_ms, "apple_mda.chain"};
	X509 *leaf = NULL;
	struct window window;
	bool ok;

	if (!apple_chain_judge(v, o, &chain, &leaf))
		return false;
	if (certificate_window(leaf, &window, NULL))
		verdict_until(v, window.until);
	apple_mda_facts_read(v->arena, leaf, out);
	ok = facts_judge(v, r, out);
	X509_free(leaf);
	return ok;
}

bool
apple_mda_judge(struct verdict *v, const struct apple_mda_rules *r,
    struct bytes object, struct apple_mda_facts *out)
{
	struct apple_object o;
	struct fault f = {0};
	bool ok = apple_object_read(object, &o, &f);

	memset(out, 0, sizeof(*out));
	if (ok && (o.auth_data.at != NULL || o.receipt.at != NULL))
		ok = fault_set(&f, FAULT_INVALID,
		    "attestation object with members of another format");
	if (!verdict_check_fault(
		v, ok, "apple_mda.object", SOURCE_HARDWARE, &f))
		return false;
	if (!verdict_check(v, text_is(o.format, "apple"),
		(struct check){"apple_mda.fmt", SOURCE_HARDWARE,
		    CODE_UNSUPPORTED, verdict_text(v, o.format), "apple"}))
		return false;
	return statement_judge(v, r, &o, out);
}

bool
apple_mda_certificates_judge(struct verdict *v, const struct apple_mda_rules *r,
    const struct bytes *der, size_t count, struct apple_mda_facts *out)
{
	struct apple_object o = {.certificates = count};

	memset(out, 0, sizeof(*out));
	if (!verdict_check(v, count <= APPLE_CHAIN_MAX,
		(struct check){"apple_mda.object", SOURCE_HARDWARE,
		    CODE_MALFORMED,
		    verdict_format(v, "%zu certificates", count), NULL}))
		return false;
	for (size_t i = 0; i < count; i++)
		o.x5c[i] = der[i];
	return statement_judge(v, r, &o, out);
}

void
apple_mda_freshness_of(struct text text, uint8_t out[32])
{
	sha256(as_bytes(text), out);
}
