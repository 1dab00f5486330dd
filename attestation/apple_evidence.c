/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple's objects as they stand in a bundle. The posture a policy wants by
 * default is that of a Mac at full security: SIP on, Full Security, no
 * third-party kernel extensions; absent values count as not so.
 */
#include "attestation/apple_evidence.h"

#include <string.h>

#include "attestation/app_attest.h"
#include "attestation/apple_mda.h"
#include "attestation/dotted.h"
#include "base/codec.h"
#include "base/crypto.h"

enum { SPKI_MAX = 4096 };

static struct bytes
nonce_of(const struct examination *x)
{
	if (x->bound != NULL && x->bound->nonce.len == 32)
		return x->bound->nonce;
	return bytes_of(x->facts.nonce, sizeof(x->facts.nonce));
}

void
apple_evidence_freshness(const struct examination *x, uint8_t out[32])
{
	char text[BASE64_SIZE(SPKI_MAX)];

	if (x->bound != NULL && x->bound->tls_spki.len > 0 &&
	    x->bound->tls_spki.len <= SPKI_MAX)
		base64_encode(x->bound->tls_spki, text);
	else
		hex_encode(nonce_of(x), text);
	apple_mda_freshness_of(text_of(text), out);
}

struct wanted {
	const char *check;
	struct bytes seen;
	const char *value;
	size_t len;
	bool waived;
};

static bool
posture_judge(
    struct verdict *v, const struct policy_apple *p, const struct wanted *w)
{
	bool ok = bytes_equal(w->seen, bytes_of(w->value, w->len));
	struct check c = {w->check, SOURCE_HARDWARE,
	    w->seen.len > 0 ? CODE_POLICY : CODE_MISSING,
	    verdict_hex(v, w->seen),
	    verdict_hex(v, bytes_of(w->value, w->len))};

	if (!ok && (w->waived || (w->seen.len == 0 && p->allow_no_posture))) {
		verdict_unknown(v, c);
		return true;
	}
	return verdict_check(v, ok, c);
}

static struct text
as_text(struct bytes b)
{
	return (struct text){(const char *)b.at, b.len};
}

static bool
floor_judge(
    struct verdict *v, const char *name, struct bytes seen, const char *least)
{
	if (least == NULL)
		return true;
	return verdict_check(v, dotted_reaches(as_text(seen), text_of(least)),
	    (struct check){name, SOURCE_HARDWARE,
		seen.len > 0 ? CODE_POLICY : CODE_MISSING,
		verdict_text(v, as_text(seen)),
		verdict_format(v, "at least %s", least)});
}

static bool
policy_judge(struct verdict *v, const struct policy_apple *p,
    const struct apple_mda_facts *facts)
{
	const struct wanted wanted[] = {
	    {"apple_mda.sip", facts->sip, "\x02\x01\x00", 3, p->allow_sip_off},
	    {"apple_mda.secure_boot", facts->secure_boot, "Full Security", 13,
		p->allow_reduced_security},
	    {"apple_mda.kexts", facts->kexts, "\x02\x01\x00", 3,
		p->allow_kexts},
	};
	bool ok;

	ok = policy_check_text(v, &p->serials, "apple_mda.serial",
	    SOURCE_HARDWARE, as_text(facts->serial));
	ok &= policy_check_text(v, &p->udids, "apple_mda.udid", SOURCE_HARDWARE,
	    as_text(facts->udid));
	ok &= policy_check_text(v, &p->os_versions, "apple_mda.os_version",
	    SOURCE_HARDWARE, as_text(facts->os_version));
	ok &= floor_judge(v, "apple_mda.least_os_version", facts->os_version,
	    p->min_os_version);
	ok &= floor_judge(v, "apple_mda.least_sepos_version",
	    facts->sepos_version, p->min_sepos_version);
	ok &= floor_judge(v, "apple_mda.least_llb_version", facts->llb_version,
	    p->min_llb_version);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ok &= posture_judge(v, p, &wanted[i]);
	return ok;
}

static bool
object_read(
    struct verdict *v, const json_t *item, const char *check, struct bytes *out)
{
	struct fault f = {0};
	bool ok = evidence_member(
	    v->arena, item, "attestation", APPLE_OBJECT_MAX, out, &f);

	return verdict_check_fault(v, ok, check, SOURCE_PROVIDER, &f);
}

static bool
verify_mda(struct examination *x, const json_t *item, struct verdict *v)
{
	uint8_t freshness[32] = {0};
	const struct apple_mda_rules r = {
	    .anchors = x->anchors,
	    .freshness = bytes_of(freshness, sizeof(freshness)),
	    .now_ms = x->now_ms,
	};
	struct apple_mda_facts *facts = arena_alloc(v->arena, sizeof(*facts));
	struct bytes object;

	apple_evidence_freshness(x, freshness);
	if (!object_read(v, item, "apple_mda.object", &object) ||
	    !apple_mda_judge(v, &r, object, facts) ||
	    !policy_judge(v, &x->policy->apple, facts))
		return false;
	x->facts.device = true;
	x->facts.mac = facts;
	return true;
}

/* rpIdHash stands first in the authenticator data. */
static bool
app_is(struct bytes object, const char *app)
{
	struct apple_object o;
	uint8_t hash[32];

	sha256(bytes_of(app, strlen(app)), hash);
	return apple_object_read(object, &o, NULL) &&
	       o.auth_data.len >= sizeof(hash) &&
	       memcmp(o.auth_data.at, hash, sizeof(hash)) == 0;
}

static const char *
app_find(const struct policy_texts *apps, struct bytes object)
{
	for (size_t i = 0; i < apps->count; i++)
		if (app_is(object, apps->at[i]))
			return apps->at[i];
	return apps->at[0];
}

static bool
verify_app_attest(struct examination *x, const json_t *item, struct verdict *v)
{
	const struct policy_apple *p = &x->policy->apple;
	struct app_attest_facts facts;
	struct fault f = {0};
	uint8_t hash[32] = {0};
	struct bytes object, key_id;
	struct app_attest_rules r = {
	    .anchors = x->anchors,
	    .client_data_hash = bytes_of(hash, sizeof(hash)),
	    .allow_production = true,
	    .allow_development = p->allow_development,
	    .now_ms = x->now_ms,
	};

	if (!verdict_need(v, p->apps.given && p->apps.count > 0,
		(struct check){"app_attest.apps", SOURCE_OPERATOR,
		    CODE_BAD_POLICY, "the policy names no app", NULL}) ||
	    !object_read(v, item, "app_attest.object", &object))
		return false;
	if (!evidence_member(v->arena, item, "key_id", 32, &key_id, &f))
		return verdict_check_fault(
		    v, false, "app_attest.key_id", SOURCE_PROVIDER, &f);
	sha256(nonce_of(x), hash);
	r.key_id = key_id;
	r.app_id = text_of(app_find(&p->apps, object));
	if (!app_attest_judge(v, &r, object, &facts))
		return false;
	x->facts.device = true;
	return true;
}

const struct verifier apple_mda_verifier = {"apple-mda", 1, verify_mda};
const struct verifier app_attest_verifier = {
    "apple-app-attest", 1, verify_app_attest};
